"""The real tree, of which one step fails: each call that reaches the operating system is a step,
and a `Script` says at which of them an OSError is raised instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ELOOP, ENOENT, ENOTDIR, ENXIO, EXDEV
from functools import wraps
from pathlib import Path as FilePath
from typing import Any

from davserver.protocol.paths import Path
from davserver.tree import Directory, Opened, Tree, Upload, confined


@dataclass(frozen=True)
class Step:
    """What is about to happen, and to which real path. ``clears`` says that it is part of
    removing what the server no longer needs.
    """

    what: str
    path: FilePath
    clears: bool
    is_root: bool

    def can_fail_with(self, number: int) -> bool:
        """Whether the error can be true. The descriptor of a share's root leads to it always, and
        an open file has no name to be missed.
        """
        if self.what == "path" and self.is_root:
            return number not in _GONE["path"]
        return number != ENOENT or self.what not in _OF_DESCRIPTORS


Fails = Callable[[int, Step], int]
"""From the number and the step to the errno that is raised, 0 for none."""

_GONE: dict[str, tuple[int, ...]] = {
    "path": (ENOENT, ENOTDIR, ELOOP, EXDEV),
    "open": (ENOENT, ELOOP, ENXIO),
} | dict.fromkeys(("stat", "kinds", "rename", "remove_file", "remove_directory"), (ENOENT,))
"""By step, the errors with which the system says that a name is no longer what it was."""
_OF_DESCRIPTORS = ("read", "write", "stamp", "facts", "resemble")
"""Steps that ask for no name: it cannot be missing."""


class Script:
    """Counts steps, and fails some of them.

    Where an error says that a name is gone it is gone indeed: somebody else was faster. Those
    paths are in ``vanished``. With ``does_it_all_the_same`` the step is carried out and fails
    nevertheless: no storage does that, and the checks have to notice.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.failed: list[Step] = []
        self.vanished: list[FilePath] = []
        self.roots: set[FilePath] = set()
        self.does_it_all_the_same = False
        self._fails: Fails | None = None
        self._clears = False

    @contextmanager
    def run(self, fails: Fails) -> Iterator[None]:
        self.steps, self.failed, self.vanished = [], [], []
        self._fails = fails
        try:
            yield
        finally:
            self._fails = None

    @contextmanager
    def clearing(self) -> Iterator[None]:
        before, self._clears = self._clears, True
        try:
            yield
        finally:
            self._clears = before

    def step(self, what: str, path: FilePath, do: Callable[[], object] = lambda: None) -> None:
        if self._fails is None:
            return
        step = Step(what, path, self._clears, path in self.roots)
        self.steps.append(step)
        number = self._fails(len(self.steps), step)
        if not number:
            return
        self.failed.append(step)
        if self.does_it_all_the_same:
            do()
        elif number in _GONE.get(what, ()) and self._may_vanish(step):
            self.vanished.append(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        raise OSError(number, os.strerror(number))

    def _may_vanish(self, step: Step) -> bool:
        """Not between an exchange and the rename that belongs to it: for that instant the name
        means something else, and nobody is as fast as that.
        """
        is_exchanged = step.what == "rename" and self.steps[-2].what == "exchange"
        return not step.is_root and not is_exchanged and step.path.exists()


def _real(descriptor: int, *names: str) -> FilePath:
    return FilePath(os.readlink(f"/proc/self/fd/{descriptor}")).joinpath(*names)


def _failing(what: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a Directory, or of an Upload, as a step before the real one."""

    @wraps(real)
    def method(self: Any, *values: Any, **named: Any) -> Any:
        name = next((value for value in values if isinstance(value, str)), "")
        where = self.fd if isinstance(self, Directory) else self.within
        self.script.step(what, _real(where, name), lambda: real(self, *values, **named))
        return real(self, *values, **named)

    return method


class FaultyOpened(Opened):
    """An open file whose content cannot always be read."""

    def __init__(self, script: Script, descriptor: int) -> None:
        self.script = script
        super().__init__(descriptor)

    @property
    def fd(self) -> int:
        """Whoever asks for it is about to read."""
        self.script.step("read", _real(self._fd))
        return self._fd

    @fd.setter
    def fd(self, descriptor: int) -> None:
        self._fd = descriptor

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._fd)


class FaultyDirectory(Directory):
    def __init__(self, script: Script, descriptor: int) -> None:
        super().__init__(descriptor)
        self.script = script

    def open(self, name: str) -> Opened:
        self.script.step("open", _real(self.fd, name))
        return FaultyOpened(self.script, super().open(name).fd)

    def kinds(self) -> list[tuple[str, bool]]:
        """In the same order each time, so that a step has a number."""
        return sorted(super().kinds())


class FaultyUpload(Upload):
    def __init__(self, script: Script, directory: Directory, *values: Any, **named: Any) -> None:
        self.script = script
        self.within = directory.fd
        super().__init__(directory, *values, **named)

    def close(self) -> None:
        with self.script.clearing():
            super().close()


class FaultyTree(Tree):
    """A tree with a script."""

    def __init__(self, root: FilePath, script: Script, *, unnamed: bool = True) -> None:
        self.script = script
        real = confined.openat2 if confined.has_openat2() else confined.walk

        def opener(
            descriptor: int, names: Path, flags: int, *, follow: bool, mounts: bool = True
        ) -> int:
            script.step("path", _real(descriptor, *names))
            return real(descriptor, names, flags, follow=follow, mounts=mounts)

        super().__init__(str(root), opener=opener, unnamed=unnamed, durable=True)
        script.roots.add(FilePath(self.real))

    def directory(
        self, path: Path, *, reading: bool = False, beneath: Directory | None = None
    ) -> Directory:
        found = super().directory(path, reading=reading, beneath=beneath)
        return FaultyDirectory(self.script, found.fd)

    def open(self, path: Path) -> Opened | None:
        found = super().open(path)
        return found and FaultyOpened(self.script, found.fd)

    def upload(
        self,
        directory: Directory,
        mode: int = 0o666,
        stage: Callable[[str], None] = lambda _: None,
    ) -> Upload:
        self.script.step("upload", _real(directory.fd))
        return FaultyUpload(
            self.script,
            directory,
            mode,
            unnamed=self._unnamed,
            durable=self.durable,
            make_room=self.make_room,
            stage=stage,
        )

    def discard(self, path: Path) -> list[OSError]:
        with self.script.clearing():
            return super().discard(path)


def _break(broken: type, real: type, but: Sequence[str]) -> None:
    """Make every call of a class a step, whatever calls there will be."""
    for name, method in vars(real).items():
        if callable(method) and not name.startswith("_") and name not in but:
            setattr(broken, name, _failing(name, getattr(broken, name)))


_break(FaultyDirectory, Directory, ["open", "close"])
_break(FaultyUpload, Upload, ["close"])

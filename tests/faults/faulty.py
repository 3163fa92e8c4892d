"""The real tree, of which one step fails: each call that reaches the operating system is a step,
and a `Script` says at which of them an OSError is raised instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator
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


Fails = Callable[[int, Step], int]
"""From the number and the step to the errno that is raised, 0 for none."""

_GONE: dict[str, tuple[int, ...]] = {
    "path": (ENOENT, ENOTDIR, ELOOP, EXDEV),
    "open": (ENOENT, ELOOP, ENXIO),
} | dict.fromkeys(
    ("stat", "kinds", "facts", "remove_file", "remove_directory", "rename", "exchange"), (ENOENT,)
)
"""By step, the errors with which the system says that a name is no longer what it was."""


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
        step = Step(what, path, self._clears)
        self.steps.append(step)
        number = self._fails(len(self.steps), step)
        if not number:
            return
        self.failed.append(step)
        if self.does_it_all_the_same:
            do()
        elif number in _GONE.get(what, ()) and path not in self.roots and path.exists():
            self.vanished.append(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        raise OSError(number, os.strerror(number))


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

    def discard_file(self, name: str) -> None:
        with self.script.clearing():
            super().discard_file(name)


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

        def opener(descriptor: int, names: Path, flags: int, *, follow: bool) -> int:
            script.step("path", _real(descriptor, *names))
            return real(descriptor, names, flags, follow=follow)

        super().__init__(str(root), opener=opener, unnamed=unnamed)
        script.roots.add(FilePath(self.real))

    def directory(self, path: Path, *, reading: bool = False) -> Directory:
        found = super().directory(path, reading=reading)
        return FaultyDirectory(self.script, found.fd)

    def open(self, path: Path) -> Opened | None:
        found = super().open(path)
        return found and FaultyOpened(self.script, found.fd)

    def upload(self, directory: Directory, mode: int = 0o666) -> Upload:
        self.script.step("upload", _real(directory.fd))
        return FaultyUpload(self.script, directory, mode, unnamed=self._unnamed)

    def discard(self, path: Path) -> list[OSError]:
        with self.script.clearing():
            return super().discard(path)


for _name in (
    "stat",
    "scan",
    "kinds",
    "facts",
    "make",
    "copy",
    "remove_file",
    "remove_directory",
    "rename",
    "replace",
    "exchange",
    "link",
    "touch",
):
    setattr(FaultyDirectory, _name, _failing(_name, getattr(Directory, _name)))
for _name in ("write", "copy", "resemble", "stamp", "publish", "replace", "name"):
    setattr(FaultyUpload, _name, _failing(_name, getattr(Upload, _name)))

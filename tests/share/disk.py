"""What of the changes below a directory a loss of power would spare, by what the kernel was asked.

A content is safe once its file was synced, a name once its directory was. Nothing of the server's
trash has to be.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davserver.tree import TRASH, directory

Key = tuple[int, int]
Call = Callable[..., Any]


class Disk:
    """The disk below ``top``; all changes of this process there are watched.

    ``contents`` and ``names`` are the files and directories with changes that would be lost now,
    ``wrong`` tells what appeared under a name before its content was safe. ``at_sync`` is called
    when a directory with changes is about to be synced. A file or directory is synced in vain,
    once, where ``refuses`` is its kind.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self.contents: dict[Key, str] = {}
        self.names: dict[Key, str] = {}
        self.wrong: list[str] = []
        self.at_sync: Callable[[], object] = lambda: None
        self.refuses = ""
        self.syncs: list[str] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """See all that happens from here on."""
        for name, seen in (
            ("write", self._filled),
            ("utime", self._touched),
            ("copy_file_range", lambda _, target, *rest, **named: self._filled(target)),
            ("sendfile", self._filled),
            ("mkdir", self._named),
            ("unlink", self._named),
            ("rmdir", self._named),
            ("rename", self._renamed),
            ("link", self._linked),
        ):
            monkeypatch.setattr(os, name, _followed(getattr(os, name), seen))
        monkeypatch.setattr(os, "fsync", self._synced(os.fsync))
        monkeypatch.setattr(directory, "_libc", _Libc(self, directory._libc))

    def unsafe(self) -> list[str]:
        """What a loss of power would take now."""
        return sorted([*self.contents.values(), *self.names.values()])

    def changed(self, descriptor: int) -> None:
        """A name in a directory has changed."""
        path = self._path(descriptor)
        if path is not None and TRASH not in path.parts:
            self.names[_key(os.fstat(descriptor))] = f"names in {path.relative_to(self._top)}/"

    def appears(self, name: str, descriptor: int) -> None:
        """Something gets a name in a directory."""
        if self.contents and self._path(descriptor) is not None:
            self.wrong.append(f"{name} appears before {sorted(self.contents.values())}")
        self.changed(descriptor)

    def all_synced(self) -> None:
        self.syncs.append("everything")
        self.contents.clear()
        self.names.clear()

    def _filled(self, descriptor: int, *_: Any, **named: Any) -> None:
        del named
        path = self._path(descriptor)
        if path is not None:
            self.contents[_key(os.fstat(descriptor))] = f"content of {path.name}"

    def _touched(self, where: Any, *_: Any, **named: Any) -> None:
        if isinstance(where, int):
            self._filled(where)
        elif (path := self._path(named["dir_fd"])) is not None:
            facts = os.stat(where, dir_fd=named["dir_fd"], follow_symlinks=False)
            self.contents[_key(facts)] = f"time of {path.name}/{where}"

    def _named(self, name: Any, *_: Any, **named: Any) -> None:
        if named.get("dir_fd") is not None and name != TRASH:
            self.changed(named["dir_fd"])

    def _renamed(self, name: Any, new: Any, **named: Any) -> None:
        if named.get("src_dir_fd") is not None:
            self.changed(named["src_dir_fd"])
            self.appears(new, named["dst_dir_fd"])

    def _linked(self, name: Any, new: Any, **named: Any) -> None:
        self.appears(new, named["dst_dir_fd"])

    def _synced(self, real: Call) -> Call:
        def fsync(descriptor: int) -> None:
            path, facts = self._path(descriptor), os.fstat(descriptor)
            if path is None:
                real(descriptor)
                return
            kind = "directory" if path.is_dir() else "file"
            self.syncs.append(kind)
            if self.refuses == kind:
                self.refuses = ""
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if _key(facts) in self.names:
                self.at_sync()
            self.contents.pop(_key(facts), None)
            self.names.pop(_key(facts), None)
            real(descriptor)

        return fsync

    def _path(self, descriptor: int) -> Path | None:
        """Where an open file or directory is, if below the top."""
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        return path if path.is_relative_to(self._top) else None


class _Libc:
    """The two calls that Python has no name for."""

    def __init__(self, disk: Disk, real: Any) -> None:
        self._disk = disk
        self._real = real

    def renameat2(self, source: int, name: bytes, target: int, new: bytes, flags: int) -> int:
        code = int(self._real.renameat2(source, name, target, new, flags))
        if not code:
            self._disk.changed(source)
            self._disk.appears(os.fsdecode(new), target)
        return code

    def syncfs(self, descriptor: int) -> int:
        self._disk.all_synced()
        return int(self._real.syncfs(descriptor))


def _followed(real: Call, seen: Callable[..., None]) -> Call:
    """A call that is told of once it has succeeded."""

    def call(*values: Any, **named: Any) -> Any:
        given = real(*values, **named)
        seen(*values, **named)
        return given

    return call


def _key(facts: os.stat_result) -> Key:
    return facts.st_dev, facts.st_ino

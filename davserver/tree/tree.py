"""A directory tree that nothing leads out of."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.protocol.resources import Stamp, Stat, Unread
from davserver.tree import confined, mounts, trash
from davserver.tree.closing import Closing
from davserver.tree.directory import Directory
from davserver.tree.opened import Opened
from davserver.tree.upload import Upload

Open = Callable[..., int]

_KIND = 0o170000
"""The bits of a mode that tell what it is: one comparison instead of a call for each member."""
_UNMAPPED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})


@dataclass(frozen=True, slots=True)
class Modes:
    """The permissions of created files and directories; None leaves them to the umask."""

    file: int | None = None
    directory: int | None = None


class Cursor(Closing):
    """Keeps the directory that was asked for last open; a context manager that closes it."""

    def __init__(self, opener: Callable[[Path], Directory]) -> None:
        self._open = opener
        self._path: Path | None = None
        self._directory: Directory | None = None

    def at(self, path: Path) -> Directory:
        """The open directory of a path. Raises OSError."""
        if self._directory is None or self._path != path:
            self.close()
            self._directory = self._open(path)
            self._path = path
        return self._directory

    def close(self) -> None:
        if self._directory is not None:
            self._directory.close()
            self._directory = None


class Tree:
    """The tree below ``root``, a path of the operating system.

    ``hidden`` are real paths of directories that are the server's own. With ``follow`` relative
    symbolic links that stay in the tree are followed for reading and listing; nothing is ever
    written through a link. With ``durable`` what is finished survives a loss of power.
    ``make_room`` is what an `Upload` calls where there is no space left, ``step_aside`` what it
    calls before it waits for the disk; ``is_over`` ends a `discard`. ``opener`` and
    ``unnamed`` choose the ways of `confined` and `Upload`.

    Every method raises OSError; a root that cannot be opened does so at once.
    """

    def __init__(
        self,
        root: str,
        *,
        modes: Modes = Modes(),
        follow: bool = False,
        hidden: Sequence[str] = (),
        durable: bool = False,
        opener: Open | None = None,
        unnamed: bool = True,
    ) -> None:
        self.modes = modes
        self.follow = follow
        self.durable = durable
        self.make_room: Callable[[], bool] = lambda: False
        self.step_aside: Callable[[], None] = lambda: None
        self.is_over: Callable[[], bool] = lambda: False
        self.real = PurePath(os.path.realpath(root))
        self._open: Open = opener or (confined.openat2 if confined.has_openat2() else confined.walk)
        self._unnamed = unnamed
        self._hidden = tuple(PurePath(os.path.realpath(path)) for path in hidden)
        self.hidden: tuple[Path, ...] = tuple(
            path.relative_to(self.real).parts
            for path in self._hidden
            if path.is_relative_to(self.real)
        )
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._hidden_inodes = frozenset(self._inodes())

    def close(self) -> None:
        os.close(self._root)

    def find(self, path: Path) -> os.stat_result | None:
        """The facts of what has this path, a link or special file included; None for nothing."""
        return self._facts(path, follow=False)

    def look(self, path: Path) -> os.stat_result | None:
        """The facts of the file or directory that a reader gets to see at this path, or None."""
        facts = self._facts(path, follow=self.follow)
        if facts is None or not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            return None
        return facts

    def is_link(self, path: Path) -> bool:
        """Whether a path is that of a symbolic link. Raises OSError."""
        facts = self.find(path)
        return facts is not None and stat.S_ISLNK(facts.st_mode)

    def members(self, path: Path) -> Iterator[tuple[str, Stat]]:
        """The members of a collection that a reader gets to see, with their facts. Raises OSError
        before the first.
        """
        return self._members(path, self.directory(path, reading=True))

    def _members(self, path: Path, directory: Directory) -> Iterator[tuple[str, Stat]]:
        with directory, directory.scan() as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(RESERVED_PREFIX):
                    continue
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError:
                    is_collection = entry.is_dir(follow_symlinks=False)
                    if is_collection or entry.is_file(follow_symlinks=False):
                        yield name, Unread(is_collection)
                    continue
                kind = facts.st_mode & _KIND
                if kind == stat.S_IFREG:
                    yield name, facts
                elif kind == stat.S_IFDIR:
                    if (facts.st_dev, facts.st_ino) not in self._hidden_inodes:
                        yield name, facts
                elif self.follow and kind == stat.S_IFLNK:
                    with suppress(OSError):
                        seen = self.look((*path, name))
                        if seen is not None:
                            yield name, seen

    def stamp(self, path: Path) -> Stamp | None:
        """Which resource has a path, a link itself included; None for nothing. Raises OSError."""
        try:
            directory = self.directory(path[:-1])
        except OSError as error:
            if error.errno in _UNMAPPED:
                return None
            raise
        with directory:
            return directory.stamp(path[-1] if path else ".")

    def directory(
        self, path: Path, *, reading: bool = False, beneath: Directory | None = None
    ) -> Directory:
        """Open a directory. Links on the way are followed for ``reading`` alone. With ``beneath``
        the path begins at that directory, and crosses no mount point: it is one to be emptied,
        which its mode does not keep its owner from.
        """
        if beneath is not None:
            return Directory(self._take(beneath.fd, path))
        follow = reading and self.follow
        descriptor = self._reach(self._root, path, follow=follow)
        if follow and self._is_hidden(descriptor):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return Directory(descriptor)

    def _take(self, base: int, path: Path) -> int:
        """Open a directory that is to be emptied."""
        try:
            found = self._reach(base, path, follow=False, mounts=False)
        except PermissionError:
            flags = os.O_PATH | os.O_DIRECTORY
            closed = self._open(base, path, flags, follow=False, mounts=False)
            try:
                os.chmod(f"/proc/self/fd/{closed}", stat.S_IRWXU)
            finally:
                os.close(closed)
            found = self._reach(base, path, follow=False, mounts=False)
        if os.fstat(found).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(OSError):
                os.fchmod(found, stat.S_IRWXU)
        return found

    def _reach(self, base: int, path: Path, *, follow: bool, mounts: bool = True) -> int:
        """Open a directory however long its path is: a tree that grows under a reserved name of
        ours must not become unreachable.
        """
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY
            return self._open(base, path, flags, follow=follow, mounts=mounts)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG or len(path) < 2:
                raise
        half = len(path) // 2
        above = self._reach(base, path[:half], follow=follow, mounts=mounts)
        try:
            return self._reach(above, path[half:], follow=follow, mounts=mounts)
        finally:
            os.close(above)

    def open(self, path: Path) -> Opened | None:
        """Open a file for reading, or None where there is no file."""
        try:
            # O_NONBLOCK: a pipe in the tree must not hold the server up.
            flags = os.O_RDONLY | os.O_NONBLOCK
            opened = Opened(self._open(self._root, path, flags, follow=self.follow))
        except OSError as error:
            if error.errno in _UNMAPPED or error.errno == errno.ENXIO:
                return None
            raise
        if opened.is_file and not (self.follow and self._is_hidden(opened.fd)):
            return opened
        opened.close()
        return None

    def upload(
        self,
        directory: Directory,
        mode: int = 0o666,
        stage: Callable[[str], None] = lambda _: None,
    ) -> Upload:
        """Begin a file in a directory; ``mode`` counts where the settings have none. ``stage`` is
        told the reserved name that it has to have from the beginning, where that is so.
        """
        return Upload(
            directory,
            mode if self.modes.file is None else self.modes.file,
            exact=self.modes.file is not None,
            unnamed=self._unnamed,
            durable=self.durable,
            make_room=self.make_room,
            step_aside=self.step_aside,
            stage=stage,
        )

    def trash(self) -> Directory | None:
        """Open the directory at the root that takes what is removed, and what has a reserved name
        for a moment. It is made if missing; None where the root cannot hold one. To be used within
        a commit section: it may be removed outside of one.
        """
        # The tree's own descriptor, which stays open.
        return trash.opened(self, Directory(self._root))

    def in_trash(self, *, work: bool = False) -> list[str]:
        """The names in the trash; or with ``work``, which only who is in a commit section may ask
        for, of what a section has left there that failed.
        """
        return trash.names(self, work=work)

    def remove_trash(self) -> None:
        """Remove the trash if it is empty. To be used within a commit section."""
        with self.directory(()) as root, suppress(OSError):
            root.remove_directory(trash.NAME)

    def discard(self, path: Path) -> list[OSError]:
        """Remove an entry with all that is below it, as far as it goes and never into another
        file system. Gives the errors of what stayed. Raises `trash.Halted` where it ``is_over``.
        """
        try:
            with self.directory(path[:-1]) as parent:
                return trash.discard(self, parent, path[-1], self.is_over)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            return [error]

    def hides(self, path: Path) -> bool:
        """Whether a path is in a directory of the server's own."""
        return any(path[: len(one)] == one for one in self.hidden)

    def has_hidden_below(self, path: Path) -> bool:
        """Whether a directory of the server's own lies at or below a path."""
        return any(one[: len(path)] == path for one in self.hidden)

    def has_mount_below(self, path: Path) -> bool:
        """Whether another file system is mounted at or below a path."""
        return bool(self.mounts_below(path))

    def mounts_below(self, path: Path) -> frozenset[Path]:
        """The paths at and below a path where another file system is mounted."""
        top = self.real.joinpath(*path)
        return frozenset(point.relative_to(self.real).parts for point in mounts.points_below(top))

    def _facts(self, path: Path, *, follow: bool) -> os.stat_result | None:
        flags = os.O_PATH if follow else os.O_PATH | os.O_NOFOLLOW
        try:
            descriptor = self._open(self._root, path, flags, follow=follow)
        except OSError as error:
            if error.errno in _UNMAPPED:
                return None
            raise
        try:
            return None if follow and self._is_hidden(descriptor) else os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _is_hidden(self, descriptor: int) -> bool:
        """Links may lead into a directory of the server's own: look where we have arrived."""
        if not self._hidden:
            return False
        real = PurePath(os.readlink(f"/proc/self/fd/{descriptor}"))
        return any(real.is_relative_to(one) for one in self._hidden)

    def _inodes(self) -> list[tuple[int, int]]:
        found = []
        for path in self._hidden:
            facts = os.stat(path)
            found.append((facts.st_dev, facts.st_ino))
        return found

"""A directory tree that nothing leads out of."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from davserver.protocol import plan
from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.protocol.resources import Stat, Unread
from davserver.tree import confined
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

    def __init__(self, tree: "Tree") -> None:
        self._tree = tree
        self._path: Path | None = None
        self._directory: Directory | None = None

    def at(self, path: Path) -> Directory:
        """The open directory of a path. Raises OSError."""
        if self._directory is None or self._path != path:
            self.close()
            self._directory = self._tree.directory(path)
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
    written through a link. ``opener`` and ``unnamed`` choose the ways of `confined` and `Upload`.

    Every method raises OSError; a root that cannot be opened does so at once.
    """

    def __init__(
        self,
        root: str,
        *,
        modes: Modes = Modes(),
        follow: bool = False,
        hidden: Sequence[str] = (),
        opener: Open | None = None,
        unnamed: bool = True,
    ) -> None:
        self.modes = modes
        self.follow = follow
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

    def directory(self, path: Path, *, reading: bool = False) -> Directory:
        """Open a directory. Links on the way are followed for ``reading`` alone."""
        follow = reading and self.follow
        descriptor = self._reach(self._root, path, follow=follow)
        if follow and self._is_hidden(descriptor):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return Directory(descriptor)

    def _reach(self, base: int, path: Path, *, follow: bool) -> int:
        """Open a directory however long its path is: a tree that grows under a reserved name of
        ours must not become unreachable.
        """
        try:
            return self._open(base, path, os.O_RDONLY | os.O_DIRECTORY, follow=follow)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG or len(path) < 2:
                raise
        half = len(path) // 2
        above = self._reach(base, path[:half], follow=follow)
        try:
            return self._reach(above, path[half:], follow=follow)
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

    def upload(self, directory: Directory, mode: int = 0o666) -> Upload:
        """Begin a file in a directory; ``mode`` counts where the settings have none."""
        if self.modes.file is None:
            return Upload(directory, mode, unnamed=self._unnamed)
        return Upload(directory, self.modes.file, exact=True, unnamed=self._unnamed)

    def discard(self, path: Path) -> list[OSError]:
        """Remove an entry with all that is below it, as far as it goes and never into another
        file system. Gives the errors of what stayed.
        """
        errors: list[OSError] = []
        try:
            facts = self.find(path)
        except OSError as error:
            return [error]
        walk = plan.Walk(path, collection=facts is not None and stat.S_ISDIR(facts.st_mode))
        with Cursor(self) as cursor:
            while walk.step is not None:
                try:
                    answer = _discard(walk.step, cursor)
                except FileNotFoundError:
                    answer = True
                except OSError as error:
                    errors.append(error)
                    answer = False
                walk.answer(answer)
        return errors

    def hides(self, path: Path) -> bool:
        """Whether a path is in a directory of the server's own."""
        return any(path[: len(one)] == one for one in self.hidden)

    def has_hidden_below(self, path: Path) -> bool:
        """Whether a directory of the server's own lies at or below a path."""
        return any(one[: len(path)] == path for one in self.hidden)

    def has_mount_below(self, path: Path) -> bool:
        """Whether another file system is mounted at or below a path."""
        top = self.real.joinpath(*path)
        with open("/proc/self/mountinfo", "rb") as table:
            points = [_unescape(line.split(b" ")[4]) for line in table]
        return any(PurePath(os.fsdecode(point)).is_relative_to(top) for point in points)

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


def _unescape(point: bytes) -> bytes:
    """Mount points have their spaces and backslashes in octal (proc(5))."""
    return point.decode("unicode_escape").encode("latin-1")


def _discard(step: plan.Step, cursor: Cursor) -> plan.Members | bool:
    if step.event is plan.Event.ENTER:
        above = cursor.at(step.path[:-1]).facts().st_dev
        directory = cursor.at(step.path)
        if directory.facts().st_dev != above:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return directory.kinds()
    if not step.whole:
        return False
    directory = cursor.at(step.path[:-1])
    if step.event is plan.Event.LEAVE:
        directory.remove_directory(step.path[-1])
    else:
        directory.remove_file(step.path[-1])
    return True

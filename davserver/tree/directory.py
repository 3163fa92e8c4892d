"""One open directory: what happens to a name happens here, as (descriptor, name)."""

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager

from davserver.protocol.paths import RESERVED_PREFIX
from davserver.protocol.resources import Stamp
from davserver.tree import content, identity
from davserver.tree.closing import Closing
from davserver.tree.opened import Opened

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Directory(Closing):
    """An open directory of a tree; a context manager that closes it.

    Every method raises OSError as its system call does.
    """

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor

    def close(self) -> None:
        os.close(self.fd)

    def stat(self, name: str) -> os.stat_result:
        """The facts of an entry itself; a link is not followed."""
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def find(self, name: str) -> os.stat_result | None:
        """As `stat`, or None where nothing has the name."""
        try:
            return self.stat(name)
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Whether anything has a name, a link itself included."""
        return os.access(name, os.F_OK, dir_fd=self.fd, follow_symlinks=False)

    def scan(self) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        """All entries, as they come from the operating system."""
        return os.scandir(self.fd)

    def kinds(self) -> list[tuple[str, bool]]:
        """Every entry, the server's own temporary ones included, and whether it is a directory."""
        with os.scandir(self.fd) as found:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]

    def facts(self) -> os.stat_result:
        """The facts of the directory itself."""
        return os.fstat(self.fd)

    def stamp(self, name: str) -> Stamp | None:
        """Which resource has a name, a link itself included; None for nothing."""
        try:
            return identity.stamp(self.fd, name)
        except FileNotFoundError:
            return None

    def sync(self) -> None:
        """Let the names in it survive a loss of power."""
        os.fsync(self.fd)

    def make(self, name: str, mode: int | None = None, like: int = 0o777) -> None:
        """Make a directory, with a mode or with that of ``like`` less the umask."""
        os.mkdir(name, like & 0o777 | 0o700, dir_fd=self.fd)
        if mode is not None:
            try:
                os.chmod(name, mode, dir_fd=self.fd)
            except OSError:
                os.rmdir(name, dir_fd=self.fd)
                raise

    def open(self, name: str) -> Opened:
        """Open an entry for reading: ELOOP for a link, and a pipe holds nobody up."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return Opened(os.open(name, flags, dir_fd=self.fd))

    def sync_entry(self, name: str) -> None:
        """Let an entry itself survive a loss of power, its modification time included."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened = os.open(name, flags, dir_fd=self.fd)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def sync_all(self) -> None:
        """Let everything on its file system survive a loss of power: for many new files together
        that is cheaper than each by itself.
        """
        if _libc.syncfs(self.fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def copy(self, source: Opened, name: str, mode: int | None, modified_ns: int) -> None:
        """Make a file with the content of an open one, with a mode or with that of the source less
        the umask, and a modification time in nanoseconds since the epoch.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, source.facts.st_mode & 0o777, dir_fd=self.fd)
        try:
            if mode is not None:
                os.fchmod(target, mode)
            content.fill(target, source)
            os.utime(target, ns=(modified_ns, modified_ns))
        finally:
            os.close(target)

    def carry(self, source: Opened, name: str) -> None:
        """Make a file that is an open one in all but its place: content, mode, owner, extended
        attributes and modification time.
        """
        self.copy(source, name, 0o600, source.facts.st_mtime_ns)
        with self.open(name) as target:
            content.resemble(target.fd, source.facts, source.fd)

    def resemble(self, other: "Directory", modified_ns: int) -> None:
        """Take mode, owner, extended attributes and a modification time of another directory."""
        content.resemble(self.fd, other.facts(), other.fd)
        os.utime(self.fd, ns=(modified_ns, modified_ns))

    def remove_file(self, name: str) -> None:
        """Remove an entry that is no directory."""
        os.unlink(name, dir_fd=self.fd)

    def remove_directory(self, name: str) -> None:
        """Remove an empty directory."""
        os.rmdir(name, dir_fd=self.fd)

    def rename(self, name: str, to: "Directory", new: str) -> None:
        """Rename; EEXIST where the new name is taken."""
        _renameat2(self.fd, name, to.fd, new, _RENAME_NOREPLACE)

    def rename_strictly(self, name: str, to: "Directory", new: str) -> None:
        """Rename where the kernel itself keeps a new name from being taken; else EINVAL."""
        _renameat2(self.fd, name, to.fd, new, _RENAME_NOREPLACE, looks=False)

    def replace(self, name: str, to: "Directory", new: str) -> None:
        """Rename; a file in the way is replaced in the same instant."""
        os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def exchange(self, name: str, to: "Directory", other: str) -> None:
        """Let two entries change places in one instant."""
        _renameat2(self.fd, name, to.fd, other, _RENAME_EXCHANGE)

    def link(self, source: "Directory", name: str, new: str) -> None:
        """Give a symbolic link of another directory a copy here."""
        os.symlink(os.readlink(name, dir_fd=source.fd), new, dir_fd=self.fd)

    def touch(self, name: str, modified_ns: int) -> None:
        """Set the modification time of an entry, in nanoseconds since the epoch."""
        facts = self.stat(name)
        os.utime(name, ns=(facts.st_atime_ns, modified_ns), dir_fd=self.fd, follow_symlinks=False)

    def free(self) -> int:
        """Bytes that are not used on the file system of this directory."""
        facts = os.fstatvfs(self.fd)
        return facts.f_bfree * facts.f_frsize

    def space(self) -> tuple[int, int]:
        """Bytes that are available and used on the file system of this directory."""
        facts = os.fstatvfs(self.fd)
        return (
            facts.f_bavail * facts.f_frsize,
            (facts.f_blocks - facts.f_bfree) * facts.f_frsize,
        )


def own_name(mark: str = "") -> str:
    """A new name that is reserved for the server."""
    return f"{RESERVED_PREFIX}{mark}{secrets.token_hex(8)}"


def _renameat2(
    source: int, name: str, target: int, new: str, flags: int, *, looks: bool = True
) -> None:
    while _libc.renameat2(source, os.fsencode(name), target, os.fsencode(new), flags):
        number = ctypes.get_errno()
        if number == errno.EINTR:
            continue
        if number == errno.EINVAL and flags == _RENAME_NOREPLACE and looks:
            _rename_by_look(source, name, target, new)
            return
        raise OSError(number, os.strerror(number))


def _rename_by_look(source: int, name: str, target: int, new: str) -> None:
    """NFS, FAT and some FUSE file systems know no flags: look first. The commit section keeps
    every other writer of this server out meanwhile.
    """
    with contextlib.suppress(FileNotFoundError):
        os.stat(new, dir_fd=target, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)

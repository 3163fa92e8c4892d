"""A file that has no name until its content is whole.

It is made unnamed (O_TMPFILE) in the directory where it will live, so that the directory's group,
default ACL, quota and mount are right. Where a file system cannot do that, it has a reserved name.
"""

import errno
import os
from contextlib import suppress

from davserver.tree import content
from davserver.tree.closing import Closing
from davserver.tree.directory import Directory, own_name
from davserver.tree.opened import Opened

_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)


class Upload(Closing):
    """A file under way into ``directory``; a context manager that drops what was not published.

    ``mode`` are its permissions before the umask, ``exact`` keeps the umask out. Every method
    raises OSError as its system calls do.
    """

    def __init__(
        self, directory: Directory, mode: int = 0o666, *, exact: bool = False, unnamed: bool = True
    ) -> None:
        self._directory = directory
        self._name: str | None = None
        self.fd = self._open(mode, unnamed)
        if exact:
            os.fchmod(self.fd, mode)

    def close(self) -> None:
        os.close(self.fd)
        if self._name is not None:
            with suppress(OSError):
                self._directory.remove_file(self._name)

    def write(self, data: bytes) -> None:
        """Append all of ``data``."""
        content.write(self.fd, data)

    def copy(self, source: Opened) -> None:
        """Take over the content of an open file."""
        content.fill(self.fd, source)

    def resemble(self, directory: Directory, name: str) -> None:
        """Take mode, owner, group, ACL and extended attributes of the file that will be replaced,
        as far as the server is permitted to.
        """
        old = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.fd)
        try:
            content.resemble(self.fd, os.fstat(old), old)
        finally:
            os.close(old)

    def stamp(self, modified_ns: int) -> os.stat_result:
        """Set the modification time, in nanoseconds since the epoch, and give the facts."""
        os.utime(self.fd, ns=(modified_ns, modified_ns))
        return os.fstat(self.fd)

    def publish(self, directory: Directory, name: str) -> None:
        """Give it a name in a directory; FileExistsError where that is taken."""
        if self._name is None:
            self._link(directory, name)
        else:
            self._directory.rename(self._name, directory, name)
            self._name = None

    def replace(self, directory: Directory, name: str) -> None:
        """Let it take the place of a file, in one instant."""
        own = self.name()
        self._directory.replace(own, directory, name)
        self._name = None

    def name(self) -> str:
        """Its reserved name, which it gets now if it has none."""
        if self._name is None:
            name = own_name()
            self._link(self._directory, name)
            self._name = name
        return self._name

    def disown(self) -> None:
        """Its reserved name is now someone else's to remove."""
        self._name = None

    def _open(self, mode: int, unnamed: bool) -> int:
        if unnamed:
            try:
                flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
                return os.open(".", flags, mode, dir_fd=self._directory.fd)
            except OSError as error:
                if error.errno not in _NO_UNNAMED_FILES:
                    raise
        self._name = own_name()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._name, flags, mode, dir_fd=self._directory.fd)

    def _link(self, directory: Directory, name: str) -> None:
        # Without dst_dir_fd Python calls link(2), which cannot link an unnamed file.
        os.link(f"/proc/self/fd/{self.fd}", name, dst_dir_fd=directory.fd, follow_symlinks=True)

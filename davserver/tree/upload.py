"""A file that has no name until its content is whole.

It is made unnamed (O_TMPFILE) in the directory where it will live, so that the directory's group,
default ACL, quota and mount are right. Where a file system cannot do that, it has a reserved name.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from davserver.protocol.resources import Stamp
from davserver.tree import content, identity
from davserver.tree.closing import Closing
from davserver.tree.directory import Directory, own_name
from davserver.tree.opened import Opened

WORK = "w"
"""What marks the reserved names that live within one commit section."""

_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)


class Upload(Closing):
    """A file under way into ``directory``; a context manager that drops what was not published.

    ``mode`` are its permissions before the umask, ``exact`` keeps the umask out. With ``durable``
    its content survives a loss of power once it is finished. ``make_room`` is called where there
    is no space left, and gives whether there is any now, ``step_aside`` before it waits for the
    disk. ``stage`` is told the reserved name that
    it has to have, if so. Every method raises OSError as its system calls do.
    """

    def __init__(
        self,
        directory: Directory,
        mode: int = 0o666,
        *,
        exact: bool = False,
        unnamed: bool = True,
        durable: bool = False,
        make_room: Callable[[], bool] = lambda: False,
        step_aside: Callable[[], None] = lambda: None,
        stage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._name: str | None = None
        self._durable = durable
        self._make_room = make_room
        self._step_aside = step_aside
        self._stage = stage
        self._failed: OSError | None = None
        """Why a nameless file that had a name has none any more: it cannot get another."""
        self.fd = self._open(mode, unnamed)
        if exact:
            try:
                os.fchmod(self.fd, mode)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        os.close(self.fd)
        if self._name is not None:
            with suppress(OSError):
                self._directory.remove_file(self._name)

    def write(self, data: bytes | memoryview) -> None:
        """Append all of ``data``."""
        rest: bytes | memoryview = data
        is_last = False
        while rest:
            try:
                written = os.write(self.fd, rest)
                if written == len(rest):
                    return
                rest = memoryview(rest)[written:]
            except OSError as error:
                if error.errno not in content.FULL or is_last:
                    raise
                # Once more even so: whoever else makes room may have just done it.
                is_last = not self._make_room()

    def copy(self, source: Opened) -> None:
        """Take over the content of an open file."""
        content.fill(self.fd, source)

    def resemble(self, directory: Directory, name: str) -> None:
        """Take mode, owner, group, ACL and extended attributes of the file that will be replaced,
        as far as the server is permitted to.
        """
        self._resemble(directory, name)

    def resemble_present(self, name: str) -> os.stat_result | None:
        """Resemble the file that has a name in its own directory now. Gives the facts of that one,
        or None where no file has it.
        """
        if not self._directory.has(name):
            return None
        try:
            return self._resemble(self._directory, name)
        except FileNotFoundError:
            return None

    def finish(self, modified_ns: int) -> os.stat_result:
        """Set the modification time, in nanoseconds since the epoch, as the last that happens to
        the file before it gets its name. Gives its facts.
        """
        os.utime(self.fd, ns=(modified_ns, modified_ns))
        if self._durable:
            self._step_aside()
            # An error here is final: the pages that could not be written are clean afterwards.
            os.fsync(self.fd)
        return os.fstat(self.fd)

    def stamp(self) -> Stamp:
        """Which resource it will be."""
        return identity.stamp(self.fd)

    def publish(self, directory: Directory, name: str) -> None:
        """Give it a name in a directory; FileExistsError where that is taken."""
        if self._name is None:
            self._link(directory, name)
        else:
            self._directory.rename(self._name, directory, name)
            self._name = None

    def replace(self, directory: Directory, name: str, way: Directory | None = None) -> None:
        """Let it take the place of a file, in one instant. A file without a name gets one for that
        moment, in the directory ``way`` if there is one: EXDEV where that cannot be.
        """
        if self._name is None:
            self._replace_by_way_of(way or self._directory, directory, name)
        else:
            self._directory.replace(self._name, directory, name)
            self._name = None

    @property
    def name(self) -> str | None:
        """Its reserved name, where it had to have one from the beginning."""
        return self._name

    def enter(self, name: str) -> None:
        """Give it a reserved name in its own directory, if it has none yet, for somebody else to
        rename and remove it by.
        """
        if self._name is None:
            self._link(self._directory, name)
        else:
            self._directory.rename(self._name, self._directory, name)
            self._name = None

    def _resemble(self, directory: Directory, name: str) -> os.stat_result | None:
        old = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory.fd)
        try:
            facts = os.fstat(old)
            if not stat.S_ISREG(facts.st_mode):
                return None
            content.resemble(self.fd, facts, old)
            return facts
        finally:
            os.close(old)

    def _open(self, mode: int, unnamed: bool) -> int:
        if unnamed:
            try:
                flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
                return os.open(".", flags, mode, dir_fd=self._directory.fd)
            except OSError as error:
                if error.errno not in _NO_UNNAMED_FILES:
                    raise
        name = own_name()
        self._stage(name)
        self._name = name
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._name, flags, mode, dir_fd=self._directory.fd)

    def _replace_by_way_of(self, way: Directory, directory: Directory, name: str) -> None:
        own = own_name(WORK)
        self._link(way, own)
        try:
            way.replace(own, directory, name)
        except BaseException as error:
            with suppress(OSError):
                way.remove_file(own)
                self._failed = error if isinstance(error, OSError) else None
            raise

    def _link(self, directory: Directory, name: str) -> None:
        if self._failed is not None:
            raise self._failed
        # Without dst_dir_fd Python calls link(2), which cannot link an unnamed file.
        os.link(f"/proc/self/fd/{self.fd}", name, dst_dir_fd=directory.fd, follow_symlinks=True)

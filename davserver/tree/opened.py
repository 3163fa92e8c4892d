"""A file that is open for reading."""

import os
import stat

from davserver.tree.closing import Closing


class Opened(Closing):
    """An open file and its facts; a context manager that closes it."""

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor
        self.facts = os.fstat(descriptor)
        self._is_open = True

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.facts.st_mode)

    def read(self, position: int, size: int) -> bytes:
        """At most ``size`` bytes from a position; fewer at the end. Raises OSError."""
        return os.pread(self.fd, size, position)

    def is_changed(self) -> bool:
        """Whether somebody has written to the file in place since it was opened."""
        now, then = os.fstat(self.fd), self.facts
        return (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.fd)

"""Moves the content of one file into another, by the cheapest way that the kernel has for them."""

import errno
import fcntl
import os

from davserver.tree.opened import Opened

_FICLONE = 0x40049409
_SMALL = 1 << 16
"""Bytes up to which a copy by read and write is cheaper than asking for anything better."""
_BLOCK = 1 << 20
_NO_SUCH_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY)


def fill(target: int, source: Opened) -> None:
    """Copy an open file into an empty one: by reflink, or within the kernel, where that can be.

    Raises OSError.
    """
    if source.facts.st_size > _SMALL:
        for way in (_clone, _copy_range, _send):
            try:
                way(source.fd, target)
                return
            except OSError as error:
                if error.errno not in _NO_SUCH_COPY:
                    raise
    size = source.facts.st_size
    while data := os.read(source.fd, _BLOCK):
        write(target, data)
        if len(data) == size:
            # The whole of a small file: one read less for each of many.
            return


def write(target: int, data: bytes) -> None:
    """Write all of ``data``. Raises OSError."""
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, memoryview(data)[written:])


def _clone(source: int, target: int) -> None:
    fcntl.ioctl(target, _FICLONE, source)


def _copy_range(source: int, target: int) -> None:
    while os.copy_file_range(source, target, _BLOCK << 6):
        pass


def _send(source: int, target: int) -> None:
    # Without an offset it moves the source's own, so that another way can go on where it ended.
    while os.sendfile(target, source, None, _BLOCK):
        pass

"""Moves the content of one file into another, by the cheapest way that the kernel has for them."""

import errno
import fcntl
import os
import stat
from contextlib import suppress

from davserver.tree.opened import Opened

_FICLONE = 0x40049409
_SMALL = 1 << 16
"""Bytes up to which a copy by read and write is cheaper than asking for anything better."""
_BLOCK = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that end when something is removed."""
_NO_SUCH_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY)


def fill(target: int, source: Opened) -> None:
    """Copy an open file into an empty one: by reflink, or within the kernel, where that can be.

    Raises OSError.
    """
    if source.facts.st_size > _SMALL:
        for way in (clone, _copy_range, _send):
            try:
                way(source.fd, target)
                return
            except OSError as error:
                if error.errno not in _NO_SUCH_COPY:
                    raise
    size = source.facts.st_size
    while data := os.read(source.fd, min(max(size + 1, _SMALL), _BLOCK)):
        write(target, data)
        if len(data) == size:
            # The whole of a small file: one read less for each of many.
            return


def resemble(target: int, facts: os.stat_result, source: int) -> None:
    """Give an open file or directory the mode, owner and group of ``facts``, and exactly the ACL
    and the extended attributes of ``source``, as far as the server is permitted to.

    ``source`` may be open for its path alone. Raises OSError.
    """
    for owner in (facts.st_uid, -1):
        try:
            os.fchown(target, owner, facts.st_gid)
            break
        except PermissionError:
            continue
    # The name in /proc, because a descriptor that is open for its path has no attributes.
    there = f"/proc/self/fd/{source}"
    try:
        kept = os.listxattr(there)
        for inherited in set(os.listxattr(target)) - set(kept):
            with suppress(OSError):
                os.removexattr(target, inherited)
        for attribute in kept:
            with suppress(OSError):
                os.setxattr(target, attribute, os.getxattr(there, attribute))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    # Last: fchown clears the set-user-ID and set-group-ID bits, and an ACL sets others.
    os.fchmod(target, stat.S_IMODE(facts.st_mode))


def write(target: int, data: bytes) -> None:
    """Write all of ``data``. Raises OSError."""
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, memoryview(data)[written:])


def clone(source: int, target: int) -> None:
    """Let an open file share the blocks of another. Raises OSError."""
    fcntl.ioctl(target, _FICLONE, source)


def _copy_range(source: int, target: int) -> None:
    while os.copy_file_range(source, target, _BLOCK << 6):
        pass


def _send(source: int, target: int) -> None:
    # Without an offset it moves the source's own, so that another way can go on where it ended.
    while os.sendfile(target, source, None, _BLOCK):
        pass

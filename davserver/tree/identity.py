"""Which resource it is that has a name: its stamp, by statx(2)."""

import ctypes
import errno
import os

from davserver.protocol.resources import NANO, Stamp

_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BASIC_STATS = 0x7FF
_STATX_BTIME = 0x800
_KIND = 0o170000


class _Time(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_uint32),
        ("_spare", ctypes.c_int32),
    )


class _Statx(ctypes.Structure):
    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("_block_size", ctypes.c_uint32),
        ("_attributes", ctypes.c_uint64),
        ("_links", ctypes.c_uint32),
        ("_user", ctypes.c_uint32),
        ("_group", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("_spare", ctypes.c_uint16),
        ("inode", ctypes.c_uint64),
        ("_size", ctypes.c_uint64),
        ("_blocks", ctypes.c_uint64),
        ("_attributes_mask", ctypes.c_uint64),
        ("_accessed", _Time),
        ("born", _Time),
        ("_rest", ctypes.c_char * 160),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def stamp(descriptor: int, name: str = "") -> Stamp:
    """The stamp of an open file or directory or, with ``name``, of an entry of an open directory,
    where a link is not followed. The time of birth is 0 where the file system keeps none.

    Raises OSError.
    """
    found = _Statx()
    flags = _AT_SYMLINK_NOFOLLOW | (0 if name else _AT_EMPTY_PATH)
    mask = _STATX_BASIC_STATS | _STATX_BTIME
    while _libc.statx(descriptor, os.fsencode(name), flags, mask, ctypes.byref(found)):
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    born = found.born.seconds * NANO + found.born.nanoseconds if found.mask & _STATX_BTIME else 0
    # SQLite's integers have a sign.
    return Stamp(found.inode & (1 << 63) - 1, born, found.mode & _KIND)

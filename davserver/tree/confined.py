"""Opens paths beneath a directory descriptor: nothing leads out of it, not even in a race.

`openat2` lets the kernel hold the border. Where it is missing (Linux before 5.6, or a seccomp
filter) the path is walked name by name with O_NOFOLLOW, which holds it too as long as no link is
to be followed.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache

_SYS_OPENAT2 = 437
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_HOW_SIZE = ctypes.sizeof(_OpenHow)
_libc = ctypes.CDLL(None, use_errno=True)
_syscall: Callable[..., int] = _libc.syscall


def openat2(
    root: int, names: Sequence[str], flags: int, *, follow: bool, mounts: bool = True
) -> int:
    """Open names beneath ``root`` and give the new descriptor.

    ``follow`` lets symbolic links lead anywhere beneath ``root``, without it any link is ELOOP.
    Without ``mounts`` no mount point may be crossed, bind mounts included.
    Raises OSError: ELOOP, EXDEV for a path that leads out, or what open(2) raises.
    """
    if not names and mounts:
        # Nothing to hold: and a call that is made by hand takes several times as long.
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=root)
    how = _how(flags | os.O_CLOEXEC, follow, mounts)
    path = os.fsencode("/".join(names)) or b"."
    while True:
        found = _syscall(_SYS_OPENAT2, root, path, how, _HOW_SIZE)
        if found >= 0:
            return found
        number = ctypes.get_errno()
        # EAGAIN: a rename elsewhere kept the kernel from being sure that the path stays beneath.
        if number not in (errno.EINTR, errno.EAGAIN):
            raise OSError(number, os.strerror(number))


@lru_cache(maxsize=64)
def _how(flags: int, follow: bool, mounts: bool) -> object:
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | (0 if follow else _RESOLVE_NO_SYMLINKS)
    resolve |= 0 if mounts else _RESOLVE_NO_XDEV
    return ctypes.byref(_OpenHow(flags, 0, resolve))


def walk(root: int, names: Sequence[str], flags: int, *, follow: bool, mounts: bool = True) -> int:
    """As `openat2`, without it. Links are never followed, whatever ``follow`` says; without
    ``mounts`` another device is not entered.
    """
    del follow
    found = _walk(root, names, flags)
    if not mounts and os.fstat(found).st_dev != os.fstat(root).st_dev:
        os.close(found)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return found


def _walk(root: int, names: Sequence[str], flags: int) -> int:
    current = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        for name in names[:-1]:
            if name in ("", ".", ".."):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            below = os.open(
                name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current
            )
            os.close(current)
            current = below
        last = names[-1] if names else "."
        if last == ".." or (last in ("", ".") and names):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
    finally:
        os.close(current)


def has_openat2() -> bool:
    """Whether this kernel, and the filter above it, let openat2 through."""
    with suppress(OSError):
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(openat2(root, (".",), os.O_PATH, follow=False))
        finally:
            os.close(root)
        return True
    return False

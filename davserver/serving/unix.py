"""Unix sockets: whoever may not connect cannot at any moment, and what is left of a server that was
killed is in no way.
"""

import errno
import os
import socket
import stat
from contextlib import suppress

File = tuple[int, int]
"""Device and inode."""


def bind(path: str, mode: int, backlog: int) -> tuple[socket.socket, File]:
    """Listen at a path, which gets the permissions of ``mode``. Gives the socket, and the file.

    Raises OSError: EADDRINUSE where somebody listens there, EEXIST where something else is there.
    """
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A name is made with these permissions. To change them later would be to change what
        # somebody may have put in its place.
        before = os.umask(0o777 & ~mode)
        try:
            listening.bind(path)
        finally:
            os.umask(before)
        facts = os.lstat(path)
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    return listening, (facts.st_dev, facts.st_ino)


def remove(path: str, file: File) -> None:
    """Remove a path if that file is still there, and not the one of a server that came later."""
    with suppress(OSError):
        facts = os.lstat(path)
        if (facts.st_dev, facts.st_ino) == file:
            os.unlink(path)


def _clear(path: str) -> None:
    """Remove a socket at which nobody listens. Raises OSError where something else is there."""
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(facts.st_mode):
        raise OSError(errno.EEXIST, "something is there that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        # With a full queue it would wait; somebody has that queue.
        asking.setblocking(False)
        number = asking.connect_ex(path)
    if number == errno.ECONNREFUSED:
        os.unlink(path)
    elif number in (0, errno.EAGAIN):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    elif number != errno.ENOENT:
        raise OSError(errno.EEXIST, f"a socket is there that does not tell: {os.strerror(number)}")

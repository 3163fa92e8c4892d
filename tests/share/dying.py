"""A process that dies at a chosen step: each call that changes the disk or keeps rows is one.

It is a fork, so that nothing else of it happens: no rollback, nothing closed, no lock given back
but by the kernel.
"""

import ctypes
import errno
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from davserver.tree import directory

ENDED, KILLED, KILLED_LATER, FAILED = 0, 9, 10, 11
"""How a process has ended: by itself, killed before it had answered or after that, otherwise."""

_WRITES = (
    *("write", "mkdir", "unlink", "rmdir", "rename", "link", "symlink", "utime", "chmod"),
    *("fchmod", "fchown", "setxattr", "removexattr", "copy_file_range", "sendfile", "fsync"),
)
_CREATES = os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY
_KEEPS = ("COMMIT", "BEGIN IMMEDIATE")


class Dying:
    """Counts steps, and ends the process at the one with the number ``at``. With 0 it lives.

    To be used in a process that is forked for it: what it patches stays patched. With
    ``no_flags`` the file system knows no flags of renameat2(2).
    """

    def __init__(self, at: int, *, no_flags: bool = False) -> None:
        self._at = at
        self._no_flags = no_flags
        self._runs = False
        self._steps = 0
        self.is_answered = False

    def step(self) -> None:
        if self._runs:
            self._steps += 1
            if self._steps == self._at:
                os._exit(KILLED_LATER if self.is_answered else KILLED)

    def begin(self) -> None:
        """Count from here on."""
        self._runs = True

    def end(self) -> None:
        """From here on nobody is killed."""
        self._runs = False

    def patch(self) -> None:
        for name in _WRITES:
            setattr(os, name, self._counted(getattr(os, name)))
        opening = os.open

        def opened(path: Any, flags: int, *values: Any, **named: Any) -> int:
            if flags & _CREATES:
                self.step()
            return opening(path, flags, *values, **named)

        os.open = opened
        # Of the whole library it has two calls, and no others are asked for.
        directory._libc = _Libc(self, directory._libc, self._no_flags)  # type: ignore[assignment]
        connecting = sqlite3.connect
        dying = self

        class Connection(sqlite3.Connection):
            def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
                if query in _KEEPS:
                    dying.step()
                return super().execute(query, *values)

        def connect(*values: Any, **named: Any) -> sqlite3.Connection:
            return connecting(*values, factory=Connection, **named)

        sqlite3.connect = connect  # type: ignore[assignment] # its stub is overloaded

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            self.step()
            return real(*values, **named)

        return call


class _Libc:
    """The two calls that Python has no name for."""

    def __init__(self, dying: Dying, real: ctypes.CDLL, no_flags: bool) -> None:
        self._dying = dying
        self._real = real
        self._no_flags = no_flags

    def renameat2(self, *values: Any) -> int:
        self._dying.step()
        if self._no_flags and values[-1]:
            ctypes.set_errno(errno.EINVAL)
            return -1
        return int(self._real.renameat2(*values))

    def syncfs(self, descriptor: int) -> int:
        self._dying.step()
        return int(self._real.syncfs(descriptor))


def forked(do: Callable[[], int]) -> int:
    """Do something in a process of its own, and give how that has ended."""
    child = os.fork()
    if not child:
        code = FAILED
        try:
            code = do()
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)

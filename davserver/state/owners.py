"""Who has begun what: an owner is alive as long as it holds the flock of its file."""

import fcntl
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path


class Owners:
    """The owners whose files lie in ``folder``, which is made when there is a first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = threading.Lock()
        self._mine = ""
        self._descriptor = -1

    def me(self) -> str:
        """The token of this process. Raises OSError."""
        with self._mutex:
            while not self._mine:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                token = secrets.token_hex(8)
                flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
                descriptor = os.open(self._folder / token, flags, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Whoever took it for a dead one, before it was locked, has removed it.
                if (self._folder / token).exists():
                    self._mine, self._descriptor = token, descriptor
                else:
                    os.close(descriptor)
            return self._mine

    def is_alive(self, token: str) -> bool:
        """Raises OSError."""
        if token == self._mine:
            return True
        try:
            descriptor = os.open(self._folder / token, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _is_free(descriptor)
        finally:
            os.close(descriptor)

    def bury(self) -> None:
        """Remove the files of the dead. Raises OSError."""
        if not self._folder.exists():
            return
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
                try:
                    # Removed before the lock is given back: its maker may be about to take it.
                    if file.name != self._mine and _is_free(descriptor):
                        file.unlink()
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """This process owns nothing any more."""
        if self._mine:
            with suppress(OSError):
                (self._folder / self._mine).unlink()
            os.close(self._descriptor)
            self._mine, self._descriptor = "", -1


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

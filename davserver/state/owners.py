"""Who has begun what: an owner is alive as long as it holds the flock of its file."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path


class Owners:
    """The owners whose files lie in ``folder``, which is made if missing. ``me`` is the token of
    whoever has made this. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.me = ""
        folder.mkdir(mode=0o700, exist_ok=True)
        while not self.me:
            token = secrets.token_hex(8)
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            self._descriptor = os.open(folder / token, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            # Whoever took it for a dead one, before it was locked, has removed it.
            if (folder / token).exists():
                self.me = token
            else:
                os.close(self._descriptor)

    def is_alive(self, token: str) -> bool:
        """Raises OSError."""
        if token == self.me:
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
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
                try:
                    # Removed before the lock is given back: its maker may be about to take it.
                    if file.name != self.me and _is_free(descriptor):
                        file.unlink()
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """Own nothing any more."""
        with suppress(OSError):
            (self._folder / self.me).unlink()
        os.close(self._descriptor)


def living(folder: Path) -> frozenset[str]:
    """The tokens of those that are alive, found without changing anything. Raises OSError."""
    found = set()
    with suppress(FileNotFoundError):
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.add(file.name)
                finally:
                    os.close(descriptor)
    return frozenset(found)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

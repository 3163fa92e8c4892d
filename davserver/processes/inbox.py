"""Signals that a process waits for beside other things: they come as bytes of a pipe."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress


class Inbox:
    """Takes signals of these ``numbers`` from now on, in the main thread, until it is closed."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._numbers = frozenset(numbers)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, lambda number, frame: None)

    def fileno(self) -> int:
        """What can be read from when one has come."""
        return self._read

    def taken(self) -> list[int]:
        """Those that have come, each once."""
        with suppress(BlockingIOError):
            return list(dict.fromkeys(os.read(self._read, 1 << 10)))
        return []

    def leave(self) -> None:
        """Called by a child: its signals are its own."""
        os.close(self._read)
        os.close(self._write)

    def close(self) -> None:
        """The process is about to end, and needs not to be told again."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

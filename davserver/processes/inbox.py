"""Signals that a process waits for beside other things: they come as bytes of a pipe."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


class Inbox:
    """Takes signals of these ``numbers`` from now on, in the main thread, until it is closed."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wake = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before: dict[int, Any] = {
            number: signal.signal(number, lambda number, frame: None) for number in numbers
        }

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
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake)
        os.close(self._read)
        os.close(self._write)

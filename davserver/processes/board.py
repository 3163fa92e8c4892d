"""A few numbers in memory that a master shares with its workers."""

import mmap

_WORD = 8


class Board:
    """For so many ``slots``, each of which one worker at a time has. It is made before the fork.

    Each number is written by one process alone.
    """

    def __init__(self, slots: int) -> None:
        self._words = memoryview(mmap.mmap(-1, _WORD * (slots + 1))).cast("Q")

    @property
    def is_draining(self) -> bool:
        """Whether the workers have been told to end: they want no new clients."""
        return bool(self._words[0])

    def drain(self) -> None:
        self._words[0] = 1

    def beat(self, slot: int) -> None:
        """Show that the worker of a slot still turns."""
        self._words[1 + slot] += 1

    def beats(self, slot: int) -> int:
        """How often it has."""
        return self._words[1 + slot]

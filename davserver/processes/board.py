"""A few numbers in memory that a master shares with its workers."""

import mmap

_WORD = 8
_INHERITED = 2


class Board:
    """For so many ``slots``, each of which one worker at a time has. It is made before the fork.

    Each number is written by one process alone.
    """

    def __init__(self, slots: int) -> None:
        self._words = memoryview(mmap.mmap(-1, _WORD * (2 * slots + 1))).cast("Q")
        self._slots = slots

    @property
    def has_heirs(self) -> bool:
        """Whether others have taken their place."""
        return self._words[0] == _INHERITED

    def drain(self, *, has_heirs: bool) -> None:
        """Let them know that they have been told to end. Who had heirs then has them still."""
        self._words[0] = max(self._words[0], _INHERITED if has_heirs else 1)

    def beat(self, slot: int) -> None:
        """Show that the worker of a slot still turns."""
        self._words[1 + slot] += 1

    def hold(self, slot: int, number: int) -> None:
        """Show how many clients the worker of a slot has."""
        self._words[1 + self._slots + slot] = number

    def is_ahead(self, slot: int) -> bool:
        """Whether the worker of a slot has more clients than another one, by two or more."""
        held = self._words[1 + self._slots :].tolist()
        return held[slot] > min(held) + 1

    def beats(self, slot: int) -> int:
        """How often it has."""
        return self._words[1 + slot]

"""What each thread has for itself, and leaves to others when it ends."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Lending(Generic[Thing]):
    """Gives each thread a thing of its own, made by ``make`` where none is spare. What ``make``
    raises is raised.
    """

    def __init__(self, make: Callable[[], Thing]) -> None:
        self._make = make
        self._local = threading.local()
        self._spare: list[Thing] = []
        self._all: list[Thing] = []

    def own(self) -> Thing:
        """That of the calling thread."""
        lent: _Lent[Thing] | None = getattr(self._local, "lent", None)
        if lent is None:
            lent = self._local.lent = _Lent(self._lend(), self._spare)
        return lent.thing

    def withdraw(self) -> list[Thing]:
        """All of them, to be closed: none is lent any more."""
        self._spare.clear()
        found, self._all = self._all, []
        return found

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._all)

    def _lend(self) -> Thing:
        with suppress(IndexError):
            return self._spare.pop()
        made = self._make()
        self._all.append(made)
        return made


class _Lent(Generic[Thing]):
    """It is spare when the thread has ended, and with it what is local to it."""

    def __init__(self, thing: Thing, spare: list[Thing]) -> None:
        self.thing = thing
        self._spare = spare

    def __del__(self) -> None:
        self._spare.append(self.thing)

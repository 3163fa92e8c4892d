"""Locks and dead properties: one transactional store, true across processes and restarts.

A `State` gives a `Reader` for a look and a `Writer` for the commit section. Paths in here are the
real paths of resources, so that two names of one share never part its locks. Time is an argument.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path

__all__ = ["Reader", "State", "Writer"]


class Reader(Protocol):
    """What the store holds. Each call is a look of its own: nothing is kept open in between.

    ``now`` is in seconds since the epoch: locks that ended before it are not there.
    """

    def locks(self, path: Path, now: float, *, below: bool = False) -> tuple[Lock, ...]:
        """The locks rooted at a path or above it, and with ``below`` those under it."""

    def locks_on_members(self, path: Path, now: float) -> dict[str, list[Lock]]:
        """The locks rooted at the direct members of a collection, by member name."""

    def lock(self, token: str, now: float) -> Lock | None:
        """The lock of a token."""

    def properties(self, path: Path) -> dict[str, str]:
        """The dead properties of a resource: names with their elements as XML."""

    def properties_of_members(self, path: Path) -> dict[str, dict[str, str]]:
        """The dead properties of all direct members of a collection, by member name."""

    def has_properties(self, path: Path) -> bool:
        """Whether anything at or below a path has dead properties."""

    def with_properties(self, path: Path) -> tuple[Path, ...]:
        """The resources at and below a path that have dead properties."""


class Writer(Reader, Protocol):
    """What the commit section may change. All of it happens, or nothing."""

    def add_lock(self, lock: Lock) -> None:
        """Keep a new lock."""

    def refresh_lock(self, token: str, timeout: int, expires: float) -> None:
        """Give a lock a new end."""

    def remove_lock(self, token: str) -> None:
        """End a lock."""

    def remove_ended_locks(self, now: float) -> None:
        """Forget the locks that ended before ``now``."""

    def remove_locks(self, path: Path, *, at: bool = True) -> None:
        """End the locks below a path and, with ``at``, those rooted at it."""

    def set_property(self, path: Path, name: str, value: str) -> None:
        """Set a dead property to an element as XML."""

    def remove_property(self, path: Path, name: str) -> None:
        """Remove a dead property, if it is there."""

    def remove_properties(self, path: Path) -> None:
        """Remove all dead properties at and below a path."""

    def move_properties(self, source: Path, target: Path) -> None:
        """Let all dead properties at and below a path follow it to another, free of them."""

    def copy_properties(self, source: Path, target: Path) -> None:
        """Copy the dead properties of one resource to another that has none."""


class State(Protocol):
    """A store. Writers wait for each other; Fault 503 is raised where another program holds the
    file too long, and OSError as the disk below it does.
    """

    def read(self) -> Reader:
        """A reader for the running thread."""

    def write(self) -> AbstractContextManager[Writer]:
        """The one write transaction that runs at a time, across threads and processes."""

    def close(self) -> None:
        """Close all that is open; the store is not used afterwards."""

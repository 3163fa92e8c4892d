"""Locks, dead properties and intents: one transactional store, true across processes and restarts.

A `State` gives a `Reader` for a look and a `Writer` for the commit section. Paths in here are the
real paths of resources, so that two names of one share never part its locks. Time is an argument.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.properties import Stored
from davserver.protocol.resources import UNKNOWN, Stamp

__all__ = ["Intent", "Operation", "Reader", "State", "Writer"]


class Operation(StrEnum):
    """What an intent is about."""

    MOVE = "move"
    """``source`` goes to ``target``; a collection that was there goes to ``aside``."""
    COPY = "copy"
    """``staged`` goes to ``target``; a collection that was there is then at ``staged``."""
    CARRY = "carry"
    """As COPY; and ``source``, which it is a copy of, is removed, by way of ``aside``."""
    REMOVE = "remove"
    """``source`` is removed: a file at once, a collection by way of ``aside``."""
    CREATE = "create"
    """``target`` is made for a lock that has been granted on it."""
    TOUCH = "touch"
    """The modification time of ``source`` goes from ``old_time`` to ``new_time``."""
    WALK = "walk"
    """``source`` goes member by member, to ``target`` if there is one."""
    STAGE = "stage"
    """What has the reserved name ``source`` is on its way to another name, if it is known to
    ``target``.
    """
    DISCARD = "discard"
    """What has the reserved name ``source`` is needed no longer."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be done to names and rows together.

    It is kept before the first name changes and forgotten with the last row; so what finds one
    finishes it, or drops it where nothing had been done yet, by what the stamps say: ``moved`` is
    the resource that arrives or is removed, ``left`` the one that a CARRY leaves behind,
    ``replaced`` what was at the target. Where a file system cannot exchange names, that goes to
    ``displaced`` first. Times are in nanoseconds since the epoch.

    With ``lasts`` it goes on outside of commit sections, as long as its owner lives; without, it
    can be there in a section only if its maker has failed.
    """

    operation: Operation
    source: Path = ()
    target: Path = ()
    staged: Path = ()
    aside: Path = ()
    displaced: Path = ()
    moved: Stamp = UNKNOWN
    left: Stamp = UNKNOWN
    replaced: Stamp = UNKNOWN
    old_time: int = 0
    new_time: int = 0
    lasts: bool = False
    owner: str = ""
    id: int = 0


class Reader(Protocol):
    """What the store holds. Each call is a look of its own: nothing is kept open in between.

    ``now`` is in seconds since the epoch: locks that ended before it are not there. A store that
    turns out to be damaged holds nothing.
    """

    def locks(self, path: Path, now: float, *, below: bool = False) -> tuple[Lock, ...]:
        """The locks rooted at a path or above it, and with ``below`` those under it."""

    def locks_on_members(self, path: Path, now: float) -> dict[str, list[Lock]]:
        """The locks rooted at the direct members of a collection, by member name."""

    def lock(self, token: str, now: float) -> Lock | None:
        """The lock of a token."""

    def count_locks(self, now: float) -> int:
        """How many locks there are."""

    def first_end(self) -> float:
        """When the first of the locks ends that are kept, ended ones too; infinity without any."""

    def properties(self, path: Path) -> Stored:
        """The dead properties of a resource: names with their elements as XML."""

    def properties_of_members(self, path: Path) -> dict[str, Stored]:
        """The dead properties of all direct members of a collection, by member name."""

    def has_rows(self, path: Path, *, below: bool = True) -> bool:
        """Whether anything at or below a path, or without ``below`` the resource itself, has dead
        properties or locks, ended ones too.
        """

    def with_properties(self, path: Path) -> tuple[Path, ...]:
        """The resources at and below a path that have dead properties."""

    def stamps(self, path: Path) -> dict[Path, Stamp]:
        """The stamps of all rows at and below a path, by resource."""

    def has_discards(self, path: Path) -> bool:
        """Whether anything below a path is still to be discarded."""

    def intents(self) -> tuple[Intent, ...]:
        """All intents, the oldest first."""


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

    def set_property(self, path: Path, name: str, value: str, stamp: Stamp = UNKNOWN) -> None:
        """Set a dead property, of the resource with this stamp, to an element as XML."""

    def remove_property(self, path: Path, name: str) -> None:
        """Remove a dead property, if it is there."""

    def remove_properties(self, path: Path) -> None:
        """Remove all dead properties at and below a path."""

    def move_properties(self, source: Path, target: Path) -> None:
        """Let all dead properties at and below a path follow it to another, free of them."""

    def copy_properties(self, source: Path, target: Path, stamp: Stamp = UNKNOWN) -> None:
        """Copy the dead properties of one resource to another, with this stamp, that has none.
        Those of another kind of resource, which has vanished from there, are left out.
        """

    def restamp(self, path: Path, stamp: Stamp, was: int = 0) -> None:
        """The rows of a path are now those of another resource, of the same kind or of one that
        ``was``. Those of any other kind, which has vanished from there, are gone.
        """

    def add_intent(self, intent: Intent) -> Intent:
        """Keep an intent of this process. Gives it with its number."""

    def change_intent(self, intent: Intent) -> None:
        """Keep what is now known of an intent."""

    def move_discards(self, source: Path, target: Path) -> None:
        """Let what is to be discarded below a path follow it to another."""

    def remove_intent(self, number: int) -> None:
        """Forget an intent."""

    def begin(self) -> None:
        """Begin to write, if that is not yet so: what keeps the store from it is met at once. To be
        called before a name changes, where rows change afterwards and no intent was kept.
        """

    def commit(self) -> None:
        """Keep what has been changed so far, whatever comes, and go on: nobody else gets in."""

    def keep(self) -> None:
        """As `commit`, where no more rows follow, as far as is known."""

    def is_orphan(self, intent: Intent) -> bool:
        """Whether an intent is somebody else's to finish: its owner is dead or has failed."""

    def attempt(self) -> AbstractContextManager[None]:
        """Changes within, since the last `commit`, are taken back where an exception leaves it.
        Attempts are not nested.
        """


Settle = Callable[[Writer], None]


class State(Protocol):
    """A store. Writers wait for each other; Fault 503 is raised where another program holds the
    file too long, Fault 403 where it is damaged, and OSError as the disk below it does.
    """

    @property
    def damage(self) -> str:
        """What is wrong with a store that can only be read from, or empty."""

    def read(self) -> Reader:
        """A reader for the running thread."""

    def revision(self) -> bytes:
        """What changes whenever anybody has changed the store; empty where that cannot be told."""

    def write(self, settle: Settle | None = None) -> AbstractContextManager[Writer]:
        """The one write transaction that runs at a time, across threads and processes.

        Where it fails after an intent was kept in it, ``settle`` is called in another transaction
        before anyone else gets in.
        """

    def bury_owners(self) -> None:
        """Forget the owners that are dead. To be called within a write transaction."""

    def close(self) -> None:
        """Close all that is open; the store is not used afterwards."""

"""Locks as values, and what they forbid (RFC 4918 sections 6 and 7)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from davserver.protocol import paths
from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp


@dataclass(frozen=True, slots=True)
class Lock:
    """A granted lock.

    ``root`` is the locked resource. ``deep`` is Depth: infinity. ``owner`` is the XML of the
    `owner` element as its maker sent it, or empty. ``timeout`` is in seconds, ``expires`` in
    seconds since the epoch. ``stamp`` is that of the locked resource.
    """

    token: str
    root: Path
    deep: bool
    exclusive: bool
    owner: str
    principal: str
    timeout: int
    expires: float
    stamp: Stamp = UNKNOWN

    def covers(self, path: Path) -> bool:
        """Whether a resource is in the scope of this lock (RFC 4918 section 6.1)."""
        return self.root == path or (self.deep and paths.is_below(path, self.root))


class Write(NamedTuple):
    """What a request is about to change, as far as locks care (RFC 4918 section 7).

    ``resource`` is the path that is written. ``member`` says that its entry in the parent
    collection is created, removed or renamed, which the parent's lock guards at any depth (7.4).
    ``below`` says that everything below it changes too.
    """

    resource: Path
    member: bool = False
    below: bool = False


def obstacles(
    write: Write, held: Iterable[Lock], tokens: frozenset[str], principal: str
) -> tuple[Lock, ...]:
    """The locks whose tokens a write lacks: empty where it may go on.

    Each guarded resource needs one token of the locks that cover it, submitted by the principal
    who made it (RFC 4918 sections 6.2 and 6.4).
    """
    locks = tuple(held)
    guarded = [write.resource]
    if write.member and write.resource:
        guarded.append(write.resource[:-1])
    if write.below:
        guarded += sorted(
            {lock.root for lock in locks if paths.is_below(lock.root, write.resource)}
        )
    lacking: dict[str, Lock] = {}
    for path in guarded:
        covering = [lock for lock in locks if lock.covers(path)]
        if covering and not any(
            lock.token in tokens and lock.principal == principal for lock in covering
        ):
            lacking |= {lock.token: lock for lock in covering}
    return tuple(lacking.values())


def conflicts(
    path: Path, deep: bool, exclusive: bool, held: Iterable[Lock]
) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
    """The locks that a new one cannot live beside (RFC 4918 section 6.1): those that cover its
    resource, and those on members in its way.
    """
    rivals = [lock for lock in held if exclusive or lock.exclusive]
    return (
        tuple(lock for lock in rivals if lock.covers(path)),
        tuple(lock for lock in rivals if deep and paths.is_below(lock.root, path)),
    )

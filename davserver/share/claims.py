"""Which requests wait for which tree operations that are under way."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from davserver.protocol import paths
from davserver.protocol.paths import Path
from davserver.state import Intent, Operation


class Access(NamedTuple):
    """What a request is about: paths of the state that it changes, and others that it looks at.
    With ``tree`` all that is below them, too.
    """

    writes: tuple[Path, ...] = ()
    reads: tuple[Path, ...] = ()
    tree: bool = False


def access(intent: Intent) -> Access:
    """What whoever claims a tree operation is about."""
    changed, seen = _TAKEN[intent.operation](intent)
    return Access(changed, seen, tree=True)


def are_apart(access: Access, intent: Intent) -> bool:
    """Whether a request need not wait for an intent.

    Tree operations wait for each other where they overlap; that two look at the same tree is no
    overlap. What is less than a tree waits only for a CARRY of something above it, which would
    leave the change behind.
    """
    changed, seen = _TAKEN[intent.operation](intent)
    if access.tree:
        mine = (*access.writes, *access.reads)
        return not (_overlap(mine, changed) or _overlap(access.writes, seen))
    if intent.operation is not Operation.CARRY and intent.lasts:
        return True
    return not any(path[: len(one)] == one for path in access.writes for one in changed)


def _overlap(some: Iterable[Path], others: Sequence[Path]) -> bool:
    return any(
        one == other or paths.is_below(one, other) or paths.is_below(other, one)
        for one in some
        for other in others
    )


def _both(intent: Intent) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    return tuple(filter(None, (intent.source, intent.target))), ()


def _copied(intent: Intent) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    return (intent.target,), (intent.source,)


def _none(intent: Intent) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """What has a reserved name is in nobody's way."""
    del intent
    return (), ()


_TAKEN = {
    Operation.MOVE: _both,
    Operation.COPY: _copied,
    Operation.CARRY: _both,
    Operation.REMOVE: _both,
    Operation.CREATE: _both,
    Operation.TOUCH: _both,
    Operation.WALK: _both,
    Operation.STAGE: _none,
    Operation.DISCARD: _none,
}
"""What an intent changes, and what it looks at."""

"""What must be there: the resources below one collection, with properties and locks, as a value.

Every change gives a new world and leaves the old one, so that an operation under way is two
worlds, one of which must be found. Written from RFC 4918, not from the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.faults.bodies import EMPTY

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """A file with the number of its content, or without one a collection.

    ``pair`` is the number of the value that both its dead properties have, 0 for none.
    """

    content: int | None
    pair: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """An exclusive lock."""

    root: Path
    deep: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource as anyone sees it: ``owners`` are those of the locks that cover it."""

    content: int | None
    pair: int
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class World:
    """``locks`` are by their owners, each of which is the name of one LOCK request."""

    things: Mapping[Path, Thing]
    locks: Mapping[str, Held] = field(default_factory=dict)

    def __contains__(self, path: Path) -> bool:
        return path in self.things

    def is_collection(self, path: Path) -> bool:
        return path in self.things and self.things[path].content is None

    def tree(self, path: Path) -> list[Path]:
        """A resource and all below it."""
        return [one for one in self.things if is_within(one, path)]

    def owners(self, path: Path) -> frozenset[str]:
        """Whose locks cover a path."""
        return frozenset(
            owner
            for owner, held in self.locks.items()
            if held.root == path or (held.deep and is_within(path, held.root))
        )

    def seen(self) -> dict[Path, Seen]:
        return {
            path: Seen(thing.content, thing.pair, self.owners(path))
            for path, thing in self.things.items()
        }

    def put(self, path: Path, content: int | None) -> "World":
        """PUT, or without content MKCOL: what is there keeps its properties and locks."""
        pair = self.things[path].pair if path in self.things else 0
        return replace(self, things={**self.things, path: Thing(content, pair)})

    def delete(self, path: Path) -> "World":
        return self._without(path, at=True)

    def copy(self, source: Path, target: Path, *, deep: bool = True) -> "World":
        """Properties are copied, locks are not; one on the target itself stays (sections 7.6,
        9.8).
        """
        arriving = {
            (*target, *one[len(source) :]): self.things[one]
            for one in (self.tree(source) if deep else [source])
        }
        cleared = self._without(target, at=False)
        return replace(cleared, things={**cleared.things, **arriving})

    def move(self, source: Path, target: Path) -> "World":
        return self.copy(source, target).delete(source)

    def patch(self, path: Path, pair: int) -> "World":
        return replace(self, things={**self.things, path: replace(self.things[path], pair=pair)})

    def lock(self, path: Path, owner: str, deep: bool) -> "World":
        """LOCK; of an unmapped URL with an empty file (section 7.3)."""
        world = self if path in self.things else self.put(path, EMPTY)
        return replace(world, locks={**world.locks, owner: Held(path, deep)})

    def unlock(self, owner: str) -> "World":
        return replace(self, locks={one: held for one, held in self.locks.items() if one != owner})

    def _without(self, path: Path, *, at: bool) -> "World":
        return World(
            {one: thing for one, thing in self.things.items() if not is_within(one, path)},
            {
                owner: held
                for owner, held in self.locks.items()
                if not is_within(held.root, path) or (held.root == path and not at)
            },
        )


def is_within(path: Path, top: Path) -> bool:
    """Whether a path is another or lies below it."""
    return path[: len(top)] == top


def differing(one: Mapping[Path, Seen], other: Mapping[Path, Seen]) -> list[Path]:
    """Where two sights are not the same."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))

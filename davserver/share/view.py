"""What a request meets: facts of files and locks, seen together."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from davserver.protocol import conditions, faults, paths, resources
from davserver.protocol.conditions import Guard
from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock, Write, obstacles
from davserver.protocol.paths import Path, Target
from davserver.protocol.plan import Subject
from davserver.protocol.properties import Stored
from davserver.protocol.resources import Stat
from davserver.share.place import Place, Resolve
from davserver.state import Reader


class View:
    """What is there at a time ``now``, in seconds since the epoch.

    ``resolve`` finds the place of any path, ``prefix`` is what hrefs begin with.
    """

    def __init__(self, resolve: Resolve, reader: Reader, now: float, prefix: Path) -> None:
        self.reader = reader
        self.now = now
        self._resolve = resolve
        self._prefix = prefix

    def subject(self, place: Place, target: Target) -> Subject:
        """What a request meets at a URL. Raises OSError."""
        tree = place.share.tree
        facts, parent = self._entry(place)
        is_link = facts is not None and resources.is_link(facts)
        return Subject(
            place.path,
            facts,
            parent,
            self._prefix,
            slash=target.slash,
            root=place.is_root,
            link=is_link and tree.follow and tree.look(place.local) is not None,
        )

    def _entry(self, place: Place) -> tuple[Stat | None, Stat | None]:
        """The facts of what is at a place, a link itself included, and of what holds it."""
        tree = place.share.tree
        return tree.find(place.local), tree.find(place.local[:-1]) if place.local else None

    def require(
        self,
        guard: Guard,
        facts: Stat | None,
        not_modified: Callable[[Stat], Fault] | None = None,
    ) -> None:
        """Raises Fault 412, or 304, where a condition of the request does not hold for a
        resource with these facts.
        """
        conditions.require(guard, facts, self._state_of, not_modified)

    def unlocked(self, guard: Guard, place: Place, *, member: bool = False) -> None:
        """Raises Fault 423 where a lock guards a resource, or with ``member`` its entry in the
        parent collection, and the request has no token for it.
        """
        in_the_way = self.obstacles(guard, place, member=member)
        if in_the_way:
            raise self.locked(in_the_way)

    def obstacles(
        self, guard: Guard, place: Place, *, member: bool = False, below: bool = False
    ) -> tuple[Lock, ...]:
        """The locks in the way of a change, their roots as paths below the server's root."""
        held = self.locks(place, below=below)
        if not held:
            return ()
        return obstacles(Write(place.path, member, below), held, guard.tokens, guard.principal)

    def obstacles_below(self, guard: Guard, place: Place) -> tuple[Lock, ...]:
        """The locks on members of a tree that are in the way."""
        return tuple(
            lock
            for lock in self.obstacles(guard, place, below=True)
            if paths.is_below(lock.root, place.path)
        )

    def locks(self, place: Place, *, below: bool = False) -> tuple[Lock, ...]:
        """The locks at or above a place and, with ``below``, those under it."""
        kept = self.reader.locks(place.key, self.now, below=below)
        if not kept:
            return ()
        found = self.localize(place, kept)
        return tuple(lock for lock in found if self.holds(place, lock))

    def has_locks(self, place: Place) -> bool:
        """Whether a lock that has not ended is kept at or above a place, even if it `holds` not."""
        return bool(self.reader.locks(place.key, self.now))

    def holds(self, place: Place, lock: Lock) -> bool:
        """Whether a lock of the share of a place is still one: it ends with what is locked, also
        where that has vanished behind the server's back.
        """
        try:
            facts = place.share.tree.find(lock.root[len(place.share.prefix) :])
        except OSError:
            return True
        return lock.stamp.fits(facts)

    def properties(self, place: Place, facts: Stat) -> Stored:
        """The dead properties of a resource with these facts."""
        found = self.reader.properties(place.key)
        return found if found.kind in (0, resources.kind(facts)) else Stored()

    def localize(self, place: Place, found: Sequence[Lock]) -> tuple[Lock, ...]:
        """Locks with their roots as paths below the server's root instead of real ones."""
        share = place.share
        return tuple(
            replace(lock, root=share.prefix + lock.root[len(share.base) :])
            for lock in found
            if lock.root[: len(share.base)] == share.base
        )

    def locked(self, in_the_way: Sequence[Lock]) -> Fault:
        """The 423 that names the roots of locks."""
        return faults.locked(self.root_href(lock) for lock in in_the_way)

    def root_href(self, lock: Lock) -> str:
        return self.href(lock.root)

    def href(self, path: Path) -> str:
        """The href of a path, with a slash where a collection is there now."""
        place = self._resolve(path)
        facts = None
        with suppress(OSError):
            facts = place.share.tree.look(place.local) if place else None
        return paths.href(path, facts is not None and resources.is_collection(facts), self._prefix)

    def _state_of(self, path: Path) -> conditions.State:
        place = self._resolve(path)
        if place is None or paths.reserved(place.local) or place.share.tree.hides(place.local):
            return conditions.State(None, frozenset())
        facts = None
        with suppress(OSError):
            facts = place.share.tree.look(place.local)
        if facts is None:
            # Not even below a deep lock does an unmapped URL have a state (section 10.4.4): who
            # holds that lock tags the list with the collection.
            return conditions.State(None, frozenset())
        tokens = frozenset(lock.token for lock in self.locks(place) if lock.covers(path))
        return conditions.State(resources.etag(facts), tokens)

"""One served tree, and the commit section: the only room where a name and its rows change.

A `View` answers what a request meets: facts of files and locks, seen together. A `Section` is the
view inside the one write transaction of the state, and what may be done there. The same question
is asked of both: of a view early, to refuse cheaply, of the section where it counts.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from os import stat_result

from davserver.protocol import conditions, faults, paths, resources
from davserver.protocol.conditions import Guard
from davserver.protocol.documents import Change
from davserver.protocol.faults import Fault
from davserver.protocol.headers import date
from davserver.protocol.locks import Lock, Write, obstacles
from davserver.protocol.paths import Path, Target
from davserver.protocol.plan import Subject
from davserver.protocol.properties import LAST_MODIFIED
from davserver.protocol.resources import Stat
from davserver.state import Reader, Writer
from davserver.tree import Directory, Tree, Upload
from davserver.tree.directory import own_name


@dataclass(frozen=True, slots=True)
class Share:
    """A tree under a name, or under `/` where the name is empty."""

    name: str
    tree: Tree
    read_only: bool = False

    @property
    def prefix(self) -> Path:
        """Its path below the server's root."""
        return (self.name,) if self.name else ()

    @property
    def base(self) -> Path:
        """The names of its real directory: state is kept by real paths."""
        return self.tree.real.parts[1:]


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a share: ``path`` below the server's root, ``local`` below the share's."""

    share: Share
    path: Path

    @property
    def local(self) -> Path:
        return self.path[len(self.share.prefix) :]

    @property
    def key(self) -> Path:
        """How the state knows it."""
        return self.share.base + self.local

    @property
    def parent(self) -> "Place":
        return replace(self, path=self.path[:-1])

    @property
    def name(self) -> str:
        return self.local[-1]

    @property
    def is_root(self) -> bool:
        return not self.local

    def directory(self) -> Directory:
        """The open directory that holds it. Raises OSError."""
        return self.share.tree.directory(self.local[:-1])


Resolve = Callable[[Path], Place | None]


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
        facts = tree.find(place.local)
        parent = tree.find(place.local[:-1]) if place.local else None
        is_link = facts is not None and resources.is_link(facts)
        return Subject(
            place.path,
            facts,
            parent,
            paths.href(place.path, target.slash, self._prefix),
            paths.href(place.path[:-1], True, self._prefix),
            slash=target.slash,
            root=place.is_root,
            link=is_link and tree.follow and tree.look(place.local) is not None,
        )

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
        return self.localize(place, self.reader.locks(place.key, self.now, below=below))

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


class Section(View):
    """The view inside the write transaction, and what may be done there.

    ``stamp`` gives times for new content: nanoseconds since the epoch, each later than the last.
    Every method raises OSError; what it has done so far then stays in the files, while the
    transaction forgets its rows.
    """

    def __init__(
        self, resolve: Resolve, writer: Writer, now: float, prefix: Path, stamp: Callable[[], int]
    ) -> None:
        super().__init__(resolve, writer, now, prefix)
        self.writer = writer
        self.stamp = stamp

    def publish(
        self, place: Place, upload: Upload, *, replaces: bool, like: Place | None = None
    ) -> stat_result:
        """Give new content its name, or let it take the place of a file. Gives its facts.

        With ``like`` it is a copy of another file, whose dead properties it gets; else those of a
        replaced file stay.
        """
        if like is not None:
            self.forget_replaced(place)
            self.writer.copy_properties(like.key, place.key)
        elif not replaces:
            self.writer.remove_properties(place.key)
        with place.directory() as directory:
            if replaces:
                upload.resemble(directory, place.name)
            facts = upload.stamp(self.stamp())
            if replaces:
                upload.replace(directory, place.name)
            else:
                upload.publish(directory, place.name)
        return facts

    def make_collection(self, place: Place, mode: int | None = None) -> None:
        """Make an empty collection, with a mode or that of the settings."""
        self.writer.remove_properties(place.key)
        with place.directory() as directory:
            wanted = place.share.tree.modes.directory if mode is None else mode
            directory.make(place.name, wanted)

    def put_in_place(
        self, staged: Place, place: Place, replaced: Stat | None, source: Place, *, deep: bool
    ) -> str | None:
        """Let a copy with a reserved name, beside a place, take that place.

        It gets the dead properties of its source, as far as its members are there. Those of what
        was at the place are gone, and the locks on its members; a lock on the place itself stays.
        Gives the reserved name of a replaced tree, for its content to be discarded after the
        section.
        """
        self.forget_replaced(place)
        for key in self.writer.with_properties(source.key) if deep else (source.key,):
            below = key[len(source.key) :]
            if not below or staged.share.tree.find(staged.local + below) is not None:
                self.writer.copy_properties(key, place.key + below)
        with place.directory() as directory:
            if replaced is None:
                directory.rename(staged.name, directory, place.name)
                return None
            if resources.is_collection(replaced) or resources.is_collection(
                directory.stat(staged.name)
            ):
                directory.exchange(staged.name, directory, place.name)
                return staged.name
            directory.replace(staged.name, directory, place.name)
            return None

    def move(self, source: Place, target: Place, facts: Stat, replaced: Stat | None) -> str | None:
        """Rename within one file system: properties follow, locks on the source end.

        Gives the reserved name, in the source's directory, of a replaced tree.
        """
        self.forget_replaced(target)
        self.writer.move_properties(source.key, target.key)
        self.writer.remove_locks(source.key)
        leftover = None
        with source.directory() as old, target.directory() as new:
            if replaced is None:
                old.rename(source.name, new, target.name)
            elif (replaced.st_dev, replaced.st_ino) == (facts.st_dev, facts.st_ino):
                _rename_same(old, source.name, new, target.name)
            elif resources.is_collection(facts) or resources.is_collection(replaced):
                old.exchange(source.name, new, target.name)
                leftover = own_name()
                try:
                    old.rename(source.name, old, leftover)
                except OSError:
                    old.exchange(source.name, new, target.name)
                    raise
            else:
                old.replace(source.name, new, target.name)
        return leftover

    def carry(self, source: Place, target: Place, staged: str) -> None:
        """Let a copy of a file on another file system, which has a reserved name beside the target,
        take the target's place, and remove the source. What was replaced then has that name.
        """
        replaced = target.share.tree.find(target.local)
        self.forget_replaced(target)
        self.writer.move_properties(source.key, target.key)
        self.writer.remove_locks(source.key)
        with source.directory() as old, target.directory() as new:
            if replaced is None:
                new.rename(staged, new, target.name)
            else:
                new.exchange(staged, new, target.name)
            try:
                old.remove_file(source.name)
            except OSError:
                if replaced is None:
                    new.remove_file(target.name)
                else:
                    new.exchange(staged, new, target.name)
                raise

    def rename_aside(self, place: Place, other: Place) -> None:
        """Rename within one collection, with dead properties; locks stay where they are."""
        self.writer.remove_properties(other.key)
        self.writer.move_properties(place.key, other.key)
        with place.directory() as directory:
            directory.rename(place.name, directory, other.name)

    def remove(self, place: Place) -> None:
        """Remove a file or link."""
        with place.directory() as directory:
            directory.remove_file(place.name)
        self.forget(place)

    def forget(self, place: Place) -> None:
        """Drop the rows of what is gone."""
        self.writer.remove_properties(place.key)
        self.writer.remove_locks(place.key)

    def has_rows(self, place: Place) -> bool:
        """Whether a tree has dead properties or locks."""
        below = self.reader.locks(place.key, self.now, below=True)
        return self.reader.has_properties(place.key) or any(
            lock.root[: len(place.key)] == place.key for lock in below
        )

    def patch(self, place: Place, changes: Sequence[Change]) -> None:
        """Carry out a PROPPATCH whose changes are all possible, in their order."""
        times = [change.text for change in changes if change.name == LAST_MODIFIED]
        for change in changes:
            if change.name == LAST_MODIFIED:
                continue
            if change.value is None:
                self.writer.remove_property(place.key, change.name)
            else:
                self.writer.set_property(place.key, change.name, change.value)
        # The file last: rows can be taken back.
        if times:
            self._set_time(place, times[-1])

    def grant(self, place: Place, wanted: Lock) -> None:
        """Keep a lock that nothing is in the way of; its life begins now."""
        self.writer.remove_ended_locks(self.now)
        self.writer.add_lock(replace(wanted, root=place.key, expires=self.now + wanted.timeout))

    def restore_locks(self, wanted: Sequence[Lock]) -> None:
        """Keep locks, as the state had them, again: what ended them was taken back."""
        for lock in wanted:
            if self.reader.lock(lock.token, self.now) is None:
                self.writer.add_lock(lock)

    def forget_replaced(self, place: Place) -> None:
        """Drop the rows of what a place held: its properties, and the locks on its members."""
        self.writer.remove_properties(place.key)
        self.writer.remove_locks(place.key, at=False)

    def _set_time(self, place: Place, text: str) -> None:
        when = date(text)
        assert when is not None, "refused by properties.refusal"
        # The client's second; nanoseconds of our own keep the entity tag unique.
        ns = int(when.timestamp()) * 1_000_000_000 + self.stamp() % 1_000_000_000
        with place.directory() as directory:
            directory.touch("." if place.is_root else place.name, ns)


def _rename_same(old: Directory, name: str, new: Directory, other: str) -> None:
    """Both names are of one inode: another spelling, or a second hard link, for which rename(2)
    would do nothing at all.
    """
    if old.stat(name).st_nlink > 1 and not resources.is_collection(old.stat(name)):
        old.remove_file(name)
    else:
        old.replace(name, new, other)

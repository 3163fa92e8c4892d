"""What one look at a resource tells: its kind, its entity tag, its times.

The facts are those of a `stat`; the tree gives the operating system's own record, because one
Python object more for each member is what a listing of many thousands can feel.
"""

import stat
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

NANO = 1_000_000_000


class Stat(Protocol):
    """The fields of `os.stat_result` that are looked at. Sizes in bytes, times in nanoseconds."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...


class Unread:
    """A member of which only the kind is known, because its collection lets nobody look further."""

    st_ino = st_dev = st_size = st_mtime_ns = st_ctime_ns = 0

    def __init__(self, is_collection: bool) -> None:
        self.st_mode = stat.S_IFDIR if is_collection else stat.S_IFREG


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which resource it is that has a path, wherever it goes: its inode, the time of its birth in
    nanoseconds since the epoch, and its kind as a mode has it. 0 is what is not known.

    An inode number is used again soon; with the time of birth it is used once.
    """

    inode: int = 0
    born: int = 0
    kind: int = 0

    def is_of(self, other: "Stamp | None") -> bool:
        """Whether this is the resource that ``other`` was made of."""
        if other is None or not self.inode or self.inode != other.inode:
            return False
        return self.kind == other.kind and (self.born == other.born or not self.born * other.born)

    def fits(self, facts: "Stat | None") -> bool:
        """Whether rows with this stamp are true of what has their path now: a file that somebody
        else has replaced keeps them, as an editor's save does it; another kind of resource never.
        """
        return facts is not None and self.kind in (0, kind(facts))


UNKNOWN = Stamp()
"""The stamp of rows that were written before there were any."""


def kind(facts: "Stat") -> int:
    """What a mode says of the kind."""
    return stat.S_IFMT(facts.st_mode)


def is_collection(facts: Stat) -> bool:
    return stat.S_ISDIR(facts.st_mode)


def is_file(facts: Stat) -> bool:
    return stat.S_ISREG(facts.st_mode)


def is_link(facts: Stat) -> bool:
    return stat.S_ISLNK(facts.st_mode)


def is_served(facts: Stat) -> bool:
    """Whether it is a file or a collection: links and special files are invisible."""
    return is_file(facts) or is_collection(facts)


def is_same(then: Stat, now: Stat) -> bool:
    """Whether both are facts of one resource, whatever its content was."""
    return (then.st_dev, then.st_ino) == (now.st_dev, now.st_ino)


def is_unchanged(then: Stat, now: Stat | None) -> bool:
    """Whether a resource is the one that it was, with the content that it had."""
    return (
        now is not None
        and is_same(then, now)
        and (then.st_size, then.st_mtime_ns) == (now.st_size, now.st_mtime_ns)
    )


seen = attrgetter("st_ino", "st_mtime_ns", "st_ctime_ns", "st_size", "st_dev", "st_mode")
"""All of the facts that anything is told from."""


def etag(facts: Stat) -> str | None:
    """The strong entity tag with its quotes; a collection has none, because the time of a
    directory misses what changes in its members (RFC 9110 section 8.8.3).
    """
    if not is_file(facts):
        return None
    return f'"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"'


def modified(facts: Stat) -> int:
    """Seconds since the epoch, as Last-Modified can tell them."""
    return facts.st_mtime_ns // NANO


def created(facts: Stat) -> int:
    """Seconds since the epoch: the earlier of both times that a directory entry has."""
    return min(facts.st_mtime_ns, facts.st_ctime_ns) // NANO

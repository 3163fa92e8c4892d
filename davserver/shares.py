"""All shares: resolves any path, and serves `/` above them as a collection that nobody changes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from davserver.protocol import faults, paths, resources
from davserver.protocol.forms import Entry
from davserver.protocol.paths import Path
from davserver.protocol.resources import NANO, Stat
from davserver.share import Place, Section, Share, View
from davserver.state import State


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows: ``infinite_depth`` for PROPFIND, and the longest life of a lock in
    seconds.
    """

    infinite_depth: bool = True
    lock_timeout: int = 86_400


class Written:
    """What PROPFIND has written: up to ``most`` characters of what was listed last."""

    def __init__(self, most: int = 16 << 20) -> None:
        self.most = most
        self._mutex = threading.Lock()
        self._held = 0
        self._collections: OrderedDict[Hashable, tuple[Mapping[str, Entry], int]] = OrderedDict()

    def get(self, key: Hashable) -> Mapping[str, Entry]:
        with self._mutex:
            return self._collections.get(key, ({}, 0))[0]

    def put(self, key: Hashable, entries: Mapping[str, Entry], size: int) -> None:
        # An entry takes about as much again beside its text.
        size += 500 * (len(entries) + 1)
        with self._mutex:
            self._held += size - self._collections.pop(key, ({}, 0))[1]
            self._collections[key] = (entries, size)
            while self._held > self.most:
                self._held -= self._collections.popitem(last=False)[1][1]


class Shares:
    """Trees by name, over one state. ``clock`` tells nanoseconds since the epoch.

    ``prefix`` is the path that this server's root hangs under. A single share with an empty name
    is the root itself; else `/` is a collection of the shares.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        state: State,
        clock: Callable[[], int],
        *,
        limits: Limits = Limits(),
        prefix: Path = (),
    ) -> None:
        self.limits = limits
        self.prefix = prefix
        self.all: Mapping[str, Share] = MappingProxyType({share.name: share for share in shares})
        self.state = state
        self.written = Written()
        self._clock = clock
        self._stamped = 0
        self._stamping = threading.Lock()

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock() / NANO

    def view(self) -> View:
        """What is there now."""
        return View(self.resolve, self.state.read(), self.now, self.prefix)

    @contextmanager
    def section(self) -> Iterator[Section]:
        """The commit section. Raises Fault 503 or OSError where the state cannot be written."""
        with self.state.write() as writer:
            yield Section(self.resolve, writer, self.now, self.prefix, self.stamp)

    def resolve(self, path: Path) -> Place | None:
        """The place of a path, or None above and beside the shares."""
        if "" in self.all:
            return Place(self.all[""], path)
        share = self.all.get(path[0]) if path else None
        return None if share is None else Place(share, path)

    def is_above(self, path: Path) -> bool:
        """Whether a path is the collection of the shares."""
        return not path and "" not in self.all

    def facts_above(self) -> Stat:
        """The facts of the collection above the shares: those of the newest share's root."""
        found = [share.tree.look(()) for share in self.all.values()]
        return max((facts for facts in found if facts is not None), key=resources.modified)

    def to_read(self, path: Path) -> Place:
        """The place of a path. Raises Fault 403 for a reserved name, 404 where no share is."""
        place = self.resolve(path)
        if place is None:
            raise faults.not_found()
        if paths.reserved(place.local) or place.share.tree.hides(place.local):
            raise faults.reserved_name()
        return place

    def to_write(self, path: Path, *, creates: bool = False) -> Place:
        """The place of a path that is to be changed, or with ``creates`` to be made.

        Raises Fault 403 for a reserved name, in a read-only share and above the shares, 404 or 409
        where no share is.
        """
        if self.resolve(path) is None:
            if self.is_above(path) or (creates and len(path) == 1):
                raise faults.above_shares()
            if creates:
                raise faults.no_parent(paths.href(path[:-1], True, self.prefix))
        place = self.to_read(path)
        if place.share.read_only:
            raise faults.read_only()
        return place

    def stamp(self) -> int:
        """A time for new content, later than any that was given before: nanoseconds."""
        with self._stamping:
            self._stamped = max(self._stamped + 1, self._clock())
            return self._stamped

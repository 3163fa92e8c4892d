"""All shares: resolves any path, and serves `/` above them as a collection that nobody changes.

Here is the door of the commit section, too, since there is one for all shares.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from davserver import counts
from davserver.protocol import faults, paths, resources
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path
from davserver.protocol.resources import NANO, Stat
from davserver.share import Place, Section, Share, View, claims, holding, names, recovery
from davserver.share.claims import Access
from davserver.share.entrance import Entrance
from davserver.share.leftovers import Leftovers
from davserver.share.uploading import Uploading
from davserver.share.written import Written
from davserver.state import Intent, Operation, State, Writer
from davserver.tree import Upload

log = logging.getLogger("davserver.storage")

PAUSE = threading.Event().wait


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows: ``infinite_depth`` for PROPFIND, and the longest life of a lock in
    seconds.
    """

    infinite_depth: bool = True
    lock_timeout: int = 86_400


class Shares:
    """Trees by name, over one state.

    ``clock`` tells nanoseconds since the epoch for what files are dated with, ``steady`` seconds
    since the epoch for locks: the same, but for steps of the wall clock. ``pause`` waits for some
    seconds. ``prefix`` is the path that this server's root hangs under. A single share with an
    empty name is the root itself; else `/` is a collection of the shares.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        state: State,
        clock: Callable[[], int],
        *,
        steady: Callable[[], float] | None = None,
        pause: Callable[[float], object] = PAUSE,
        limits: Limits = Limits(),
        prefix: Path = (),
    ) -> None:
        self.limits = limits
        self.prefix = prefix
        self.all: Mapping[str, Share] = MappingProxyType({share.name: share for share in shares})
        self.state = state
        self.written = Written()
        self.wake: Callable[[], object] = lambda: None
        self._clock = clock
        self._steady = steady
        self._pause = pause
        self._dated = 0
        self._dating = threading.Lock()
        self._given_up: set[int] = set()
        """The intents of this process that it could not end."""
        self.leftovers = Leftovers(shares, state, self._section, self.section, lambda: self.now)

    @property
    def now(self) -> float:
        """Seconds since the epoch, for locks."""
        return self._steady() if self._steady is not None else self._clock() / NANO

    def view(self) -> View:
        """What is there now."""
        return View(self.resolve, self.state.read(), self.now, self.prefix)

    def section(
        self,
        *writes: Place,
        reads: Sequence[Place] = (),
        tree: bool = False,
        claim: Intent | None = None,
        settle: Callable[[View], object] | None = None,
    ) -> AbstractContextManager[Section]:
        """The commit section, for a request that changes ``writes`` and looks at ``reads``; with
        ``tree`` all that is below them, too. ``claim`` is its own, if it has one; ``settle``
        refuses it, if it is to be refused, before it has to wait.

        What others have left unfinished is finished first, and a tree operation that is under way
        and in the way is waited for. Raises Fault 503 where that takes too long, Fault or OSError
        where the state cannot be written.
        """

        def access() -> Access:
            return Access(tuple(one.key for one in writes), tuple(one.key for one in reads), tree)

        def refuse() -> None:
            if settle is not None:
                settle(self.view())

        return self._admitted(access, claim, refuse)

    def _admitted(
        self,
        access: Callable[[], Access],
        claim: Intent | None,
        refuse: Callable[[], object] = lambda: None,
    ) -> Entrance:
        return Entrance(
            self.state,
            self._over,
            self._pause,
            lambda section: self._clear(section, access, claim),
            refuse,
        )

    def _section(self) -> Entrance:
        return Entrance(self.state, self._over, self._pause)

    def _over(self, writer: Writer) -> Section:
        return Section(self.resolve, self.find, writer, self.now, self.prefix, self.tick)

    def _clear(self, section: Section, access: Callable[[], Access], claim: Intent | None) -> bool:
        """Finish what nobody else will, and tell whether nothing is in the way."""
        own = claim.id if claim is not None else 0
        found = [intent for intent in section.writer.intents() if intent.id != own]
        if not found:
            return True
        wanted = access()
        orphans = [
            intent
            for intent in found
            if intent.id in self._given_up or section.writer.is_orphan(intent)
        ]
        # The youngest first: it may be a step of an older one.
        for intent in reversed(orphans):
            try:
                with section.writer.attempt():
                    is_finished = recovery.recover(section, intent)
                if intent.operation is not Operation.DISCARD:
                    counts.recovered(is_finished)
            except recovery.Elsewhere:
                continue
            except (OSError, Fault) as error:
                log.error("cannot finish %s of an earlier request: %r", intent.operation, error)
                if not claims.are_apart(wanted, intent):
                    raise
        if orphans:
            section.writer.commit()
            # What was held open may have another name now.
            section.names.sync()
            section.names.close()
        return all(claims.are_apart(wanted, intent) for intent in found if intent not in orphans)

    def upload(self, place: Place, mode: int = 0o666) -> AbstractContextManager[Upload]:
        """Begin the content of a file in the directory of a place. Where it needs a reserved name
        from the beginning, that is kept in mind until the end. Raises OSError or Fault.
        """
        return Uploading(place, mode, self.claim, self.release)

    def claim(self, intent: Intent, *, within: Intent | None = None) -> Intent:
        """Keep an intent that lasts beyond a section: others wait for it, unless it is ``within``
        one that has been claimed already. Raises Fault 503 where others are in its way too long.
        """
        access = Access() if within is not None else claims.access(intent)
        with self._admitted(lambda: access, None) as section:
            return section.writer.add_intent(intent)

    def release(self, claim: Intent) -> None:
        """End an intent that lasted. Where that fails, the next section does it."""
        try:
            with self._section() as section:
                recovery.recover(section, claim)
        except (OSError, Fault):
            self._given_up.add(claim.id)

    @contextmanager
    def staging(
        self,
        operation: Operation,
        source: Place,
        target: Place,
        *,
        within: Intent | None = None,
    ) -> Iterator[tuple[Intent, Place]]:
        """Claim a tree operation that builds what will be at ``target`` under a reserved name
        beside it. Gives the claim and that place. What is still there at the end is discarded.

        Raises OSError or Fault.
        """
        staged = names.beside(target)
        claim = self.claim(
            Intent(operation, source.key, target.key, staged.key, lasts=True), within=within
        )
        try:
            yield claim, staged
        finally:
            self._drop(claim, staged)
            self.wake()

    def _drop(self, claim: Intent, staged: Place) -> None:
        """Discard what was built, if it did not come to its place."""
        try:
            kept = self.state.read().intents()
        except (OSError, Fault):
            kept = (claim,)
        # Whose names have begun to change is finished by whoever comes next.
        if any(intent.id == claim.id and intent.lasts for intent in kept):
            self.leftovers.discard(staged)
            self.release(claim)

    def make_durable(self, *places: Place) -> None:
        """Let all that many sections have changed survive a loss of power. Raises Fault 500."""
        for place in places:
            if place.share.tree.durable:
                try:
                    with place.directory() as directory:
                        directory.sync_all()
                except OSError as error:
                    log.error("a change may last or not: %r", error)
                    raise faults.unsure() from error

    def recover(self) -> None:
        """See `Leftovers.recover`."""
        self.leftovers.recover()

    def tend(self) -> None:
        """See `Leftovers.tend`."""
        self.leftovers.tend()

    def hurry(self) -> None:
        """See `Leftovers.hurry`."""
        self.leftovers.hurry()

    def close(self) -> None:
        """See `Leftovers.close`."""
        self.leftovers.close()

    def is_fixed(self, share: Share) -> bool:
        """Whether nothing can be changed in a share."""
        return share.read_only or bool(self.state.damage)

    def are_readable(self) -> bool:
        """Whether the roots of all shares are still there, and can be listed."""
        try:
            for share in self.all.values():
                root = share.tree.look(())
                if root is None or not root.st_nlink:
                    return False
                directory = share.tree.directory((), reading=True)
                with directory, directory.scan() as entries:
                    next(entries, None)
        except OSError:
            return False
        return True

    def resolve(self, path: Path) -> Place | None:
        """The place of a path, or None above and beside the shares."""
        if "" in self.all:
            return Place(self.all[""], path)
        share = self.all.get(path[0]) if path else None
        return None if share is None else Place(share, path)

    def find(self, key: Path) -> Place | None:
        """The place of a path of the state, or None where no share holds it."""
        return holding(self.all.values(), key)

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
        _require_visible(place)
        return place

    def to_write(self, path: Path, *, creates: bool = False) -> Place:
        """The place of a path that is to be changed, or with ``creates`` to be made.

        Raises Fault 403 for a reserved name, in a read-only share and above the shares, 404 or 409
        where no share is.
        """
        place = self.resolve(path)
        if place is None:
            if self.is_above(path) or (creates and len(path) == 1):
                raise faults.above_shares()
            if creates:
                raise faults.no_parent(paths.href(path[:-1], True, self.prefix))
            raise faults.not_found()
        _require_visible(place)
        if self.state.damage:
            raise faults.damaged_state(self.state.damage)
        if place.share.read_only:
            raise faults.read_only()
        return place

    def tick(self) -> int:
        """A time for new content, later than any that was given before: nanoseconds."""
        with self._dating:
            self._dated = max(self._dated + 1, self._clock())
            return self._dated


def _require_visible(place: Place) -> None:
    if paths.reserved(place.local) or place.share.tree.hides(place.local):
        raise faults.reserved_name()

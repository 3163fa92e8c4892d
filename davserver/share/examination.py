"""Compares rows with trees, and finds what does not fit together. Nothing is changed by it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from davserver.protocol import paths
from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.protocol.resources import Stamp
from davserver.share.place import Place, Share, holding
from davserver.state import Intent, Reader
from davserver.tree import TRASH, features

LOOKS = 3
"""How often something must look wrong, where a server may be just about to be done with it."""


class Trouble(StrEnum):
    """What is wrong with something at a path of the state."""

    ORPHAN = "orphan"
    """It has rows, and is not there."""
    CHANGED = "changed"
    """Its rows are of another kind of resource than what is there."""
    MOVED = "moved"
    """Its rows are of what is now at another path, where there are none."""
    REPLACED = "replaced"
    """Its rows are of another resource of the same kind: that is an editor's save."""
    UNREADABLE = "unreadable"
    """It cannot be looked at."""
    LEFTOVER = "leftover"
    """It has a reserved name, and nobody needs it."""
    TRASH = "trash"
    """It was removed, and is still there."""
    STUCK = "stuck"
    """It should be removed, and cannot be."""
    UNFINISHED = "unfinished"
    """A server has ended in the middle of an operation on it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble at ``key``, a path of the state; ``to`` is another that it is about, ``why`` a
    word more for the operator.
    """

    trouble: Trouble
    key: Path
    to: Path = ()
    why: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether it should not be so."""
        return self.trouble is not Trouble.REPLACED


IsOrphan = Callable[[Intent], bool]


def examine(shares: Sequence[Share], reader: Reader, is_orphan: IsOrphan) -> list[Finding]:
    """All troubles of shares. What somebody works on is passed over, and so is what comes into
    order when others' unfinished operations are finished.
    """
    return _Examination(shares, reader, is_orphan).findings()


def lasting(look: Callable[[], list[Finding]], pause: Callable[[], object]) -> list[Finding]:
    """The troubles that every one of some looks finds: what a server is just about to be done with
    is none.
    """
    found = look()
    for _ in range(LOOKS - 1):
        if found:
            pause()
            again = set(look())
            found = [one for one in found if one in again]
    return found


def is_needed(key: Path, intents: Sequence[Intent]) -> bool:
    """Whether an operation that is under way is about a path, or about one above it."""
    return any(key[: len(one)] == one for intent in intents for one in _about(intent))


def mismatch(place: Place, stamp: Stamp) -> tuple[Trouble | None, Stamp | None]:
    """What is wrong with rows with a stamp at a place, and which resource is there now. Raises
    OSError.
    """
    if paths.reserved(place.local) or place.share.tree.hides(place.local):
        return Trouble.ORPHAN, None
    now = place.share.tree.stamp(place.local)
    if now is None:
        return Trouble.ORPHAN, None
    if stamp.kind not in (0, now.kind):
        return Trouble.CHANGED, now
    return (None if stamp == now else Trouble.REPLACED), now


class _Examination:
    def __init__(self, shares: Sequence[Share], reader: Reader, is_orphan: IsOrphan) -> None:
        self._shares = shares
        self._reader = reader
        self._intents = reader.intents()
        self._dead = [intent for intent in self._intents if is_orphan(intent)]
        self._found: list[Finding] = []
        self._lost: dict[Path, tuple[Trouble, Stamp]] = {}
        self._seen: dict[Stamp, list[Path]] = {}

    def findings(self) -> list[Finding]:
        for intent in self._dead:
            self._look_at_intent(intent)
        for share in self._shares:
            for key, stamp in self._reader.stamps(share.base).items():
                if not is_needed(key, self._intents):
                    self._look_at_row(share, key, stamp)
        wanted = {stamp.inode for _, stamp in self._lost.values() if stamp.inode and stamp.born}
        for share in self._shares:
            self._walk(share, wanted)
        self._settle_lost()
        return sorted(self._found, key=lambda one: (one.key, one.trouble))

    def _add(self, trouble: Trouble, key: Path, to: Path = (), why: str = "") -> None:
        self._found.append(Finding(trouble, key, to, why))

    def _look_at_intent(self, intent: Intent) -> None:
        key = intent.source or intent.target
        if holding(self._shares, key) is not None:
            self._add(Trouble.UNFINISHED, key, intent.target, intent.operation.value)

    def _look_at_row(self, share: Share, key: Path, stamp: Stamp) -> None:
        place = holding([share], key)
        assert place is not None, "the rows are those of the share"
        try:
            trouble, _ = mismatch(place, stamp)
        except OSError as error:
            self._add(Trouble.UNREADABLE, key, why=error.strerror or "")
            return
        if trouble is Trouble.REPLACED:
            self._add(trouble, key)
        elif trouble is not None:
            self._lost[key] = trouble, stamp

    def _settle_lost(self) -> None:
        """What was moved is found by its inode and the time of its birth, if it is there once."""
        taken: set[Path] = set()
        for key, (trouble, stamp) in sorted(self._lost.items()):
            there = self._seen.get(stamp, []) if stamp.inode and stamp.born else []
            if len(there) == 1 and there[0] not in taken and self._is_free(there[0]):
                taken.add(there[0])
                self._add(Trouble.MOVED, key, there[0])
            else:
                self._add(trouble, key)

    def _is_free(self, key: Path) -> bool:
        return not self._reader.has_rows(key, below=False)

    def _walk(self, share: Share, wanted: set[int]) -> None:
        pending: list[Path] = [()]
        while pending:
            path = pending.pop()
            try:
                pending += self._look_into(share, path, wanted)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._add(Trouble.UNREADABLE, share.base + path, why=error.strerror or "")

    def _look_into(self, share: Share, path: Path, wanted: set[int]) -> Iterator[Path]:
        below = []
        with share.tree.directory(path) as directory, directory.scan() as entries:
            for entry in entries:
                inside = (*path, entry.name)
                if share.tree.hides(inside):
                    continue
                if entry.name.startswith(RESERVED_PREFIX):
                    if not features.is_being_tried(directory, entry.name):
                        self._look_at_reserved(share, inside)
                    continue
                if wanted and entry.stat(follow_symlinks=False).st_ino in wanted:
                    stamp = directory.stamp(entry.name)
                    if stamp is not None:
                        self._seen.setdefault(stamp, []).append(share.base + inside)
                if entry.is_dir(follow_symlinks=False):
                    below.append(inside)
        return iter(below)

    def _look_at_reserved(self, share: Share, path: Path) -> None:
        if path == (TRASH,):
            for name in share.tree.in_trash(work=True) + share.tree.in_trash():
                inside = (*share.base, TRASH, name)
                if not is_needed(inside, self._intents):
                    self._add(Trouble.TRASH, inside)
        elif not is_needed(share.base + path, self._intents):
            self._add(Trouble.LEFTOVER, share.base + path)


def _about(intent: Intent) -> list[Path]:
    paths = (intent.source, intent.target, intent.staged, intent.aside, intent.displaced)
    return [path for path in paths if path]

"""What must be true after a request of which one step failed: it is derived from what was there
before, what is there now and what was answered, never from which step it was.

All trees are compared by paths relative to their roots. What a script let vanish may be anywhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from errno import EDQUOT, EEXIST, EIO, ELOOP, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EXDEV

from davserver.protocol import faults
from davserver.protocol.paths import Path, is_below, reserved
from tests.faults.ground import Reply, Thing, World
from tests.faults.scenarios import Scenario

RACES = (ENOENT, ENOTDIR, ELOOP, EXDEV, EEXIST, ENOTEMPTY)
"""Errors that tell of somebody else's doing: after them a resource may be missing (404), or be
another one than was seen before (409).
"""
DISCARDS = (ENOSPC, EDQUOT, EIO)
"""After these nothing of a COPY is kept."""


@dataclass(frozen=True)
class Outcome:
    """``number`` is the errno that was raised, 0 for none. ``vanished`` are paths. ``wanted`` is
    the world after the same request without a fault. ``clears`` says that the failing step was a
    part of removing what is no longer needed. ``lasts`` says that the fault did not pass: then
    not everything can be undone.
    """

    scenario: Scenario
    before: World
    after: World
    reply: Reply
    number: int = 0
    vanished: tuple[Path, ...] = ()
    clears: bool = False
    wanted: World | None = None
    lasts: bool = False

    @property
    def is_done(self) -> bool:
        if self.reply.status == 207:
            return self.scenario.kind == "ONE"
        return self.reply.status < 300

    @property
    def is_unsure(self) -> bool:
        """Whether the answer says that the storage failed when all was done but to make it last."""
        return self.reply.status == 500 and self.wanted == self.after

    def gone(self, *roots: Path) -> list[Path]:
        """What vanished, relative to any of the roots. What had a reserved name beside a root was
        on its way to or from there.
        """
        found = []
        for path in self.vanished:
            for root in roots:
                depth = len(root)
                beside = path[: depth - 1] == root[:-1] and reserved(path[depth - 1 : depth])
                if path[:depth] == root or beside:
                    found.append(path[depth:])
                elif is_below(root, path):
                    found.append(())
        return found

    def is_uncertain(self, path: Path) -> bool:
        """Whether somebody may have removed what has this path."""
        roots = [root for root in (self.scenario.source, self.scenario.target) if root]
        return _in(path, self.vanished) or any(
            path[: len(root)] == root and _in(path[len(root) :], self.gone(*roots))
            for root in roots
        )

    def tree(self, world: World, root: Path, *also: Path) -> dict[Path, Thing]:
        gone = self.gone(root, *also)
        return {path: thing for path, thing in world.below(root).items() if not _in(path, gone)}


def check(outcome: Outcome) -> None:
    """Raises AssertionError."""
    _statuses(outcome)
    if not outcome.clears:
        assert not outcome.after.leftovers, "something is left over"
    lost = [path for path in outcome.after.lost if not outcome.is_uncertain(path)]
    assert not lost, f"dead properties without a resource: {lost}"
    roots = [root for root in (outcome.scenario.source, outcome.scenario.target) if root]
    assert _others(outcome, outcome.before, roots) == _others(outcome, outcome.after, roots)
    if not outcome.is_unsure:
        _KINDS[outcome.scenario.kind](outcome)


def _in(path: Path, roots: Iterable[Path]) -> bool:
    return any(path[: len(root)] == root for root in roots)


def _others(outcome: Outcome, world: World, roots: list[Path]) -> dict[Path, Thing]:
    skipped = [*roots, *outcome.vanished]
    return {path: thing for path, thing in world.things.items() if not _in(path, skipped)}


def _statuses(outcome: Outcome) -> None:
    sound = {outcome.scenario.status, *outcome.scenario.failed.values()}
    told = {outcome.reply.status, *outcome.reply.failed.values()} - {207}
    if outcome.number:
        sound.add(faults.of_system(OSError(outcome.number, "")).status)
        # Names had been changed before the step that failed.
        sound.add(500)
    if outcome.number in RACES:
        sound |= {404, 409}
    if outcome.vanished:
        # What is met is another world: something may be new that was to be replaced.
        sound |= {200, 201, 204}
    assert told <= sound, f"{sorted(told)} is not in {sorted(sound)}"


def _failed(outcome: Outcome, *roots: Path) -> list[Path]:
    """The failed members relative to the roots they are in: never one within another."""
    found = {
        path[len(root) :]
        for path in outcome.reply.failed
        for root in roots
        if path[: len(root)] == root
    }
    assert len(found) == len(outcome.reply.failed), "the 207 names something else, or one twice"
    nested = [one for one in found if any(is_below(one, other) for other in found)]
    assert not nested, f"told of what follows from another failure: {nested}"
    for one in outcome.scenario.failed:
        local = one[len(outcome.scenario.source) :]
        told = _in(local, found) or outcome.is_uncertain(one)
        assert told or outcome.scenario.target in outcome.reply.failed, "a lock is not told of"
    return sorted(found)


def _delete(outcome: Outcome) -> None:
    root = outcome.scenario.source
    old, new = outcome.tree(outcome.before, root), outcome.tree(outcome.after, root)
    assert new.items() <= old.items(), "something else is there now"
    if outcome.reply.status == 207:
        failed = _failed(outcome, root)
        assert set(failed) & set(old) <= set(new), "a failed member is gone"
        _only_stuck(new, failed)
    elif outcome.reply.status == 204:
        assert not new, "not everything is gone"
    else:
        assert new == old or set(new) == {()}, "refused, but something is gone"
    _locks(outcome, lambda path: path in outcome.after.things)


def _only_stuck(new: Iterable[Path], failed: list[Path]) -> None:
    """What stayed is a failed member, in one, or above one."""
    for path in new:
        assert any(path[: len(one)] == one or one[: len(path)] == path for one in failed), (
            f"{path} is there still, and not told of"
        )


def _copy(outcome: Outcome) -> None:
    source, target = outcome.scenario.source, outcome.scenario.target
    wanted = outcome.tree(outcome.before, source, target)
    assert wanted == outcome.tree(outcome.after, source, target), "the source has changed"
    if not outcome.scenario.deep:
        wanted = {path: thing for path, thing in wanted.items() if not path}
    old = outcome.tree(outcome.before, target, source)
    new = outcome.tree(outcome.after, target, source)
    replaced = True
    if outcome.reply.status == 207:
        assert outcome.number not in DISCARDS, "a copy was kept"
        if all(path[: len(target)] == target for path in outcome.reply.failed):
            replaced = False
        else:
            failed = _failed(outcome, source)
            wanted = {path: thing for path, thing in wanted.items() if not _in(path, failed)}
    elif not outcome.is_done:
        replaced = False
    assert new == (wanted if replaced else old), "not the old tree whole, nor the new one"
    _locks(outcome, lambda path: not (replaced and is_below(path, target)))


def _move(outcome: Outcome) -> None:
    source, target = outcome.scenario.source, outcome.scenario.target
    whole = outcome.tree(outcome.before, source, target)
    old = outcome.tree(outcome.before, target, source)
    left = outcome.tree(outcome.after, source, target)
    new = outcome.tree(outcome.after, target, source)
    is_untouched = left == whole and new == old
    if outcome.is_done:
        assert not left, "not everything has left"
        assert new == whole, "not everything has arrived"
    elif outcome.reply.status == 207:
        failed = _failed(outcome, source, target)
        if not is_untouched:
            assert not old or outcome.lasts or outcome.vanished, "two half trees"
            unsure = {
                path[len(source) :]
                for path, status in outcome.reply.failed.items()
                if status == 500
            }
            _partly_moved(whole, left, new, failed, unsure)
    else:
        is_root_left = set(left) == {()} and whole[()].content is None and new == whole
        assert is_untouched or is_root_left, "refused, but something has changed"
    _locks(
        outcome,
        lambda path: (
            path in outcome.after.things
            if path[: len(source)] == source
            else is_untouched or not is_below(path, target)
        ),
    )


def _partly_moved(
    whole: Mapping[Path, Thing],
    left: Mapping[Path, Thing],
    new: Mapping[Path, Thing],
    failed: list[Path],
    unsure: set[Path],
) -> None:
    """``unsure`` are those of ``failed`` of which the answer says no more than that."""
    assert left.items() <= whole.items(), "the source holds something else"
    assert new.items() <= whole.items(), "the destination holds something else"
    assert (set(failed) - unsure) & set(whole) <= set(left), "a failed member is not where it was"
    _only_stuck(left, failed)
    for path, thing in whole.items():
        assert path in left or path in new, f"{path} is lost"
        if thing.content is not None:
            assert not (path in left and path in new), f"{path} is in both places"


def _one(outcome: Outcome) -> None:
    """The old state or the new one, whole; a 4xx leaves the old one."""
    assert outcome.wanted is not None
    new = _state(outcome, outcome.wanted)
    old = _state(outcome, outcome.before)
    allowed = [new] if outcome.is_done else [old]
    if outcome.reply.status >= 500:
        allowed.append(new)
    assert _state(outcome, outcome.after) in allowed, "neither the old state nor the new one"


def _state(outcome: Outcome, world: World) -> tuple[dict[Path, Thing], list[Path]]:
    roots = [path for path in world.locks.values() if not _in(path, outcome.vanished)]
    return _others(outcome, world, []), sorted(roots)


def _locks(outcome: Outcome, stays: Callable[[Path], bool]) -> None:
    """Which locks there are still; those of what vanished are anyone's guess."""
    before, after = (
        {token: path for token, path in locks.items() if not outcome.is_uncertain(path)}
        for locks in (outcome.before.locks, outcome.after.locks)
    )
    assert after == {token: path for token, path in before.items() if stays(path)}, "locks"


_KINDS: dict[str, Callable[[Outcome], None]] = {
    "DELETE": _delete,
    "COPY": _copy,
    "MOVE": _move,
    "ONE": _one,
}

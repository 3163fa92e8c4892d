"""MOVE: one rename where that can be (RFC 4918 section 9.9).

To another file system a copy is built first, and takes its place in the moment in which the source
goes. Where neither can be, because of a lock of someone else or a member that cannot be read, a
walk moves what can be moved; it never replaces anything.
"""

import errno
import logging
from contextlib import suppress
from http import HTTPStatus

from davserver.methods import building, outcome, transfer
from davserver.methods.outcome import FINAL, Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, plan, resources
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event, Step
from davserver.protocol.resources import Stamp
from davserver.share import Place, Section
from davserver.shares import Shares
from davserver.state import Intent, Operation

log = logging.getLogger("davserver.storage")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that are the destination's: its href stands in the 207."""


def run(request: Request, shares: Shares) -> Answer:
    headers.depth(request.headers, Depth.INFINITY, frozenset({Depth.INFINITY}))
    asked = transfer.read(request, shares, moves=True)

    settled = transfer.settle(shares.view(), asked)

    failures = list(settled.blocked)
    if not failures:
        settled, failures = _move(shares, asked, settled)
        shares.wake()

    done = HTTPStatus.CREATED if settled.replaced is None else HTTPStatus.NO_CONTENT
    return outcome.tell("MOVE", done, asked.paths, failures, shares.view().href)


def _move(shares: Shares, asked: Transfer, settled: Settled) -> tuple[Settled, list[Failure]]:
    """By the first of the three ways that can be gone. Gives what could not be moved."""
    source = asked.source
    try:
        settled = _rename(shares, asked, settled)
        return settled, list(settled.blocked)
    except OSError as error:
        if error.errno in FINAL or (error.errno != errno.EXDEV and not settled.is_collection):
            raise
    is_split = settled.is_collection and bool(
        shares.view().obstacles_below(asked.guard, source)
        or source.share.tree.has_mount_below(source.local)
    )
    failures: list[Failure] = []
    if not is_split:
        try:
            settled, failures = shares.leftovers.with_room(lambda: _carry(shares, asked))
        except OSError as error:
            if error.errno not in FULL:
                raise
            failures = [_failure(asked.target, error)]
        if not failures or settled.replaced is not None:
            return settled, failures
    elif settled.replaced is not None:
        return settled, [Failure(source.path, faults.another_file_system())]
    if not settled.is_collection:
        return settled, failures
    return _walk(shares, asked)


def _rename(shares: Shares, asked: Transfer, settled: Settled) -> Settled:
    """Raises OSError EXDEV where one rename cannot or must not do it."""
    source = asked.source
    has_tree = settled.has_tree
    with shares.section(source, asked.target, tree=has_tree) as section:
        settled = transfer.settle(section, asked)
        if settled.has_tree and not has_tree:
            raise faults.changed_meanwhile()
        if settled.blocked:
            return settled
        if settled.facts.st_dev != settled.target_device or (
            settled.is_collection
            and (
                section.obstacles_below(asked.guard, source)
                or source.share.tree.has_mount_below(source.local)
            )
        ):
            raise OSError(errno.EXDEV, "not within one rename")
        section.move(source, asked.target, settled.facts, settled.replaced)
    return settled


def _carry(shares: Shares, asked: Transfer) -> tuple[Settled, list[Failure]]:
    """Move to another file system, whole or not at all. Gives what has kept it from that."""
    source, target = asked.source, asked.target
    with shares.staging(Operation.CARRY, source, target) as (claim, staged):
        settled = transfer.settle(shares.view(), asked)
        before = settled.facts
        try:
            failures = building.build(shares, source, staged, deep=True, exact=True)
        except OSError as error:
            if error.errno in FULL:
                raise
            failures = [_failure(source, error)]
        if failures:
            return settled, failures
        with shares.section(source, target, tree=True, claim=claim) as section:
            settled = transfer.settle(section, asked)
            if settled.blocked:
                return settled, list(settled.blocked)
            if not settled.is_collection and not resources.is_unchanged(before, settled.facts):
                raise faults.changed_meanwhile()
            in_the_way = section.obstacles_below(asked.guard, source)
            if in_the_way:
                return settled, [Failure(lock.root, section.locked([lock])) for lock in in_the_way]
            section.carry(claim, staged, target, source)
    return settled, []


def _walk(shares: Shares, asked: Transfer) -> tuple[Settled, list[Failure]]:
    source, target = asked.source, asked.target
    claim = shares.claim(Intent(Operation.WALK, source.key, target.key, lasts=True))
    try:
        found = _Walking(shares, asked, claim).run()
        shares.make_durable(target, source)
        return found
    finally:
        shares.release(claim)


def _failure(place: Place, error: OSError | Fault) -> Failure:
    fault = error if isinstance(error, Fault) else faults.of_system(error)
    return Failure(place.path, fault)


class _Walking:
    """The walk that moves a tree member by member: what cannot be moved stays, with everything
    above it, and the collections above it are then on both sides.

    Each member moves in a commit section of its own, in which its locks, and those of the place
    that it goes to, are read anew.
    """

    def __init__(self, shares: Shares, asked: Transfer, claim: Intent) -> None:
        self._shares = shares
        self._asked = asked
        self._claim = claim
        self._guard = asked.guard
        self._source = asked.source
        self._target = asked.target
        self._failures: list[Failure] = []
        self._times: dict[Path, int] = {}

    def run(self) -> tuple[Settled, list[Failure]]:
        """Gives what was met, and the members that could not be moved. Raises Fault or OSError
        where nothing was done.
        """
        with self._shares.section(tree=True, claim=self._claim) as section:
            settled = transfer.settle(section, self._asked)
            if settled.blocked:
                return settled, list(settled.blocked)
            if settled.replaced is not None:
                raise faults.changed_meanwhile()
        walk = plan.Walk(self._source.path, collection=True)
        while walk.step is not None:
            walk.answer(self._do(walk.step))
        return settled, self._failures

    def _do(self, step: Step) -> plan.Members | bool:
        place = Place(self._source.share, step.path)
        path = (*self._target.path, *step.path[len(self._source.path) :])
        target = Place(self._target.share, path)
        try:
            if step.event is Event.ENTER:
                return self._enter(place, target)
            if not step.whole:
                return False
            if step.event is Event.LEAF:
                self._shares.leftovers.with_room(lambda: self._move(place, target))
            else:
                self._leave(place, target)
            return True
        except (Fault, OSError) as error:
            if step.path != self._source.path and _is_gone(place, error):
                return True
            full = isinstance(error, OSError) and error.errno in FULL
            return self._failed(target if full else place, error)

    def _check(self, section: Section, place: Place, target: Place) -> None:
        """Raises Fault 423 where a lock is in the way of one member's move."""
        section.unlocked(self._guard, place, member=True)
        section.unlocked(self._guard, target, member=True)

    def _enter(self, place: Place, target: Place) -> plan.Members | bool:
        with place.share.tree.directory(place.local) as directory:
            members = directory.kinds()
            facts = directory.facts()
        self._times[place.path] = facts.st_mtime_ns
        # Nobody gets to see more of its members while they arrive; `_leave` does the rest.
        mode = facts.st_mode & 0o777 | 0o700
        made = None
        try:
            with self._shares.section(claim=self._claim) as section:
                self._check(section, place, target)
                section.make_collection(target, mode, place)
                made = section.names.stamp(target)
                section.names.postpone()
        except OSError as error:
            return self._failed(target, error)
        except Fault as fault:
            cause = fault.__cause__
            if fault.status == HTTPStatus.INTERNAL_SERVER_ERROR and self._take_back(target, made):
                return self._failed(target, cause if isinstance(cause, OSError) else fault)
            raise
        return members

    def _take_back(self, target: Place, made: Stamp | None) -> bool:
        """Remove a collection that came to its place although it could not be kept. Gives whether
        all is as it was.
        """
        try:
            with self._shares.section(claim=self._claim) as section:
                section.unlocked(self._guard, target, member=True)
                there = section.names.stamp(target)
                # It may have come while its rows were put in order, before anybody knew its stamp.
                if there is not None and (made is None or made == there):
                    section.remove_collection(target)
        except (OSError, Fault):
            return False
        return True

    def _leave(self, place: Place, target: Place) -> None:
        with self._shares.section(claim=self._claim) as section:
            self._check(section, place, target)
            with (
                place.share.tree.directory(place.local) as old,
                target.share.tree.directory(target.local) as new,
            ):
                new.resemble(old, self._times.pop(place.path))
            section.remove_collection(place)
            section.names.postpone()

    def _move(self, place: Place, target: Place) -> None:
        """Raises Fault 403, 409 or 423, or OSError, with everything as it was."""
        try:
            with self._shares.section(claim=self._claim) as section:
                self._check(section, place, target)
                facts = section.names.at(place).stat(place.name)
                section.move(place, target, facts, target.share.tree.find(target.local))
                section.names.postpone()
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._carry(place, target)

    def _carry(self, place: Place, target: Place) -> None:
        """Move a file or link to another file system."""
        with self._shares.staging(Operation.CARRY, place, target, within=self._claim) as (
            claim,
            staged,
        ):
            with place.directory() as directory:
                before = directory.stat(place.name)
            failures = building.build(self._shares, place, staged, deep=True, exact=True)
            for failure in failures:
                raise failure.fault
            with self._shares.section(claim=claim) as section:
                self._check(section, place, target)
                if not resources.is_unchanged(before, place.share.tree.find(place.local)):
                    raise faults.changed_meanwhile()
                section.carry(claim, staged, target, place)

    def _failed(self, place: Place, error: OSError | Fault) -> bool:
        if all(failure.path != place.path for failure in self._failures):
            self._failures.append(_failure(place, error))
        return False


def _is_gone(place: Place, error: OSError | Fault) -> bool:
    """Whether a member could not be moved because somebody else was faster."""
    if isinstance(error, FileNotFoundError):
        with suppress(OSError):
            return place.share.tree.find(place.local) is None
    return False

"""MOVE: one rename where that can be, else a walk that moves what can be moved (RFC 4918
section 9.9).
"""

import errno
import logging
from contextlib import suppress
from http import HTTPStatus

from davserver.methods import outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, paths, plan, resources
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Depth
from davserver.protocol.locks import Lock
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event, Step
from davserver.share import Place, Section
from davserver.shares import Shares
from davserver.tree import own_name

log = logging.getLogger("davserver.storage")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that are the destination's: its href stands in the 207."""


def run(request: Request, shares: Shares) -> Answer:
    headers.depth(request.headers, Depth.INFINITY, frozenset({Depth.INFINITY}))
    asked = transfer.read(request, shares, moves=True)

    settled = transfer.settle(shares.view(), asked)

    failures = list(settled.blocked)
    if not failures:
        try:
            settled, leftover = _rename(shares, asked)
        except OSError as error:
            if not settled.is_collection and error.errno != errno.EXDEV:
                raise
            settled, failures = _Moving(shares, asked).run()
        else:
            failures = list(settled.blocked)
            transfer.discard(asked.source, leftover)

    done = HTTPStatus.CREATED if settled.replaced is None else HTTPStatus.NO_CONTENT
    return outcome.tell("MOVE", done, asked.paths, failures, shares.view().href)


def _rename(shares: Shares, asked: Transfer) -> tuple[Settled, str | None]:
    """Raises OSError EXDEV where one rename cannot or must not do it."""
    source = asked.source
    with shares.section() as section:
        settled = transfer.settle(section, asked)
        if settled.blocked:
            return settled, None
        if settled.facts.st_dev != settled.target_device or (
            settled.is_collection
            and (
                section.obstacles_below(asked.guard, source)
                or source.share.tree.has_mount_below(source.local)
            )
        ):
            raise OSError(errno.EXDEV, "not within one rename")
        return settled, section.move(source, asked.target, settled.facts, settled.replaced)


class _Moving:
    """The walk that moves a tree member by member: what cannot be moved stays, with everything
    above it, and the collections above it are then on both sides.

    Each member moves in a commit section of its own, in which its locks, and those of the place
    that it goes to, are read anew.
    """

    def __init__(self, shares: Shares, asked: Transfer) -> None:
        self._shares = shares
        self._asked = asked
        self._guard = asked.guard
        self._source = asked.source
        self._target = asked.target
        self._failures: list[Failure] = []
        self._times: dict[Path, int] = {}
        self._may_undo = False
        self._done: list[tuple[Event, Place, Place]] = []
        self._locks: tuple[Lock, ...] = ()

    def run(self) -> tuple[Settled, list[Failure]]:
        """Gives what was met, and the members that could not be moved. Raises Fault or OSError
        where nothing was done.
        """
        with self._shares.section() as section:
            settled = transfer.settle(section, self._asked)
            if settled.blocked:
                return settled, list(settled.blocked)
            aside = self._put_aside(section, settled)
            self._may_undo = aside is not None
            for place in (self._source, self._target):
                self._locks += section.reader.locks(place.key, section.now, below=True)
        if not settled.is_collection:
            self._carry(self._source, self._target, settled)
            return settled, []
        walk = plan.Walk(self._source.path, collection=True)
        while walk.step is not None:
            walk.answer(self._do(walk.step))
        if aside is not None:
            self._settle_aside(aside)
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
                self._move(place, target)
            else:
                self._leave(place, target)
            self._remember(step.event, place, target)
            return True
        except (Fault, OSError) as error:
            if step.path != self._source.path and _is_gone(place, error):
                return True
            full = isinstance(error, OSError) and error.errno in FULL
            return self._failed(target.path if full else place.path, error)

    def _check(self, section: Section, place: Place, target: Place) -> None:
        """Raises Fault 423 where a lock is in the way of one member's move."""
        section.unlocked(self._guard, place, member=True)
        section.unlocked(self._guard, target, member=True)

    def _enter(self, place: Place, target: Place) -> plan.Members | bool:
        with place.share.tree.directory(place.local) as directory:
            members = directory.kinds()
            facts = directory.facts()
        self._times[place.path] = facts.st_mtime_ns
        with self._shares.section() as section:
            self._check(section, place, target)
            try:
                # Nobody gets to see more of its members while they arrive; `_leave` does the rest.
                section.make_collection(target, facts.st_mode & 0o777 | 0o700)
            except OSError as error:
                return self._failed(target.path, error)
            section.writer.copy_properties(place.key, target.key)
        self._remember(Event.ENTER, place, target)
        return members

    def _leave(self, place: Place, target: Place) -> None:
        with self._shares.section() as section:
            self._check(section, place, target)
            with (
                place.share.tree.directory(place.local) as old,
                target.share.tree.directory(target.local) as new,
            ):
                new.resemble(old, self._times.pop(place.path))
            with place.directory() as directory:
                directory.remove_directory(place.name)
            section.forget(place)

    def _move(self, place: Place, target: Place, *, checks: bool = True) -> None:
        """Raises Fault 403, 409 or 423, or OSError, with everything as it was."""
        try:
            with self._shares.section() as section:
                if checks:
                    self._check(section, place, target)
                with place.directory() as directory:
                    facts = directory.stat(place.name)
                section.move(place, target, facts, target.share.tree.find(target.local))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._carry(place, target, None, checks=checks)

    def _carry(
        self, place: Place, target: Place, settled: Settled | None, *, checks: bool = True
    ) -> None:
        """Move a file or link to another file system: copy, publish, remove the source.

        ``settled`` says that it is the request's own resource, which is settled anew.
        """
        staged = own_name()
        try:
            with place.directory() as old, target.directory() as new:
                facts = old.stat(place.name)
                if resources.is_link(facts):
                    new.link(old, place.name, staged)
                elif resources.is_file(facts):
                    with old.open(place.name) as opened:
                        facts = opened.facts
                        new.carry(opened, staged)
                else:
                    raise faults.hidden_name()
            with self._shares.section() as section:
                if settled is None:
                    if checks:
                        self._check(section, place, target)
                elif transfer.settle(section, self._asked).blocked:
                    raise faults.changed_meanwhile()
                if not resources.is_same(facts, place.share.tree.find(place.local)):
                    raise faults.changed_meanwhile()
                section.carry(place, target, staged)
        finally:
            # What was replaced, or a copy that came to nothing.
            transfer.discard(target, staged)

    def _put_aside(self, section: Section, settled: Settled) -> Place | None:
        """Rename what is to be replaced out of the way of a walk."""
        if settled.replaced is None or not settled.is_collection:
            return None
        aside = Place(self._target.share, (*self._target.path[:-1], own_name()))
        section.rename_aside(self._target, aside)
        return aside

    def _settle_aside(self, aside: Place) -> None:
        """Discard what was replaced; or, where a member could not be moved, undo the walk and put
        it back: nobody shall find two half trees.
        """
        if self._failures and self._put_back(aside):
            return
        try:
            with self._shares.section() as section:
                section.forget_replaced(aside)
                section.writer.remove_locks(self._target.key, at=False)
        except (Fault, OSError) as error:
            log.error("properties left over %s: %r", paths.href(aside.path, True), error)
        transfer.discard(aside, aside.name)

    def _put_back(self, aside: Place) -> bool:
        """Whether all could be undone. It cannot where somebody else has changed things too."""
        try:
            for event, place, target in reversed(self._done):
                with suppress(FileNotFoundError):
                    self._undo(event, place, target)
            with self._shares.section() as section:
                section.restore_locks(self._locks)
                section.rename_aside(aside, self._target)
        except (Fault, OSError) as error:
            log.error("could not undo %s: %r", paths.href(self._source.path, True), error)
            return False
        return True

    def _undo(self, event: Event, place: Place, target: Place) -> None:
        """Take one step of the walk back. Raises Fault or OSError."""
        if event is Event.LEAF:
            self._move(target, place, checks=False)
            return
        with self._shares.section() as section:
            if event is Event.ENTER:
                with target.directory() as directory:
                    directory.remove_directory(target.name)
                section.writer.remove_properties(target.key)
                return
            section.make_collection(place)
            section.writer.copy_properties(target.key, place.key)
            with (
                target.share.tree.directory(target.local) as there,
                place.share.tree.directory(place.local) as here,
            ):
                here.resemble(there, there.facts().st_mtime_ns)

    def _remember(self, event: Event, place: Place, target: Place) -> None:
        if self._may_undo:
            self._done.append((event, place, target))

    def _failed(self, path: Path, error: OSError | Fault) -> bool:
        fault = error if isinstance(error, Fault) else faults.of_system(error)
        if all(failure.path != path for failure in self._failures):
            self._failures.append(Failure(path, fault))
        return False


def _is_gone(place: Place, error: OSError | Fault) -> bool:
    """Whether a member could not be moved because somebody else was faster."""
    if isinstance(error, FileNotFoundError):
        with suppress(OSError):
            return place.share.tree.find(place.local) is None
    return False

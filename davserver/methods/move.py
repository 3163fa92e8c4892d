"""MOVE: one rename where that can be, else a walk that moves what can be moved (RFC 4918
section 9.9).
"""

import errno
from http import HTTPStatus

from davserver.methods import outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, plan, resources
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event, Step
from davserver.share import Place, Section
from davserver.shares import Shares
from davserver.tree import Cursor, own_name

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
            failures = _Moving(shares, asked, settled).run()
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
    """

    def __init__(self, shares: Shares, asked: Transfer, settled: Settled) -> None:
        self._shares = shares
        self._guard = asked.guard
        self._source = asked.source
        self._target = asked.target
        self._settled = settled
        self._failures: list[Failure] = []

    def run(self) -> list[Failure]:
        """Gives the members that could not be moved."""
        try:
            aside = self._put_aside()
        except (Fault, OSError) as error:
            return [Failure(self._source.path, _fault(error))]
        walk = plan.Walk(self._source.path, collection=self._settled.is_collection)
        with Cursor(self._source.share.tree) as cursor:
            while walk.step is not None:
                walk.answer(self._do(walk.step, cursor))
        if aside is not None:
            self._settle_aside(aside)
        return self._failures

    def _do(self, step: Step, cursor: Cursor) -> plan.Members | bool:
        place = Place(self._source.share, step.path)
        path = (*self._target.path, *step.path[len(self._source.path) :])
        target = Place(self._target.share, path)
        try:
            if step.event is Event.ENTER:
                return self._enter(place, target, cursor)
            if step.event is Event.LEAF:
                self._move(place, target)
            elif step.whole:
                self._leave(place)
            return step.whole
        except FileNotFoundError as error:
            if step.path != self._source.path:
                return True
            return self._failed(place.path, error)
        except (Fault, OSError) as error:
            full = isinstance(error, OSError) and error.errno in FULL
            return self._failed(target.path if full else place.path, error)

    def _enter(self, place: Place, target: Place, cursor: Cursor) -> plan.Members | bool:
        members = cursor.at(place.local).kinds()
        with self._shares.section() as section:
            section.unlocked(self._guard, place, member=True)
            try:
                section.make_collection(target)
            except OSError as error:
                return self._failed(target.path, error)
            section.copy_properties(place, target, deep=False)
        return members

    def _leave(self, place: Place) -> None:
        with self._shares.section() as section:
            section.unlocked(self._guard, place, member=True)
            with place.directory() as directory:
                directory.remove_directory(place.name)
            section.forget(place)

    def _move(self, place: Place, target: Place) -> None:
        """Raises Fault 403 or 423, or OSError, with everything as it was."""
        try:
            with self._shares.section() as section:
                section.unlocked(self._guard, place, member=True)
                with place.directory() as directory:
                    facts = directory.stat(place.name)
                section.move(place, target, facts, target.share.tree.find(target.local))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._carry(place, target)

    def _carry(self, place: Place, target: Place) -> None:
        """Move a file or link to another file system: copy, publish, remove the source."""
        with place.directory() as old, target.directory() as new:
            facts = old.stat(place.name)
            staged = own_name()
            try:
                if resources.is_link(facts):
                    new.link(old, place.name, staged)
                elif resources.is_file(facts):
                    with old.open(place.name) as opened:
                        # A MOVE keeps the time and the permissions.
                        new.copy(opened, staged, facts.st_mode & 0o7777, facts.st_mtime_ns)
                else:
                    raise faults.hidden_name()
                with self._shares.section() as section:
                    section.unlocked(self._guard, place, member=True)
                    self._exchange(section, place, target, staged)
            finally:
                new.discard_file(staged)

    def _exchange(self, section: Section, place: Place, target: Place, staged: str) -> None:
        replaced = target.share.tree.find(target.local)
        section.forget_replaced(target)
        section.writer.move_properties(place.key, target.key)
        section.writer.remove_locks(place.key)
        with place.directory() as old, target.directory() as new:
            if replaced is None:
                new.rename(staged, new, target.name)
            else:
                new.exchange(staged, new, target.name)
            try:
                old.remove_file(place.name)
            except OSError:
                if replaced is None:
                    new.remove_file(target.name)
                else:
                    new.exchange(staged, new, target.name)
                raise

    def _put_aside(self) -> Place | None:
        """Rename what is to be replaced out of the way of a walk."""
        if self._settled.replaced is None or not self._settled.is_collection:
            return None
        aside = Place(self._target.share, (*self._target.path[:-1], own_name()))
        with self._shares.section() as section, self._target.directory() as directory:
            section.writer.move_properties(self._target.key, aside.key)
            directory.rename(self._target.name, directory, aside.name)
        return aside

    def _settle_aside(self, aside: Place) -> None:
        """Put it back where nothing has taken its place, else discard it."""
        with self._shares.section() as section:
            if self._target.share.tree.find(self._target.local) is None:
                with aside.directory() as directory:
                    section.writer.move_properties(aside.key, self._target.key)
                    directory.rename(aside.name, directory, self._target.name)
                return
            section.writer.remove_properties(aside.key)
            section.writer.remove_locks(self._target.key, at=False)
        transfer.discard(aside, aside.name)

    def _failed(self, path: Path, error: OSError | Fault) -> bool:
        self._failures.append(Failure(path, _fault(error)))
        return False


def _fault(error: OSError | Fault) -> Fault:
    return error if isinstance(error, Fault) else faults.of_system(error)

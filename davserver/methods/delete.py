"""DELETE: a resource and everything below it (RFC 4918 section 9.6).

A collection goes by one rename into the trash. Where that cannot be, because of somebody's lock or
another file system below, a walk removes what can be removed.
"""

import itertools
from collections.abc import Callable
from http import HTTPStatus

from davserver.methods import outcome
from davserver.methods.outcome import FINAL, Failure
from davserver.protocol import conditions, faults, headers, plan, resources
from davserver.protocol.conditions import Guard
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.protocol.plan import Event, Step
from davserver.protocol.resources import Stat
from davserver.share import Place, Section, View
from davserver.shares import Shares
from davserver.state import Intent, Operation
from davserver.tree import Cursor

BATCH = 64
"""Steps of a walk in one commit section: few enough that nobody waits long for it."""


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    target = request.target
    depth = headers.depth(request.headers, Depth.INFINITY)
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    place = shares.to_write(target.path)

    seen = place.share.tree.find(place.local)
    is_collection = seen is not None and resources.is_collection(seen)

    def settle(view: View) -> Stat:
        subject = view.subject(place, target)
        facts = plan.removal(subject)
        if subject.is_collection and depth is not Depth.INFINITY:
            raise faults.bad_header("Depth", "infinity for a collection")
        view.require(guard, subject.mapped)
        view.unlocked(guard, place, member=True)
        if resources.is_collection(facts) != is_collection:
            raise faults.changed_meanwhile()
        return facts

    failures: list[Failure] = []
    if not is_collection:
        with shares.section(place, settle=settle) as section:
            settle(section)
            section.remove(place)
    elif _rename(shares, guard, place, settle):
        shares.wake()
    else:
        failures = _walk(shares, guard, place, settle)

    return outcome.tell("DELETE", HTTPStatus.NO_CONTENT, [place.path], failures, shares.view().href)


def _rename(shares: Shares, guard: Guard, place: Place, settle: Callable[[View], Stat]) -> bool:
    """Whether the whole could be removed at once."""
    tree = place.share.tree
    try:
        with shares.section(place, tree=True, settle=settle) as section:
            settle(section)
            if (
                section.obstacles_below(guard, place)
                or tree.has_hidden_below(place.local)
                or tree.has_mount_below(place.local)
            ):
                return False
            section.remove_tree(place)
    except OSError as error:
        if error.errno in FINAL:
            raise
        return False
    return True


def _walk(
    shares: Shares, guard: Guard, place: Place, settle: Callable[[View], Stat]
) -> list[Failure]:
    """Remove member by member. Gives those that could not be removed."""
    claim = shares.claim(Intent(Operation.WALK, place.key, lasts=True))
    try:
        with Cursor(place.share.tree.directory) as cursor:
            failures = _Removal(shares, guard, place, cursor, settle, claim).run()
        shares.make_durable(place)
        return failures
    finally:
        shares.release(claim)


class _Removal:
    """The walk that removes a tree: what can be removed is, every ancestor of the rest stays."""

    def __init__(
        self,
        shares: Shares,
        guard: Guard,
        place: Place,
        cursor: Cursor,
        settle: Callable[[View], Stat],
        claim: Intent,
    ) -> None:
        self._shares = shares
        self._guard = guard
        self._place = place
        self._cursor = cursor
        self._settle = settle
        self._claim = claim
        self._failures: list[Failure] = []
        self._mounts = place.share.tree.mounts_below(place.local)

    def run(self) -> list[Failure]:
        """Gives the members that could not be removed."""
        walk = plan.Walk(self._place.path, collection=True)
        begun = False
        while walk.step is not None:
            try:
                with self._shares.section(self._place, tree=True, claim=self._claim) as section:
                    if not begun:
                        self._settle(section)
                        begun = True
                    # Opened and read anew in each section: others move and lock meanwhile.
                    self._cursor.close()
                    is_locked = bool(section.locks(self._place, below=True))
                    has_rows = section.writer.has_rows(self._place.key)
                    if has_rows:
                        section.writer.begin()
                    for step in itertools.islice(iter(lambda: walk.step, None), BATCH):
                        walk.answer(self._do(step, section, is_locked, has_rows))
                    if has_rows:
                        self._sync()
            except Fault as fault:
                if not begun:
                    raise
                return [Failure(self._place.path, fault)]
            except OSError as error:
                return [Failure(self._place.path, faults.of_system(error))]
        return self._failures

    def _sync(self) -> None:
        """No row is forgotten before its file is gone for good."""
        self._shares.make_durable(self._place)

    def _do(
        self, step: Step, section: Section, is_locked: bool, has_rows: bool
    ) -> plan.Members | bool:
        if step.event is Event.LEAVE and not step.whole:
            return False
        place = Place(self._place.share, step.path)
        try:
            if is_locked:
                # Of a collection again when it is left: its members were gone in earlier sections.
                section.unlocked(self._guard, place, member=True)
            if step.event is Event.ENTER:
                return self._enter(place)
            directory = self._cursor.at(place.local[:-1])
            if step.event is Event.LEAVE:
                directory.remove_directory(place.name)
            else:
                directory.remove_file(place.name)
        except FileNotFoundError:
            # Somebody else was faster: what was asked for is true.
            return True
        except Fault as fault:
            self._failures.append(Failure(step.path, fault))
            return False
        except OSError as error:
            self._failures.append(Failure(step.path, faults.of_system(error)))
            return False
        if has_rows:
            section.forget(place)
        return True

    def _enter(self, place: Place) -> plan.Members:
        """The members of a collection that can be entered. Raises Fault 403 or OSError."""
        if place.share.tree.hides(place.local):
            raise faults.reserved_name()
        if place.local in self._mounts:
            raise faults.another_file_system()
        return self._cursor.at(place.local).kinds()

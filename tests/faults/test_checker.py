"""The checker sees every kind of violation, and none where there is none."""

from dataclasses import replace

import pytest

from tests.faults import bodies, checker
from tests.faults.client import Client
from tests.faults.connection import Asked
from tests.faults.findings import (
    HALF_DONE,
    LEFTOVERS,
    LOST,
    LOST_LOCKS,
    ORPHAN_ROWS,
    TORN,
    WRONG,
    Findings,
)
from tests.faults.model import Held, Path, Seen, Thing, World
from tests.faults.operations import Operation
from tests.faults.view import Rows, Shown

TOP: Path = ("t0",)
A, DEEP = (*TOP, "a"), (*TOP, "a", "b")
FILE, OTHER, PLAIN = (*TOP, "f"), (*TOP, "g"), (*TOP, "e")
OLD, NEW, PAIR = 8, 16, 24
WORLD = World(
    {
        TOP: Thing(None),
        A: Thing(None, PAIR),
        DEEP: Thing(32, 40),
        FILE: Thing(OLD, 48),
        OTHER: Thing(56),
        PLAIN: Thing(None),
        (*PLAIN, "h"): Thing(96),
    },
    {"me": Held(FILE, False), "all": Held(A, True)},
)


def client(world: World = WORLD, flying: World | None = None, method: str = "MOVE") -> Client:
    """A client that has an operation under way to a world, if any."""
    found = Client(0, 1, frozenset(), Findings())
    found.world = world
    if flying is not None:
        found.flying = Operation("it", A, Asked(method, "/t0/a", {}), flying)
    return found


def test_what_was_acknowledged_is_all_that_must_be_there() -> None:
    findings = Findings()
    assert checker.settled(client(), WORLD.seen(), findings) == WORLD
    assert findings.told() == ()


UNDER_WAY = {
    "PUT": WORLD.put(FILE, NEW),
    "MKCOL": WORLD.put((*TOP, "new"), None),
    "DELETE": WORLD.delete(A),
    "MOVE": WORLD.move(A, OTHER),
    "COPY": WORLD.copy(A, FILE),
    "PROPPATCH": WORLD.patch(FILE, 64),
    "LOCK": WORLD.lock((*TOP, "new"), "you", False),
    "UNLOCK": WORLD.unlock("me"),
}


@pytest.mark.parametrize("method", UNDER_WAY)
def test_what_is_under_way_may_be_done_or_not(method: str) -> None:
    after, findings = UNDER_WAY[method], Findings()
    assert checker.settled(client(flying=after), WORLD.seen(), findings) == WORLD
    assert checker.settled(client(flying=after), after.seen(), findings) == after
    assert findings.told() == ()


def test_what_is_under_way_and_must_be_refused_may_not_be_done() -> None:
    findings, one = Findings(), client(flying=UNDER_WAY["PUT"])
    assert one.flying is not None
    one.flying = replace(one.flying, refusal=412)
    checker.settled(one, UNDER_WAY["PUT"].seen(), findings)
    assert findings.violations()[LOST] == 1


def _with(world: World, path: Path, thing: Thing | None) -> World:
    things = {one: kept for one, kept in world.things.items() if one != path}
    return replace(world, things=things if thing is None else {**things, path: thing})


BROKEN = {
    "a file is gone": (_with(WORLD, OTHER, None), LOST),
    "a collection is gone": (WORLD.delete(PLAIN), LOST),
    "what was deleted is there": (_with(WORLD, (*TOP, "x"), Thing(72)), LOST),
    "an older content": (_with(WORLD, OTHER, Thing(72)), LOST),
    "older properties": (_with(WORLD, A, Thing(None, 80)), LOST),
    "no properties": (_with(WORLD, A, Thing(None)), LOST),
    "another kind": (_with(WORLD, OTHER, Thing(None)), LOST),
    "a content of nobody": (_with(WORLD, OTHER, Thing(bodies.TORN)), TORN),
    "no content": (_with(WORLD, OTHER, Thing(bodies.EMPTY)), TORN),
    "half of the properties": (_with(WORLD, A, Thing(None, bodies.TORN)), TORN),
    "a lock is gone": (WORLD.unlock("me"), LOST_LOCKS),
    "a deep lock is gone": (WORLD.unlock("all"), LOST_LOCKS),
    "a lock from nowhere": (WORLD.lock(OTHER, "you", False), WRONG),
}


@pytest.mark.parametrize(("found", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_loss_is_told_by_its_kind(found: World, kind: str) -> None:
    findings = Findings()
    world = checker.settled(client(), found.seen(), findings)
    assert set(findings.found()) == {kind}
    again = Findings()
    checker.settled(client(world), found.seen(), again)
    assert again.told() == (), "what was told is taken as it is"


@pytest.mark.parametrize(("found", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_loss_is_told_beside_what_is_under_way(found: World, kind: str) -> None:
    findings = Findings()
    flying = WORLD.put((*TOP, "elsewhere"), NEW)
    checker.settled(client(flying=flying, method="PUT"), found.seen(), findings)
    assert set(findings.found()) == {kind}


MOVED, COPIED = WORLD.move(A, OTHER), WORLD.copy(A, OTHER)
HALVES = {
    "MOVE: neither here nor there": (MOVED, WORLD.delete(A).delete(OTHER), HALF_DONE),
    "MOVE: here and there": (MOVED, COPIED, HALF_DONE),
    "MOVE: without its properties": (MOVED, _with(MOVED, OTHER, Thing(None)), HALF_DONE),
    "COPY: not all": (COPIED, _with(COPIED, (*OTHER, "b"), None), HALF_DONE),
    "COPY: with those of before": (COPIED, _with(COPIED, OTHER, Thing(None, 88)), HALF_DONE),
    "DELETE: not all": (WORLD.delete(A), _with(WORLD, DEEP, None), HALF_DONE),
    "DELETE: a lock is gone": (WORLD.delete(A), WORLD.unlock("all"), HALF_DONE),
    "LOCK: a file without it": (
        UNDER_WAY["LOCK"],
        UNDER_WAY["LOCK"].unlock("you"),
        HALF_DONE,
    ),
    "PUT: cut off": (UNDER_WAY["PUT"], _with(WORLD, FILE, Thing(bodies.TORN, 48)), TORN),
    "PUT: nothing": (UNDER_WAY["PUT"], _with(WORLD, FILE, Thing(bodies.EMPTY, 48)), TORN),
    "PUT: no properties": (UNDER_WAY["PUT"], _with(WORLD, FILE, Thing(NEW)), HALF_DONE),
    "PROPPATCH: one": (
        UNDER_WAY["PROPPATCH"],
        _with(WORLD, FILE, Thing(OLD, bodies.TORN)),
        TORN,
    ),
}


@pytest.mark.parametrize(("after", "found", "kind"), HALVES.values(), ids=HALVES)
def test_half_an_operation_is_one_violation(after: World, found: World, kind: str) -> None:
    findings = Findings()
    checker.settled(client(flying=after), found.seen(), findings)
    assert findings.found() == {kind: 1}


SEEN = {FILE: Seen(OLD, PAIR, frozenset({"me"})), OTHER: Seen(NEW, 0, frozenset())}
SHOWN = Shown(SEEN, {"me": "urn:1"}, {})
ROWS = Rows({FILE: 2}, {"urn:1": FILE}, frozenset(), "")
ROW_FAULTS = {
    "an intent": (replace(ROWS, intents=frozenset({1})), LEFTOVERS),
    "damage": (replace(ROWS, damage="row 1 missing from index"), WRONG),
    "properties of nothing": (replace(ROWS, properties={FILE: 2, DEEP: 2}), ORPHAN_ROWS),
    "properties that nobody shows": (replace(ROWS, properties={FILE: 2, OTHER: 2}), WRONG),
    "properties without rows": (replace(ROWS, properties={}), WRONG),
    "a lock that nobody shows": (replace(ROWS, locks={**ROWS.locks, "urn:2": OTHER}), WRONG),
    "a lock without a row": (replace(ROWS, locks={}), WRONG),
}


def test_rows_as_they_must_be() -> None:
    findings = Findings()
    checker.compare_rows(SHOWN, ROWS, findings, set())
    assert findings.told() == ()


@pytest.mark.parametrize(("rows", "kind"), ROW_FAULTS.values(), ids=ROW_FAULTS)
def test_rows_that_must_not_be(rows: Rows, kind: str) -> None:
    findings = Findings()
    checker.compare_rows(SHOWN, rows, findings, set())
    assert findings.found() == {kind: 1}


def test_a_lock_of_nothing_is_an_orphan() -> None:
    findings = Findings()
    rows = replace(ROWS, locks={**ROWS.locks, "urn:2": DEEP})
    checker.compare_rows(SHOWN, rows, findings, set())
    assert findings.violations()[ORPHAN_ROWS] == 1

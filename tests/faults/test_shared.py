"""What all clients write to is judged rightly: by players whose answers are known beforehand."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults import bodies
from tests.faults.connection import Answer, Asked, Cut
from tests.faults.findings import LOST, LOST_LOCKS, LOST_UPDATES, TORN, WRONG, Findings
from tests.faults.model import Path, Seen
from tests.faults.shared import Chain, Claims, Gate

SHARED: Path = ("shared",)
PLACE: Path = (*SHARED, "one")
FIRST = 7
"""The content that was there before."""
Statuses = tuple[int | None, ...]


class Scripted:
    """A player who is given these statuses, None for the end of the server, and reads a content.

    Its numbers are 1001, 1002 and so on for player 1.
    """

    def __init__(self, number: int, *statuses: int | None, reads: int = FIRST) -> None:
        self.number = number
        self._statuses: Iterator[int | None] = iter(statuses)
        self._reads = reads
        self._last = number * 1000

    def new(self, small: bool) -> int:
        del small
        self._last += 1
        return self._last

    def ask(self, asked: Asked) -> Answer:
        del asked
        return Answer(200, {"etag": "x"}, bodies.body(self._reads))

    def begun(self, asked: Asked) -> int:
        status = next(self._statuses)
        if status is None:
            raise Cut(asked.url)
        return status

    def ended(self, asked: Asked, status: int) -> Answer:
        del asked
        return Answer(status, {"lock-token": "<urn:1>"}, b"")


class Overtaken(Scripted):
    """Lets another player have a whole turn between a request of its own and the answer."""

    def __init__(self, shared: Chain | Claims | Gate, other: Scripted, *statuses: int | None):
        super().__init__(1, *statuses)
        self._shared = shared
        self._others = [other]

    def begun(self, asked: Asked) -> int:
        while self._others:
            play(self._shared, self._others.pop())
        return super().begun(asked)


def play(shared: Chain | Claims | Gate, player: Scripted) -> None:
    """A turn, which the end of the server may cut off."""
    with suppress(Cut):
        shared.turn(player)


def file(content: int, *owners: str) -> dict[Path, Seen]:
    return {PLACE: Seen(content, 0, frozenset(owners))}


CHAINS = {
    "the last step": ((), 1001, ""),
    "the one under way": ((None,), 2001, ""),
    "not the one under way": ((None,), 1001, ""),
    "the next": ((204,), 2001, ""),
    "the one before": ((204,), 1001, LOST),
    "the first": ((), FIRST, LOST),
    "a step that was refused": ((412,), 2001, WRONG),
    "a content of nobody": ((), bodies.TORN, TORN),
    "no content": ((), bodies.EMPTY, TORN),
}


@pytest.mark.parametrize(("statuses", "found", "kind"), CHAINS.values(), ids=CHAINS)
def test_a_chain_of_conditional_writes(statuses: Statuses, found: int, kind: str) -> None:
    findings = Findings()
    chain = Chain(PLACE, findings, FIRST)
    play(chain, Scripted(1, 204))
    if statuses:
        play(chain, Scripted(2, *statuses, reads=1001))
    begins_anew = chain.judge(file(found)) is not None
    assert findings.found() == ({kind: 1} if kind else {})
    assert begins_anew is (found in bodies.BROKEN)
    chain.judge(file(1001 if begins_anew else found))
    assert findings.found() == ({kind: 1} if kind else {}), "what was told is taken as it is"


def test_a_chain_that_is_gone_begins_anew() -> None:
    findings = Findings()
    assert Chain(PLACE, findings, FIRST).judge({}) is not None
    assert findings.found() == {LOST: 1}


def test_two_writes_that_name_the_same_step() -> None:
    findings = Findings()
    chain = Chain(PLACE, findings, FIRST)
    play(chain, Overtaken(chain, Scripted(2, 204), 204))
    assert findings.found() == {LOST_UPDATES: 1}
    chain.judge(file(2001))
    assert findings.found() == {LOST_UPDATES: 1}


def test_a_step_that_goes_back_is_seen_at_once() -> None:
    findings = Findings()
    chain = Chain(PLACE, findings, FIRST)
    play(chain, Scripted(1, 204))
    play(chain, Scripted(2, reads=FIRST))
    assert findings.found() == {LOST_UPDATES: 1}
    chain.judge(file(FIRST))
    assert findings.found() == {LOST_UPDATES: 1}, "it is told once"


CLAIMS = {
    "the winner": ((201, 412), 1001, ""),
    "the loser": ((201, 412), 2001, LOST),
    "nobody, though one has won": ((201, 412), None, LOST),
    "nobody, though one was refused": ((412, 412), None, LOST),
    "one under way": ((None, None), 2001, ""),
    "the one under way beside one refused": ((None, 412), 1001, ""),
    "nobody": ((None, None), None, ""),
    "two winners": ((201, 201), 2001, LOST_UPDATES),
    "half a content": ((201, 412), bodies.TORN, TORN),
}


@pytest.mark.parametrize(("statuses", "found", "kind"), CLAIMS.values(), ids=CLAIMS)
def test_a_race_to_be_the_first(
    statuses: tuple[int | None, int | None], found: int | None, kind: str
) -> None:
    findings = Findings()
    claims = Claims(SHARED, findings)
    play(claims, Overtaken(claims, Scripted(2, statuses[1]), statuses[0]))
    seen = {} if found is None else {(*SHARED, "first-0"): Seen(found, 0, frozenset())}
    assert len(claims.judge(seen)) == len(seen)
    assert findings.found() == ({kind: 1} if kind else {})


MINE = "gate-1001"
GATES = {
    "nobody holds it": ((200, 204, 204), file(1002), ""),
    "UNLOCK under way, done": ((200, 204, None), file(1002), ""),
    "UNLOCK under way, not done": ((200, 204, None), file(1002, MINE), ""),
    "PUT under way, done": ((200, None), file(1002, MINE), ""),
    "PUT under way, not done": ((200, None), file(FIRST, MINE), ""),
    "LOCK under way, done": ((None,), file(FIRST, MINE), ""),
    "LOCK under way, not done": ((None,), file(FIRST), ""),
    "LOCK refused": ((423,), file(FIRST), ""),
    "the lock is gone": ((200, None), file(FIRST), LOST_LOCKS),
    "the lock is back": ((200, 204, 204), file(1002, MINE), WRONG),
    "two locks": ((200, None), file(FIRST, MINE, "another"), WRONG),
    "the content of before": ((200, 204, None), file(FIRST, MINE), LOST),
    "no file": ((200, 204, 204), {}, LOST),
    "half a content": ((200, None), file(bodies.TORN, MINE), TORN),
    "the holder is refused": ((200, 423, 204), file(FIRST), WRONG),
}


@pytest.mark.parametrize(("statuses", "found", "kind"), GATES.values(), ids=GATES)
def test_a_lock_by_turns(statuses: Statuses, found: dict[Path, Seen], kind: str) -> None:
    findings = Findings()
    gate = Gate(PLACE, findings, FIRST)
    play(gate, Scripted(1, *statuses))
    again = gate.judge(found, {MINE: "urn:1"})
    assert findings.found() == ({kind: 1} if kind else {})
    held = any(MINE in one.owners for one in found.values())
    assert any(asked.method == "UNLOCK" for asked in again) is held


def test_two_locks_at_a_time() -> None:
    findings = Findings()
    gate = Gate(PLACE, findings, FIRST)
    play(gate, Overtaken(gate, Scripted(2, 200, None), 200, 204, 204))
    assert findings.found() == {WRONG: 1}

"""The register checker: histories that have no explanation, and a slow checker to agree with."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.history import (
    ABSENT,
    ANY,
    PRESENT,
    Needs,
    Op,
    Value,
    exactly,
    other_than,
    unexplained,
)


def put(start: int, end: int | None, value: str, needs: Needs = ANY) -> Op:
    return Op(start, end, needs, writes=True, value=value, told=f"PUT {value}")


def delete(start: int, end: int | None, needs: Needs = PRESENT) -> Op:
    return Op(start, end, needs, writes=True, told="DELETE")


def get(start: int, end: int, value: Value) -> Op:
    return Op(start, end, exactly(value), told=f"GET {value}")


BAD: dict[str, list[Op]] = {
    "a stale read": [put(1, 2, "a"), put(3, 4, "b"), get(5, 6, "a")],
    "a stale read of nothing": [put(1, 2, "a"), get(3, 4, None)],
    "a value from nowhere": [put(1, 2, "a"), get(3, 4, "x")],
    "a value before its write": [get(1, 2, "a"), put(3, 4, "a")],
    "a read of a failed write": [put(1, 2, "a"), get(3, 4, "b"), Op(1, 2, other_than("z"))],
    "a lost update": [
        put(1, 2, "a"),
        put(3, 5, "b", exactly("a")),
        put(4, 6, "c", exactly("a")),
    ],
    "an update of what was already replaced": [
        put(1, 2, "a"),
        put(3, 4, "b"),
        put(5, 6, "c", exactly("a")),
    ],
    "a refusal without a reason": [put(1, 2, "a"), Op(3, 4, other_than("a"), told="412")],
    "a value that comes back": [
        put(1, 2, "a"),
        put(3, 10, "b"),
        get(4, 5, "b"),
        get(6, 7, "a"),
    ],
    "a value that comes back without an answer": [
        put(1, 2, "a"),
        put(3, None, "b"),
        get(4, 5, "b"),
        get(6, 7, "a"),
    ],
    "two readers that disagree on the order": [
        put(1, 20, "a"),
        put(1, 20, "b"),
        get(2, 4, "a"),
        get(5, 7, "b"),
        get(8, 9, "a"),
    ],
    "two that create the same": [put(1, 4, "a", ABSENT), put(2, 3, "b", ABSENT)],
    "a delete that is undone": [put(1, 2, "a"), delete(3, 4), get(5, 6, "a")],
    "two deletes of one": [put(1, 2, "a"), delete(3, 5), delete(4, 6)],
    "one write without an answer that happens twice": [
        put(1, None, "a"),
        delete(2, 3),
        delete(4, 5),
    ],
    "a lost write": [put(1, 2, "a"), put(3, 4, "b"), get(5, 6, None)],
}

GOOD: dict[str, list[Op]] = {
    "nothing": [],
    "one after the other": [get(1, 2, None), put(3, 4, "a", ABSENT), get(5, 6, "a"), delete(7, 8)],
    "old and new while it is written": [
        put(1, 2, "a"),
        put(3, 9, "b"),
        get(4, 5, "a"),
        get(6, 7, "b"),
    ],
    "an answer that never came, and no effect": [put(1, 2, "a"), put(3, None, "b"), get(4, 5, "a")],
    "an answer that never came, and a late effect": [
        put(1, 2, "a"),
        put(3, None, "b"),
        get(4, 5, "a"),
        get(6, 7, "b"),
    ],
    "a chain": [put(n, n + 2, str(n), exactly(str(n - 2) if n else None)) for n in (0, 2, 4, 6)],
    "a refusal with a reason": [put(1, 2, "a"), Op(3, 6, other_than("a")), put(4, 5, "b")],
    "two writes without an answer that are both needed": [
        put(1, None, "a"),
        put(1, None, "b"),
        delete(2, 3),
        delete(4, 5),
    ],
}


@pytest.mark.parametrize("ops", BAD.values(), ids=BAD)
def test_what_cannot_have_happened_is_refused(ops: list[Op]) -> None:
    assert unexplained(ops)


@pytest.mark.parametrize("ops", GOOD.values(), ids=GOOD)
def test_what_can_have_happened_is_explained(ops: list[Op]) -> None:
    assert unexplained(ops) == ""


def test_the_complaint_names_the_answer() -> None:
    ops = [*BAD["a stale read"], get(7, 8, "b")]
    assert unexplained(ops) == "GET a at 6 has no explanation: the value was b"


def _explained_slowly(ops: Sequence[Op], value: Value = None) -> bool:
    """Try every order of everything, with and without what was not answered."""
    if all(op.end is None for op in ops):
        return True
    for number, op in enumerate(ops):
        rest = [*ops[:number], *ops[number + 1 :]]
        is_next = not any(other.end is not None and other.end < op.start for other in rest)
        left = op.value if op.writes else value
        if is_next and op.needs.met(value) and _explained_slowly(rest, left):
            return True
    return False


VALUES = st.sampled_from([None, "a", "b", "c"])


@st.composite
def operations(draw: st.DrawFn) -> Op:
    start = draw(st.integers(0, 8))
    end = draw(st.none() | st.integers(start, 9))
    needs = draw(
        st.sampled_from([ANY, ABSENT, PRESENT])
        | st.builds(Needs, st.sampled_from(["is", "not"]), VALUES)
    )
    return Op(start, end, needs, draw(st.booleans()), draw(VALUES))


@settings(max_examples=250, deadline=None)
@given(st.lists(operations(), max_size=6))
def test_it_agrees_with_trying_every_order(ops: list[Op]) -> None:
    assert (unexplained(ops) == "") == _explained_slowly(ops)


def _long_run(clients: int, turns: int) -> Iterator[Op]:
    """A true history: clients in turn write and read, and every ninth write is never answered."""
    value: Value = None
    for turn in range(turns):
        now = turn * 10
        new = f"v{turn}"
        if turn % 3 == 0:
            # Its effect is at `now`, anywhere between its request and its answer.
            yield put(now - 10 * clients, None if turn % 9 == 0 else now + 10 * clients, new)
            value = new
        else:
            yield get(now - 10 * clients, now + 10 * clients, value)


def test_many_at_a_time_are_no_trouble() -> None:
    ops = list(_long_run(3, 900))
    assert unexplained(ops) == ""
    assert unexplained([*ops, get(9_500, 9_501, "v0")])

"""Operations are drawn from their seed alone, all kinds of them, and the model bears them."""

from collections.abc import Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import bodies, draws
from tests.faults.model import Thing, World, is_within
from tests.faults.operations import DEEPEST, LARGEST, Drawing, Operation

TOP = ("t0",)


def played(seed: int, turns: int) -> Iterator[tuple[World, Operation]]:
    """Operations on a server that does what it must, each with the world before it."""
    chance, world, numbers = Random(seed), World({TOP: Thing(None)}), iter(range(1, 100_000))
    tokens: dict[str, str] = {}
    for _ in range(turns):
        etags = dict.fromkeys(world.things, "x")
        drawing = Drawing(chance, world, 80, lambda small: next(numbers), tokens, etags, etags)
        operation = draws.drawn(drawing, frozenset())
        yield world, operation
        if not operation.refusal:
            world = operation.after
            tokens = {owner: f"urn:{owner}" for owner in world.locks}


def test_a_seed_decides_what_is_drawn() -> None:
    first, again, other = ([str(one) for _, one in played(seed, 200)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_kind_comes_up() -> None:
    names = {operation.what for seed in range(5) for _, operation in played(seed, 400)}
    wanted = {"PUT new", "PUT over", "PUT If-Match", "DELETE file", "DELETE tree", "GET", "MKCOL"}
    wanted |= {"MOVE file", "MOVE tree", "COPY file", "COPY tree", "COPY Depth 0", "PROPPATCH"}
    wanted |= {"LOCK", "LOCK unmapped", "LOCK refresh", "UNLOCK"}
    wanted |= {"PROPPATCH refused", "LOCK refused", "DELETE refused"}
    wanted |= {f"PUT refused: {why}" for why in ("token", "stale", "parent", "exists")}
    assert names == wanted


def test_worlds_are_whole() -> None:
    """Every resource lies in a collection, every lock is on a resource."""
    for seed in range(5):
        for world, _ in played(seed, 300):
            assert all(world.is_collection(path[:-1]) for path in world.things if path != TOP)
            assert all(held.root in world for held in world.locks.values())
            assert all(is_within(path, TOP) and len(path) <= DEEPEST for path in world.things)
            assert len(world.things) < 3 * LARGEST


@settings(deadline=None)
@given(st.integers(1, 2**31), st.data())
def test_a_content_tells_whose_it_is(number: int, data: st.DataObject) -> None:
    content = bodies.body(number)
    assert 10 <= len(content) <= 300_000
    assert bodies.number(content) == number
    assert bodies.is_small(number) is (len(content) <= bodies.SMALL)
    at = data.draw(st.integers(0, len(content) - 1))
    assert bodies.number(content[:at]) == (bodies.TORN if at else bodies.EMPTY)
    assert bodies.number(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]) != number


@settings(deadline=None)
@given(st.integers(1, 2**31))
def test_a_value_tells_whose_it_is(number: int) -> None:
    text = bodies.text(number)
    assert bodies.value(text) == number
    assert bodies.value(text + "x") == bodies.TORN
    assert bodies.value("") == bodies.TORN
    assert bodies.value(None) == 0

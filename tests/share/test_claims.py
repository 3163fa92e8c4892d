"""Which requests wait for which tree operations, and for how long."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path, reserved
from davserver.share import claims
from davserver.share.claims import Access, access, are_apart
from davserver.share.entrance import PATIENCE
from davserver.shares import Shares
from davserver.state import Intent, Operation
from tests.security.inside import PATCH
from tests.share.cases import LOCKINFO, PLAIN, TREE, at, thing
from tests.share.conftest import Make
from tests.share.dying import KILLED, forked
from tests.share.ground import Ground, World, asking

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

A, AB, ABC, N, Z, ZB = ("a",), ("a", "b"), ("a", "b", "c"), ("a0",), ("z",), ("z", "b")


def _lasting(operation: Operation, source: Path = AB, target: Path = ZB) -> Intent:
    return Intent(operation, source, target, ("z", ".~dav-0"), lasts=True)


def _one(*writes: Path, reads: Sequence[Path] = ()) -> Access:
    return Access(writes, tuple(reads))


def _tree(*writes: Path, reads: Sequence[Path] = ()) -> Access:
    return Access(writes, tuple(reads), tree=True)


COPY, CARRY = _lasting(Operation.COPY), _lasting(Operation.CARRY)
WALK, REMOVAL = _lasting(Operation.WALK), _lasting(Operation.WALK, AB, ())
STAGE, DISCARD = _lasting(Operation.STAGE), _lasting(Operation.DISCARD)
FAILED = Intent(Operation.MOVE, AB, ZB)
"""One that could not be finished."""

TABLE: list[tuple[Access, Intent, bool]] = [
    # A file below what is copied or walked through may change: it is copied before or after.
    *((_one(path), COPY, True) for path in (A, AB, ABC, ZB, (*ZB, "c"), N)),
    *((_one(path), WALK, True) for path in (AB, ABC, ZB, N)),
    # But a copy for another file system would leave the change behind.
    *((_one(path), CARRY, False) for path in (AB, ABC, ZB, (*ZB, "c"))),
    *((_one(path), CARRY, True) for path in ((), A, N, Z, ("a", "b0"), ("a", "c"))),
    (_one(reads=[ABC]), CARRY, True),
    (_one(Z, ABC), CARRY, False),
    # Trees that overlap, either way round.
    *((_tree(path), CARRY, False) for path in ((), A, AB, ABC, Z, ZB)),
    *((_tree(path), CARRY, True) for path in (N, ("a", "b0"), ("z", "c"))),
    *((_tree(path), WALK, False) for path in ((), A, AB, ABC, Z, ZB)),
    *((_tree(path), REMOVAL, False) for path in ((), A, AB, ABC)),
    *((_tree(path), REMOVAL, True) for path in (N, Z, ZB)),
    *((_tree(path), COPY, False) for path in ((), A, AB, ABC, Z, ZB)),
    # Two that look at one tree do not change it.
    *((_tree(N, reads=[path]), COPY, True) for path in (A, AB, ABC)),
    *((_tree(N, reads=[path]), COPY, False) for path in ((), Z, ZB)),
    *((_tree(N, reads=[path]), CARRY, False) for path in ((), A, AB, ABC, Z, ZB)),
    *((_tree(N, reads=[path]), WALK, False) for path in (A, AB, ABC)),
    # What has a reserved name is in nobody's way.
    *((_tree(path), one, True) for path in ((), A, AB) for one in (STAGE, DISCARD)),
    *((_one(path), one, True) for path in ((), A, AB) for one in (STAGE, DISCARD)),
    # What cannot be finished keeps its places from being changed.
    *((_one(path), FAILED, False) for path in (AB, ABC, ZB)),
    *((_one(path), FAILED, True) for path in ((), A, Z, N)),
    (_one(reads=[AB]), FAILED, True),
    (_tree(A), FAILED, False),
    (_tree(N), FAILED, True),
]


@pytest.mark.parametrize(("asked", "intent", "apart"), TABLE)
def test_who_waits_for_whom(asked: Access, intent: Intent, apart: bool) -> None:
    assert are_apart(asked, intent) is apart


def test_every_operation_takes_something_or_nothing() -> None:
    assert set(claims._TAKEN) == set(Operation)
    taken = {one: access(_lasting(one)) for one in Operation}
    for one in (Operation.MOVE, Operation.CARRY, Operation.WALK, Operation.REMOVE):
        assert taken[one] == Access((AB, ZB), (), tree=True)
    assert taken[Operation.COPY] == Access((ZB,), (AB,), tree=True)
    assert access(REMOVAL).writes == (AB,)


class Waits:
    """A pause that passes at once. ``at`` says what happens in the wait with that number."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0
        self.at: dict[int, Callable[[], object]] = {}

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        self.count += 1
        self.at.get(self.count, lambda: None)()


@pytest.fixture
def ground(here: Make) -> Ground:
    ground = here(PLAIN)
    ground.build(World({("one", "into"): thing(None), **at(("one", "src"), TREE)}))
    return ground


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def served(ground: Ground, waits: Waits) -> Iterator[Shares]:
    with ground.served(pause=waits) as shares:
        yield shares


SRC, INTO = ("one", "src"), ("one", "into", "dst")


@contextmanager
def claimed(
    ground: Ground, operation: Operation, target: Path = INTO
) -> Iterator[Callable[[], Any]]:
    """Another server, which carries out a tree operation for as long as it takes. Gives what
    ends it.
    """
    with ground.served() as other:
        claim = other.claim(Intent(operation, ground.key(SRC), ground.key(INTO), lasts=True))
        yield lambda: other.release(claim)
        other.release(claim)


REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "PUT below": ("PUT", "/one/src/new", {}, b"x"),
    "PUT over below": ("PUT", "/one/src/sub/b", {}, b"x"),
    "MKCOL below": ("MKCOL", "/one/src/new", {}, b""),
    "LOCK below": ("LOCK", "/one/src/a", {}, LOCKINFO),
    "DELETE of a file below": ("DELETE", "/one/src/a", {}, b""),
    "DELETE of a tree below": ("DELETE", "/one/src/sub", {}, b""),
    "DELETE of it": ("DELETE", "/one/src", {}, b""),
    "MOVE out of it": ("MOVE", "/one/src/a", {"Destination": "/one/a"}, b""),
    "MOVE of it": ("MOVE", "/one/src", {"Destination": "/one/new"}, b""),
    "COPY of it": ("COPY", "/one/src", {"Destination": "/one/new"}, b""),
    "COPY of a file below": ("COPY", "/one/src/a", {"Destination": "/one/new"}, b""),
    "PUT beside": ("PUT", "/one/new", {}, b"x"),
    "GET below": ("GET", "/one/src/a", {}, b""),
    "PROPFIND": ("PROPFIND", "/one/src", {"Depth": "1"}, b""),
}
WAITING: dict[Operation, set[str]] = {
    Operation.CARRY: set(REQUESTS)
    - {"PUT beside", "GET below", "PROPFIND", "COPY of a file below"},
    Operation.COPY: {"DELETE of a tree below", "DELETE of it", "MOVE of it"},
    Operation.WALK: {"DELETE of a tree below", "DELETE of it", "MOVE of it", "COPY of it"},
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("operation", WAITING)
def test_requests_wait_for_another_server(
    ground: Ground, served: Shares, waits: Waits, operation: Operation, name: str
) -> None:
    """Until it has ended: then they go on."""
    method, url, headers, body = REQUESTS[name]
    with claimed(ground, operation) as end:
        waits.at[3] = end
        assert asking(served)(method, url, headers, body) in (200, 201, 204, 207)
    assert waits.count == (3 if name in WAITING[operation] else 0)


@pytest.mark.parametrize("name", REQUESTS)
def test_patience_has_an_end(ground: Ground, served: Shares, waits: Waits, name: str) -> None:
    method, url, headers, body = REQUESTS[name]
    before = ground.seen()
    with claimed(ground, Operation.CARRY):
        status = asking(served)(method, url, headers, body)
        if name in WAITING[Operation.CARRY]:
            assert status == 503
            assert PATIENCE <= waits.seconds < PATIENCE + 0.1
            assert ground.seen().stored == before.stored
        else:
            assert status < 300
            assert waits.count == 0
    ground.rest(served)
    assert ground.seen().is_clean


REFUSED: dict[str, tuple[str, str, dict[str, str], bytes, int]] = {
    "MKCOL of what is there": ("MKCOL", "/one/src/sub", {}, b"", 405),
    "MKCOL without a parent": ("MKCOL", "/one/src/none/new", {}, b"", 409),
    "LOCK without a parent": ("LOCK", "/one/src/none/new", {}, LOCKINFO, 409),
    "DELETE of nothing": ("DELETE", "/one/src/none", {}, b"", 404),
    "DELETE of half a tree": ("DELETE", "/one/src", {"Depth": "0"}, b"", 400),
    "DELETE under a condition": ("DELETE", "/one/src", {"If": "(<urn:x>)"}, b"", 412),
    "PUT under a condition": ("PUT", "/one/src/a", {"If-Match": '"none"'}, b"x", 412),
    "UNLOCK without a lock": ("UNLOCK", "/one/src/a", {"Lock-Token": "<urn:x>"}, b"", 409),
    "refresh without a lock": ("LOCK", "/one/src/a", {"If": "(<urn:x>)"}, b"", 412),
    "PROPPATCH of nothing": ("PROPPATCH", "/one/src/none", {}, PATCH, 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_to_be_refused_does_not_wait(
    ground: Ground, served: Shares, waits: Waits, name: str
) -> None:
    method, url, headers, body, wanted = REFUSED[name]
    with claimed(ground, Operation.CARRY):
        assert asking(served)(method, url, headers, body) == wanted
    assert waits.count == 0


def test_who_is_told_to_come_back_is_told_when(
    ground: Ground, served: Shares, waits: Waits
) -> None:
    with (
        claimed(ground, Operation.CARRY),
        pytest.raises(Fault, match="503") as told,
        served.section(served.to_write((*SRC, "a"))),
    ):
        pass
    assert dict(told.value.headers) == {"Retry-After": "5"}
    assert waits.count


def test_two_copies_of_one_tree_do_not_wait_for_each_other(
    ground: Ground, served: Shares, waits: Waits
) -> None:
    """Both are under way at once: each is at its half when the other one is."""
    meeting = threading.Barrier(2, timeout=60)
    real = served.tick
    met: list[str] = []

    def tick() -> int:
        if threading.current_thread().name not in met:
            met.append(threading.current_thread().name)
            meeting.wait()
        return real()

    # The one way to wait from within: a time is taken for each file that is copied.
    served.tick = tick  # type: ignore[method-assign]
    found: list[int] = []

    def copy(name: str) -> None:
        headers = {"Destination": f"/one/into/{name}"}
        found.append(asking(served)("COPY", "/one/src", headers))

    threads = [threading.Thread(target=copy, args=(name,), name=name) for name in ("x", "y")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [201, 201]
    assert waits.count == 0
    ground.rest(served)
    seen = ground.seen()
    assert seen.is_clean
    for name in ("x", "y"):
        for path, wanted in at(("one", "into", name), TREE).items():
            assert seen.things[path].content == wanted.content
            assert seen.things[path].properties == wanted.properties


def test_a_dead_owners_claim_is_finished_instead_of_waited_for(
    ground: Ground, served: Shares, waits: Waits
) -> None:
    def die() -> int:
        with ground.served() as other:
            for operation in (Operation.CARRY, Operation.WALK):
                staged = ground.key(("one", "into", f".~dav-{operation}"))
                with other.state.write() as writer:
                    writer.add_intent(
                        Intent(operation, ground.key(SRC), ground.key(INTO), staged, lasts=True)
                    )
            ground.real(("one", "into", ".~dav-carry")).mkdir()
            os._exit(KILLED)

    assert forked(die) == KILLED
    assert len(ground.seen().intents) == 2
    assert asking(served)("PUT", "/one/src/new", {}, b"x") == 201
    assert waits.count == 0
    ground.rest(served)
    assert ground.seen().is_clean


def test_a_claim_waits_for_another_claim(ground: Ground, served: Shares, waits: Waits) -> None:
    overlapping = Intent(Operation.COPY, ground.key(INTO), ground.key(SRC), lasts=True)
    with claimed(ground, Operation.COPY) as end:
        with pytest.raises(Fault, match="503"):
            served.claim(overlapping)
        within = served.claim(overlapping, within=overlapping)
        served.release(within)
        waits.at[waits.count + 2] = end
        served.release(served.claim(overlapping))
    assert ground.seen().intents == ()


def test_a_file_on_its_way_to_another_file_system_stays_the_same(
    across: Make, waits: Waits
) -> None:
    """PUT below the source of such a MOVE waits until that is over, and then meets nothing."""
    ground = across(PLAIN)
    ground.build(World(at(("one", "src"), TREE)))
    statuses: list[int] = []
    moving = threading.Event()
    over = threading.Event()

    def pause(seconds: float) -> None:
        del seconds
        moving.set()
        over.wait(60)

    with ground.served(pause=pause) as shares:

        def put() -> None:
            statuses.append(asking(shares)("PUT", "/one/src/a", {}, b"too late"))

        writer = threading.Thread(target=put)

        def during(*values: Any, **named: Any) -> Any:
            # While the copy is built, under a reserved name, nobody is in a section.
            if not writer.ident and reserved(values[0]):
                writer.start()
                assert moving.wait(60)
            return find(*values, **named)

        tree = shares.all["two"].tree
        find = tree.directory
        # The one way to act within the copy: it opens its directories by this method.
        tree.directory = during  # type: ignore[method-assign]
        assert asking(shares)("MOVE", "/one/src", {"Destination": "/two/dst"}) == 201
        over.set()
        writer.join()
        ground.rest(shares)
    assert statuses == [409]
    seen = ground.seen()
    assert seen.is_clean
    assert seen.things["two", "dst", "a"].content == TREE["a"].content
    assert ("one", "src") not in seen.things

"""Cut connections in the size of CI, and servers that the proof has to find guilty."""

import os
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.peers import Server
from tests.faults import cuts, sequence, vitals
from tests.faults.__main__ import parsed
from tests.faults.altered import Altered
from tests.faults.sequence import NEW, OLD, SESSIONS, Shown, State, Verb
from tests.faults.told import Told
from tests.faults.vitals import Held
from tests.running import Running, missing
from tests.wire.talk import Talk

PATCHED_BY_HALF = """
from davserver.protocol import documents
whole = documents.propertyupdate
documents.propertyupdate = lambda body: whole(body)[:1]
"""
FORGETFUL = """
from davserver.methods import TABLE
whole = TABLE["PUT"]
def run(request, shares):
    answer = whole(request, shares)
    if request.path[0] == "session":
        TABLE["DELETE"](request, shares)
    return answer
TABLE["PUT"] = run
"""


def options(*given: str) -> Namespace:
    return parsed(["cuts", *given])


def test_no_cut_leaves_half_of_anything() -> None:
    report = cuts.run(options())
    assert report.violations == ()
    assert int(report.figures["cuts"]) >= 4000
    assert report.figures["stalls"] == 20


def test_a_server_that_writes_in_place_is_found_guilty() -> None:
    report = cuts.run(options("--server", "wsgidav", "--step", "29"))
    if report.skipped:
        missing(report.skipped)
    assert int(report.figures["truncated"]) > 0
    assert int(report.figures["accepted_short"]) > 0


@contextmanager
def changed(place: Path, change: str) -> Iterator[Server]:
    with Altered(place / "root", state=place / "state.db", change=change) as running:
        yield Server("davserver", running.port, running.process.pid, place / "root")


@pytest.mark.parametrize(
    ("change", "figure"), [(PATCHED_BY_HALF, "half_applied"), (FORGETFUL, "lost")]
)
def test_a_server_with_a_fault_is_found_guilty(tmp_path: Path, change: str, figure: str) -> None:
    (tmp_path / "root").mkdir()
    told = Told()
    with changed(tmp_path, change) as server:
        cuts.cut(server, SESSIONS["davserver"], options("--step", "40"), told)
    assert told.counts[figure] > 0
    assert told.violations


def test_a_worker_that_is_missing_is_missed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "awake").mkdir(parents=True)
    own = ("--slow-uploads", "4", "--workers", "1")
    with Running(root, *own, state=tmp_path / "state.db") as server:
        assert vitals.awake(server.port, 4, "awake") == 4
        assert vitals.awake(server.port, 6, "awake") == 4


def test_what_is_still_held_is_told() -> None:
    base = Held(40, 19, 40_000_000)
    assert Held(41, 19, 44_900_000).grown(base) == []
    assert Held(30, 19, 30_000_000).grown(base) == []
    assert Held(40, 24, 40_000_000).grown(base) == []
    assert len(Held(42, 25, 45_100_000).grown(base)) == 3


def test_what_is_let_go_of_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    base = vitals.at_rest(os.getpid())
    taken = [os.dup(0) for _ in range(3)]
    monkeypatch.setattr(vitals, "SECONDS", 0.1)
    assert vitals.kept(os.getpid(), base)[1]
    monkeypatch.setattr(vitals, "SECONDS", 10.0)
    later = threading.Timer(0.2, os.closerange, (min(taken), max(taken) + 1))
    later.start()
    assert not vitals.kept(os.getpid(), base)[1]
    later.join()


def test_a_socket_that_stays_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "SECONDS", 0.2)
    (tmp_path / "root").mkdir()
    with Running(tmp_path / "root", state=tmp_path / "state.db") as server:
        base = vitals.sockets(server.process.pid)
        assert vitals.settle(server.port, server.process.pid, base) == 0
        with Talk(server.port):
            assert vitals.settle(server.port, server.process.pid, base) == 1


PATCHED = {"one": "new", "three": "new"}
KEPT = {"one": "old", "two": "old"}
JUDGED: list[tuple[Verb, bytes | None, Shown, State]] = [
    (sequence.PUT, None, Shown(), State.OLD),
    (sequence.PUT, NEW, Shown(), State.NEW),
    (sequence.PUT, b"", Shown(), State.TRUNCATED),
    (sequence.PUT, NEW[:-1], Shown(), State.TRUNCATED),
    (sequence.CHUNKED, OLD, Shown(), State.OLD),
    (sequence.CHUNKED, NEW, Shown(), State.NEW),
    (sequence.CHUNKED, None, Shown(), State.TRUNCATED),
    (sequence.CHUNKED, NEW[:20], Shown(), State.TRUNCATED),
    (sequence.PROPPATCH, OLD, Shown(KEPT), State.OLD),
    (sequence.PROPPATCH, OLD, Shown(PATCHED), State.NEW),
    (sequence.PROPPATCH, OLD, Shown(KEPT | PATCHED), State.HALF),
    (sequence.PROPPATCH, OLD, Shown({"one": "new", "two": "old"}), State.HALF),
    (sequence.PROPPATCH, OLD, Shown({}), State.HALF),
    (sequence.LOCK_UNMAPPED, None, Shown(), State.OLD),
    (sequence.LOCK_UNMAPPED, b"", Shown(locks=("a",)), State.NEW),
    (sequence.LOCK_UNMAPPED, b"", Shown(), State.HALF),
    (sequence.LOCK_UNMAPPED, None, Shown(locks=("a",)), State.HALF),
    (sequence.LOCK, OLD, Shown(), State.OLD),
    (sequence.LOCK, OLD, Shown(locks=("a",)), State.NEW),
    (sequence.LOCK, OLD, Shown(locks=("a", "b")), State.HALF),
]


@pytest.mark.parametrize(("verb", "content", "shown", "state"), JUDGED)
def test_what_is_neither_old_nor_new_is_told(
    verb: Verb, content: bytes | None, shown: Shown, state: State
) -> None:
    assert verb.state(content, shown) is state

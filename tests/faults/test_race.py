"""The race in the size of CI, and servers that it has to find guilty."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import contents, leftovers, race
from tests.faults.__main__ import parsed
from tests.faults.fleet import Client, Fleet
from tests.faults.race import Run
from tests.faults.told import Told

WITHOUT = """
from davserver.serving import connections
whole = connections.parse
def read(octets):
    head = whole(octets)
    head.fields.pop("HTTP_{}", None)
    return head
connections.parse = read
"""
BY_HALVES = """
import time
from http import HTTPStatus
from pathlib import Path
from davserver.methods import TABLE
from davserver.protocol.messages import Answer
def run(request, shares):
    place = shares.to_write(request.path, creates=True)
    file = Path(place.share.tree.real, *place.local)
    status = HTTPStatus.NO_CONTENT if file.exists() else HTTPStatus.CREATED
    data = b"".join(request.body.blocks())
    with file.open("wb", buffering=0) as opened:
        opened.write(data[:len(data) // 2])
        time.sleep(0.003)
        opened.write(data[len(data) // 2:])
    return Answer(status, (("ETag", '"always"'),))
TABLE["PUT"] = run
"""
COPY_AND_DELETE = """
from davserver.methods import TABLE
def run(request, shares):
    answer = TABLE["COPY"](request, shares)
    TABLE["DELETE"](request, shares)
    return answer
TABLE["MOVE"] = run
"""
GRANT_ALL = """
from davserver.protocol import locks
locks.conflicts = lambda *asked: ((), ())
"""
GUILTY = {
    "If-Match is ignored": ("counters", WITHOUT.format("IF_MATCH"), "lost_updates"),
    "If-None-Match is ignored": ("winners", WITHOUT.format("IF_NONE_MATCH"), "double_winners"),
    "conditions are ignored": ("registers", WITHOUT.format("IF_MATCH"), "unexplained"),
    "files are written in place": ("registers", BY_HALVES, "torn_reads"),
    "contents share an entity tag": ("registers", BY_HALVES, "mixed_tags"),
    "every lock is granted": ("locks", GRANT_ALL, "overlapping_locks"),
    "a MOVE copies and deletes": ("moves", COPY_AND_DELETE, "both_or_neither"),
}


def control(game: str, *, change: str = "", apart: bool = False) -> Told:
    """A short race of one game, in which nobody is killed."""
    number = "2" if apart else "1"
    given = ["race", "--seconds", "3", "--pause", "60", "--games", game, "--processes", number]
    return race.raced(Run.of(parsed(given), change=change, apart=apart))


def test_nobody_loses_in_the_race() -> None:
    report = race.run(parsed(["race"]))
    assert report.violations == ()
    figures = report.figures
    assert int(figures["kills"]) >= 3
    assert figures["counted"] == int(figures["accepted"]) + int(figures["counted_without_answer"])
    for name in ("accepted", "rounds", "locks", "intrusions", "moves", "looks"):
        assert int(figures[name]) > 0, name


@pytest.mark.parametrize(("game", "change", "figure"), GUILTY.values(), ids=GUILTY)
def test_a_server_with_a_fault_is_found_guilty(game: str, change: str, figure: str) -> None:
    told = control(game, change=change)
    assert told.counts[figure] > 0
    assert told.violations


def test_processes_that_do_not_know_of_each_other_are_found_guilty() -> None:
    told = control("locks", apart=True)
    assert told.counts["unguarded_writes"] > 0
    assert told.counts["vanished_locks"] > 0


def test_a_dropped_connection_counts_unless_its_server_was_killed(tmp_path: Path) -> None:
    told = Told()
    with Fleet(tmp_path, 1) as fleet:
        client = Client(fleet, told, "")
        assert client.ask("OPTIONS /").status == 200
        fleet.kill(0)
        assert client.ask("OPTIONS /").status == 200
        assert told.counts["dropped"] == 0
        fleet.servers[0].stop(signal.SIGKILL)
        assert client.ask("OPTIONS /").status == 0
        assert told.counts["dropped"] == 1
        client.close()


def test_what_is_left_over_is_told(tmp_path: Path) -> None:
    with Fleet(tmp_path, 1) as fleet:
        client = Client(fleet, Told(), "")
        assert client.ask("PUT /file", body=b"x").status == 201
        client.close()
    (state,) = fleet.states
    assert list(leftovers.of(fleet.root, state)) == []
    (fleet.root / ".~dav-0123456789abcdef").touch()
    with closing(sqlite3.connect(state, isolation_level=None)) as database:
        for name in (b"file", b"gone"):
            row = (bytes(fleet.root.resolve()), name, "{urn:t}note", "<x/>")
            columns = "(parent, name, property, value)"
            database.execute(f"INSERT INTO property {columns} VALUES (?, ?, ?, ?)", row)
    first, second = leftovers.of(fleet.root, state)
    assert first == ".~dav-0123456789abcdef is left over"
    assert second.startswith("properties of nothing: ")
    assert second.endswith("/gone")


def test_a_body_tells_whether_it_is_whole() -> None:
    data = contents.content("n1", 1000)
    assert contents.name(data) == "n1"
    other = contents.content("n2", 1000)
    half = len(data) // 2
    for torn in (b"", data[:-1], data[:half], data[:half] + other[half:], data + b"x", b"x" + data):
        assert contents.name(torn) is None

"""The measuring itself: it counts right answers and rejects wrong ones. Nothing here is timed."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import (
    answers,
    changes,
    crowd,
    ground,
    liars,
    measure,
    processes,
    results,
    tables,
    workloads,
)
from tests.bench.__main__ import main
from tests.bench.answers import Wrong
from tests.bench.client import Client, Unanswered
from tests.bench.liars import Bend, Keep
from tests.bench.measure import Comparison, Pair, Rejected, Sample
from tests.bench.peers import Peer, Server

SCALE = 0.005
LISTINGS = ("allprop", "named", "dead", "infinity")
CHANGES = ("copy", "delete", "move")
PUTS = ("puts", "overputs")
GET = b"GET / HTTP/1.1\r\n\r\n"


def asked(
    name: str, root: Path, bend: Bend = liars.whole, keep: Keep = liars.all_of_it, *, thorough: bool
) -> None:
    """Put one workload to a server that lies. Raises Wrong."""
    workload = workloads.every(SCALE)[name]
    workload.lay(root, seed=7)
    with liars.telling(root, bend, keep) as server:
        workload.ask(server, Client(), thorough=thorough)


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", LISTINGS)
def test_a_whole_listing_counts(name: str, thorough: bool, tmp_path: Path) -> None:
    asked(name, tmp_path, thorough=thorough)


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", LISTINGS)
def test_half_a_listing_is_rejected(name: str, thorough: bool, tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="response elements"):
        asked(name, tmp_path, liars.half, thorough=thorough)


@pytest.mark.parametrize("bend", [liars.swollen, liars.renamed])
@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_of_other_things_is_rejected(name: str, bend: Bend, tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        asked(name, tmp_path, bend, thorough=True)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_only_claimed_is_rejected(name: str, tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        asked(name, tmp_path, thorough=False)


@pytest.mark.parametrize("name", PUTS)
def test_files_that_are_stored_count(name: str, tmp_path: Path) -> None:
    asked(name, tmp_path, thorough=False)


@pytest.mark.parametrize("keep", [liars.nothing, liars.cut_short, liars.altered])
@pytest.mark.parametrize("name", PUTS)
def test_files_that_are_only_claimed_are_rejected(name: str, keep: Keep, tmp_path: Path) -> None:
    with pytest.raises(Wrong, match=r"members, not|stored other bytes"):
        asked(name, tmp_path, keep=keep, thorough=False)


def test_a_change_of_half_the_tree_is_rejected(tmp_path: Path) -> None:
    planted = workloads.every(SCALE)["copy"]
    planted.lay(tmp_path, seed=7)
    before = ground.standing(tmp_path / "tree")
    shutil.copytree(tmp_path / "tree", tmp_path / "copy")
    changes.same(tmp_path / "copy", before)

    next((tmp_path / "copy").glob("*/*")).unlink()

    with pytest.raises(Wrong):
        changes.same(tmp_path / "copy", before)


def test_a_property_refused_inside_a_207_is_rejected(tmp_path: Path) -> None:
    workload = workloads.every(SCALE)["dead"]
    workload.lay(tmp_path, seed=7)
    with liars.telling(tmp_path) as server, pytest.raises(Wrong, match="did not store"):
        workload.arrange(server, Client())


def test_the_one_who_answered_wrongly_is_named(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def serve(place: Path) -> Iterator[Server]:
        with liars.telling(place / "root", liars.half) as server:
            yield server

    liar = Peer("teller", lambda: "teller 1", lambda: "", serve)
    workload = workloads.every(SCALE)["allprop"]

    with (
        measure.watched(liar, workload, tmp_path / "teller", seed=7) as side,
        pytest.raises(Rejected) as caught,
    ):
        measure.compare(side, side, pairs=1, longest=1)

    assert caught.value.server == "teller"
    assert not (tmp_path / "teller").exists()


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
    ],
)
def test_the_client_reads_an_answer(raw: bytes, body: bytes) -> None:
    with liars.saying(raw) as port:
        assert Client().send(port, "GET", "/").body == body
        assert set(crowd.send(port, [GET] * 2, 2).statuses) <= {200, 204}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n",
    ],
)
def test_the_client_takes_no_half_answer(raw: bytes) -> None:
    with liars.saying(raw) as port:
        with pytest.raises(Unanswered):
            Client().send(port, "GET", "/")
        with pytest.raises(Unanswered):
            crowd.send(port, [GET], 2)


def test_a_connection_that_is_closed_after_an_answer_is_opened_anew() -> None:
    with liars.saying(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n") as port:
        assert crowd.send(port, [GET] * 5, 2).statuses == [201] * 5


def test_no_answer_is_longer_than_it_says() -> None:
    with (
        liars.saying(b"HTTP/1.1 204 No Content\r\n\r\nmore") as port,
        pytest.raises(Unanswered, match="bytes of"),
    ):
        crowd.send(port, [GET] * 2, 1)


def pair(ours: float, theirs: float, others: float = 0.0) -> Pair:
    return Pair(Sample(ours, 0.0, 0), Sample(theirs, 0.0, 0), others)


def test_noisy_pairs_are_thrown_away_where_enough_are_left() -> None:
    quiet = [pair(1, 2), pair(1, 3), pair(1, 4)]
    compared = Comparison([pair(1, 100, others=0.9), *quiet], 0, 0)
    assert (compared.ratio, compared.noisy) == (3, False)


def test_noisy_pairs_are_kept_and_named_where_too_few_are_left() -> None:
    compared = Comparison([pair(1, 100, others=0.9), pair(1, 50, others=0.9), pair(1, 2)], 0, 0)
    assert (compared.ratio, compared.noisy) == (50, True)


def test_ours_goes_first_every_other_time() -> None:
    assert list(measure.turns(4)) == [True, False, True, False]


def test_a_process_tree_counts_its_children() -> None:
    command = [sys.executable, "-c", "print(1, flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        tree = {stat.pid for stat in processes.below(os.getpid(), processes.stats())}
        alone = processes.memory(child.pid, "VmRSS")
        child.communicate(b"\n")
    assert {os.getpid(), child.pid} <= tree
    assert 0 < alone < processes.memory(os.getpid(), "VmHWM") + alone


def test_the_same_seed_lays_the_same_tree(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        workloads.every(SCALE)["infinity"].lay(tmp_path / name, seed=3)
        trees.append(ground.standing(tmp_path / name))
    assert trees[0] == trees[1]
    assert sum(size is not None for size in trees[0].values()) == 250


def test_members_are_read_whatever_the_prefix() -> None:
    body = (
        b'<multistatus xmlns="DAV:"><response><href>http://host/a%20b/</href><propstat>'
        b"<prop><resourcetype><collection/></resourcetype><displayname>a b</displayname></prop>"
        b"<status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
    )
    (member,) = answers.members(body)
    assert (member.path, member.collection) == ("a b", True)
    assert member.properties["{DAV:}displayname"] == "a b"


def test_the_command_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, kept = tmp_path / "place", tmp_path / "bench.json"
    place.mkdir()
    chosen = ("allprop", "infinity", "ranges")
    arguments = ["--scale", str(SCALE), "--pairs", "1", "--peers", "wsgidav,nginx", "--plain"]
    arguments += ["--only", ",".join((*chosen, "start")), "--json", str(kept)]

    assert main([*arguments, "--image-dir", str(place)]) == 0

    printed = capsys.readouterr().out
    rows = [line.strip("|").split("|") for line in printed.splitlines() if "| wsgidav |" in line]
    _, *rows, start = rows
    every = workloads.every(SCALE)
    assert [cells[0].strip() for cells in rows] == [every[name].title for name in chosen]
    assert all(float(cells[2]) > 0 for cells in rows)
    assert float(start[1]) > 0
    assert "* nginx: lacks: it answers 403 to Depth: infinity (infinity)" in printed
    assert "wsgidav 4." in printed.splitlines()[0]
    assert [each.name for each in results.load(kept).starts][:2] == ["davserver", "wsgidav"]
    assert list(place.iterdir()) == []

    assert tables.main([str(kept)]) == 0
    again = capsys.readouterr().out
    assert again.startswith(printed.rstrip())

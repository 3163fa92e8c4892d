"""Each further workload counts what is right, and rejects what is only claimed."""

import json
from pathlib import Path

import pytest

from tests.bench import liars, rates, workloads
from tests.bench.answers import Wrong
from tests.bench.changes import alike
from tests.bench.client import Client, Unanswered
from tests.bench.liars import Keep
from tests.running import missing

SCALE = 0.005
RIGHT = ("get-big", "put-big", "chunked-big", "ranges")
REFUSED = (
    ("get-big", liars.cut_short, "bytes, not|early"),
    ("get-big", liars.altered, "other bytes"),
    ("put-big", liars.nothing, "did not store all"),
    ("put-big", liars.cut_short, "did not store all"),
    ("put-big", liars.altered, "stored other bytes"),
    ("chunked-big", liars.cut_short, "did not store all"),
    ("chunked-big", liars.altered, "stored other bytes"),
    ("ranges", liars.altered, "other bytes"),
    ("ranges", liars.cut_short, "other bytes"),
    ("get-1k", liars.altered, "other bytes"),
    ("get-100k", liars.cut_short, "other bytes"),
)


def asked(
    name: str,
    place: Path,
    keep: Keep = liars.all_of_it,
    patched: str = "403 Forbidden",
    *,
    thorough: bool = True,
) -> None:
    """Put one workload to a server that lies. Raises Wrong, Unanswered."""
    root = place / "liar" / "root"
    root.mkdir(parents=True)
    workload = workloads.every(SCALE)[name]
    workload.lay(root, seed=7)
    with liars.telling(root, keep=keep, patched=patched) as server:
        workload.arrange(server, Client())
        workload.ask(server, Client(), thorough=thorough)


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_a_big_file_that_is_right_counts(name: str, thorough: bool, tmp_path: Path) -> None:
    asked(name, tmp_path, thorough=thorough)


@pytest.mark.parametrize(("name", "keep", "why"), REFUSED)
def test_other_bytes_are_rejected(name: str, keep: Keep, why: str, tmp_path: Path) -> None:
    with pytest.raises((Wrong, Unanswered), match=why):
        asked(name, tmp_path, keep)


def test_a_big_answer_that_is_too_short_is_rejected_without_a_look_at_its_bytes(
    tmp_path: Path,
) -> None:
    with pytest.raises((Wrong, Unanswered), match="bytes, not"):
        asked("get-big", tmp_path, liars.cut_short, thorough=False)


def test_collections_that_are_only_claimed_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="members, not"):
        asked("mkcol", tmp_path)


def test_properties_that_are_refused_within_a_207_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="did not store"):
        asked("proppatch", tmp_path)


def test_properties_that_are_only_claimed_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="is not there"):
        asked("proppatch", tmp_path, patched="200 OK")


@pytest.mark.parametrize("name", ["locks", "locks-1000"])
def test_locks_that_hold_nobody_are_rejected(name: str, tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="locks are not enforced"):
        asked(name, tmp_path)


def test_copies_with_other_bytes_are_rejected(tmp_path: Path) -> None:
    for name, text in (("one", b"abc"), ("two", b"abd")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(text)
    alike(tmp_path / "one", tmp_path / "one", {"file": 3})
    with pytest.raises(Wrong, match="copied other bytes"):
        alike(tmp_path / "one", tmp_path / "two", {"file": 3})


@pytest.mark.parametrize("name", ["rclone-up", "rclone-down"])
def test_an_rclone_that_failed_is_rejected(name: str, tmp_path: Path) -> None:
    if why := workloads.missing(name):
        missing(why)
    root = tmp_path / "liar" / "root"
    root.mkdir(parents=True)
    workload = workloads.every(SCALE)[name]
    workload.lay(root, seed=7)
    forbidden = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    with (
        liars.telling(root) as teller,
        liars.saying(forbidden) as port,
        pytest.raises(Wrong, match="rclone ended with"),
    ):
        workload.ask(type(teller)("liar", port, teller.pid, root), Client(), thorough=False)


def told(**counts: int) -> str:
    """What wrk's script says of a run."""
    errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
    return "Running 1s test\n" + json.dumps(
        {"requests": 10, "microseconds": 2_000_000, "bytes": 100, **errors, **counts}
    )


def test_a_rate_is_a_time_for_each_request() -> None:
    answer = rates.counted(told())
    assert (answer.seconds, answer.count) == (2, 10)


@pytest.mark.parametrize("what", ["connect", "read", "write", "status", "timeout"])
def test_a_rate_with_an_error_is_rejected(what: str) -> None:
    with pytest.raises(Wrong, match=what):
        rates.counted(told(**{what: 1}))


def test_a_rate_of_nothing_is_rejected() -> None:
    with pytest.raises(Wrong):
        rates.counted(told(requests=0))


def test_wrk_counts_the_answers_that_are_errors() -> None:
    if why := rates.missing():
        missing(why)
    refusal = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    with liars.saying(refusal) as port, pytest.raises(Wrong, match="status"):
        rates.run(port, "/", ("GET", "", ""), 1)

"""Goals are held against what was measured, and results are kept and told whole."""

from pathlib import Path

import pytest

from tests.bench import goals, install, report, results, workloads
from tests.bench.measure import Comparison, Pair, Sample
from tests.bench.more_peers import PEERS
from tests.bench.report import Row
from tests.bench.results import Results
from tests.bench.startup import Started


def row(workload: str, peer: str, ratio: float, memory: int = 0) -> Row:
    pair = Pair(Sample(0.001, 0.0, 0), Sample(0.001 * ratio, 0.0, 0), 0.0)
    return Row(workload, workload, peer, Comparison([pair], memory, 0))


def lacking(workload: str, peer: str) -> Row:
    return Row(workload, workload, peer, None, "lacks: it cannot", lacking=True)


def test_a_goal_that_is_missed_or_not_measured_is_named() -> None:
    assert goals.missed([row("copy", "apache", 1.01)], ["apache"]) == []
    assert goals.missed([row("copy", "apache", 0.99)], ["apache"]) == [
        "goal copy: at least 1 times as fast as apache; it is 0.99 times"
    ]
    assert goals.missed([row("copy", "wsgidav", 9)], ["wsgidav", "apache"]) == [
        "goal copy: at least 1 times as fast as apache; not measured"
    ]
    assert goals.missed([row("infinity", "apache", 2, memory=41_000_000)], ["apache"]) == [
        "goal infinity: less than 40 MB above idle; it is 41.0 MB"
    ]


def test_what_a_peer_lacks_is_neither_met_nor_missed() -> None:
    assert goals.missed([lacking("proppatch", "xnet")], ["xnet"]) == []
    both = [lacking("proppatch", "xnet"), row("proppatch", "apache", 0.5)]
    assert len(goals.missed(both, ["xnet", "apache"])) == 1


def test_a_server_that_answered_wrongly_is_not_one_that_lacks_it() -> None:
    wrong = Row("copy", "copy", "apache", None, "rejected: apache: answered 500")
    assert goals.missed([wrong], ["apache"]) == [
        "goal copy: at least 1 times as fast as apache; not measured"
    ]


def test_a_wish_is_told_apart_from_its_floor() -> None:
    rows = [row("get-1k", "xnet", 0.7), row("get-1k", "apache", 0.6)]
    assert goals.missed(rows, ["xnet", "apache"]) == [
        "goal get-1k: at least 0.667 times as fast as apache; it is 0.60 times"
    ]
    assert goals.unstretched(rows) == ["wish get-1k: 1 times as fast as xnet; it is 0.70 times"]


def test_goals_name_what_there_is() -> None:
    assert {goal.workload for goal in goals.GOALS} == set(workloads.every(1))
    assert {goal.peer for goal in goals.GOALS} <= {"", *PEERS}
    for peer in PEERS.values():
        assert peer.only <= set(workloads.every(1))
        assert peer.lacks.keys() <= set(workloads.every(1))


def test_results_are_kept_whole(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    kept = Results(
        ["one"],
        [row("copy", "apache", 2), lacking("dead", "nginx")],
        [Started("apache", [0.5], [1000])],
    )
    results.save(kept, file)
    assert results.load(file) == kept


def test_of_two_runs_the_last_counts() -> None:
    first = Results(["one"], [row("copy", "apache", 2), row("move", "apache", 3)], [])
    second = Results(["two"], [row("copy", "apache", 4)], [])
    merged = results.merged([first, second])
    assert merged.headers == ["one", "two"]
    assert merged.rows == [row("copy", "apache", 4), row("move", "apache", 3)]


def test_the_overview_has_a_line_for_each_workload_and_a_column_for_each_peer() -> None:
    rows = [
        row("copy", "apache", 2.345),
        row("copy", "nginx", 0.5),
        row("dead", "apache", 12.34),
        lacking("dead", "nginx"),
    ]
    assert report.overview(rows).splitlines() == [
        "| times as fast as | apache | nginx |",
        "| --- | --- | --- |",
        "| copy | 2.35 | **0.500** |",
        "| dead | 12.3 | lacks |",
        "",
        "Above 1 we are faster; **bold**: behind.",
        "* nginx: lacks: it cannot (dead)",
    ]


def test_half_an_environment_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = install.absence("copyparty")
    assert missing() == "copyparty is not installed (python -m tests.bench.install)"
    place = tmp_path / "davserver-bench" / "copyparty"
    place.mkdir(parents=True)
    assert missing()
    (place / "installed").write_text("copyparty")
    assert not missing()

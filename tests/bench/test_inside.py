"""The measuring below the dispatcher: it names what is unfair or not stored. Nothing is timed."""

from http import HTTPStatus
from pathlib import Path

import pytest

from davserver import methods
from davserver.protocol.messages import Answer
from tests.bench import direct, entrance, inside, processes
from tests.bench.answers import Wrong
from tests.bench.entrance import Visit


def test_the_command_measures_every_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--puts", "10", "--sections", "20", "--seconds", "0.1", "--rounds", "1"]

    assert inside.main([*size, "--plain", "--image-dir", str(tmp_path)]) == 0

    rows = [line.strip("|").split("|") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [cells[7].strip() for cells in rows[:3]] == ["10", "10", "20"]
    assert all(float(cells[5]) > 0 for cells in rows[:4])
    assert len(rows) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [HTTPStatus.CREATED, HTTPStatus.NO_CONTENT])
def test_a_put_that_is_only_claimed_is_rejected(
    status: HTTPStatus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with direct.opened(root, tmp_path / "state.db") as shares:
        assert len(direct.put(shares, root, {"a": b"1"}, HTTPStatus.CREATED)) == 1
        monkeypatch.setattr(methods, "run", lambda request, shares: Answer(status))
        with pytest.raises(Wrong, match="did not store"):
            direct.put(shares, root, {"b": b"2"}, status)


def test_who_is_passed_by_is_counted() -> None:
    in_turn = [Visit(number - 1.5, number) for number in range(100)]
    assert set(entrance.passed(in_turn)) == {0, 1}

    passed = entrance.passed([*in_turn, Visit(0.5, 90.5)])

    assert sorted(passed)[-2:] == [2, 90]


def found(**samples: list[float]) -> dict[str, inside.Figure]:
    good = {"put": [150.0], "section": [30.0], "wait": [200.0], "passed": [7.0]}
    return {
        name: inside.figure(name, each, others=0, unit=1) for name, each in (good | samples).items()
    }


def test_a_goal_that_is_missed_is_named() -> None:
    assert inside.missed(found()) == []
    assert inside.missed(found(put=[150, 201, 202])) == [
        "goal put: less than 200 us of CPU in the median; it is 201.0"
    ]
    assert inside.missed(found(section=[101])) == [
        "goal section: tens of microseconds in the median; it is 101.0"
    ]
    assert inside.missed(found(wait=[10, 10, 205])) == [
        "goal wait: no wait above 20 times the median; it is 20.5"
    ]
    assert inside.missed(found(passed=[0, 0, 5000])) == [
        "goal passed: nobody is passed by 20 times as often; it is inf"
    ]


def test_the_swiftest_round_counts() -> None:
    rounds = [([3.0, 1.0, 9.0], 0.1), ([2.0, 2.5, 2.0], 0.3), ([4.0, 4.0, 4.0], 0.0)]
    assert inside.swiftest(rounds) == ([2.0, 2.5, 2.0], 0.3)


def test_the_quietest_round_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Others:
        def cores(self) -> float:
            return next(cores)

    cores, rounds = iter([0.5, 0.1, 0.9]), iter("abc")
    monkeypatch.setattr(processes, "Others", Others)
    assert inside.quietest(3, lambda: next(rounds)) == ("b", 0.1)

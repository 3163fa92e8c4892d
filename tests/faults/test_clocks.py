"""Steps of the clock in the size of CI, and servers that go by the time of day."""

from pathlib import Path

import pytest

from tests.faults import clocks
from tests.faults.__main__ import parsed
from tests.faults.clocks import Clock
from tests.faults.told import Told
from tests.running import missing

BY_TIME_OF_DAY = """
import time
from davserver.shares import Shares
Shares.now = property(lambda self: time.time())
"""

ONE_TAG = """
from davserver.protocol import resources
resources.etag = lambda facts: '"always"'
"""


@pytest.fixture(autouse=True)
def installed() -> None:
    if clocks.library() is None:
        missing("libfaketime is not installed (Debian package faketime)")


def test_no_step_of_the_clock_ends_a_lock_or_lets_it_live_on() -> None:
    report = clocks.run(parsed(["clocks"]))
    assert report.violations == ()
    assert int(report.figures["steps"]) == 7
    assert int(report.figures["restarts"]) == 3


def test_locks_that_live_by_the_time_of_day_are_found_out(tmp_path: Path) -> None:
    told = Told()
    clocks.stepped(tmp_path, parsed(["clocks", "--steps", "2"]), told, change=BY_TIME_OF_DAY)
    assert told.counts["vanished"] > 0
    assert told.counts["overlived"] > 0
    assert told.counts["not_stepped"] == 0


def test_a_clock_that_does_not_step_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "environment", {})
    told = Told()
    clocks.stepped(tmp_path, parsed(["clocks", "--steps", "1"]), told)
    assert told.counts["not_stepped"] == 1


def test_a_tag_that_comes_twice_is_found_out(tmp_path: Path) -> None:
    told = Told()
    clocks.stepped(tmp_path, parsed(["clocks", "--steps", "1"]), told, change=ONE_TAG)
    assert told.counts["repeated_tags"] > 0

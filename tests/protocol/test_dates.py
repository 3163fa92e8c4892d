"""Dates as they are written."""

from datetime import UTC, datetime
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import dates, headers

FIRST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


@given(st.integers(FIRST, LAST))
def test_a_moment_is_written_in_both_forms(seconds: int) -> None:
    when = datetime.fromtimestamp(seconds, UTC)
    assert dates.http(seconds) == format_datetime(when, usegmt=True)
    assert dates.iso(seconds) == when.strftime("%Y").zfill(4) + when.strftime("-%m-%dT%H:%M:%SZ")
    assert dates.both(seconds) == (dates.http(seconds), dates.iso(seconds))


@given(st.integers(0, LAST))
def test_what_is_written_is_read_back(seconds: int) -> None:
    found = headers.date(dates.http(seconds))
    assert found is not None
    assert int(found.timestamp()) == seconds
    assert datetime.fromisoformat(dates.iso(seconds)) == found


@given(st.integers(-(2**70), 2**70))
def test_what_no_date_can_hold_is_still_a_date(seconds: int) -> None:
    http, iso = dates.both(seconds)
    assert len(http) == 29
    assert len(iso) == 20

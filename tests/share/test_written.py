"""How many listings note what they write."""

from davserver.share.written import NOTING, Written


def test_no_more_note_at_a_time_than_the_bound() -> None:
    written = Written()
    assert [written.begin() for _ in range(NOTING + 2)] == [True] * NOTING + [False] * 2
    written.end()
    assert written.begin()
    assert not written.begin()

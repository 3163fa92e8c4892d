"""Byte ranges against a model that counts bytes one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from davserver.protocol import ranges
from davserver.protocol.faults import Fault
from davserver.protocol.ranges import Range
from tests.protocol import values

Spec = tuple[int | None, int | None]

SPECS = st.tuples(st.none() | st.integers(0, 24), st.none() | st.integers(0, 24)).filter(
    lambda spec: spec != (None, None)
)


def wanted(specs: list[Spec], size: int) -> set[int] | None:
    """Which bytes the specs ask for; None where one breaks the grammar of section 14.1.2."""
    found: set[int] = set()
    for first, last in specs:
        if first is None:
            assert last is not None
            found |= set(range(max(0, size - last), size))
        elif last is not None and last < first:
            return None
        else:
            found |= set(range(first, size if last is None else min(last + 1, size)))
    return found


def runs(found: set[int]) -> int:
    """How many pieces without a gap some bytes make."""
    return sum(byte - 1 not in found for byte in found)


@settings(max_examples=500)
@given(st.lists(SPECS, min_size=1, max_size=14), st.integers(0, 20))
def test_ranges_are_those_of_the_model(specs: list[Spec], size: int) -> None:
    text = "bytes=" + " , ".join(
        f"{'' if first is None else first}-{'' if last is None else last}" for first, last in specs
    )
    expected = wanted(specs, size)
    # A suffix of some bytes can be satisfied even where there are none (section 14.1.2).
    suffix = any(first is None and last for first, last in specs)
    if expected is not None and not expected and not suffix:
        with pytest.raises(Fault) as refused:
            ranges.parse(text, size)
        assert refused.value.status == 416
        assert refused.value.headers == (("Content-Range", f"bytes */{size}"),)
        return
    found = ranges.parse(text, size)
    if expected is None or runs(expected) > ranges.MOST:
        assert found == ()
        return
    sent = [byte for one in found for byte in range(one.first, one.last + 1)]
    assert sent == sorted(expected)
    assert len(found) == runs(expected)
    assert sum(one.size for one in found) == len(expected)


WHOLE = {
    "absent": None,
    "another unit": "items=0-1",
    "no unit": "0-1",
    "no ranges": "bytes=",
    "only commas": "bytes=,,",
    "a minus alone": "bytes=-",
    "letters": "bytes=a-b",
    "a sign": "bytes=+1-2",
    "digits that are not ASCII": "bytes=٣-٤",
    "backwards": "bytes=9-5",
    "one that is wrong spoils all": "bytes=0-1,x",
    "more digits than any file needs": "bytes=" + "9" * 5000 + "-",
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_what_breaks_the_grammar_is_passed_over(text: str | None) -> None:
    assert ranges.parse(text, 100) == ()


def test_the_unit_may_be_written_in_any_case() -> None:
    assert ranges.parse("Bytes=0-0", 2) == (Range(0, 0),)


def test_no_bytes_at_the_end_cannot_be_satisfied() -> None:
    with pytest.raises(Fault, match="416"):
        ranges.parse("bytes=-0", 100)


def test_ten_thousand_ranges_are_answered_with_the_whole() -> None:
    text = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(10_000))
    assert ranges.parse(text, 100_000) == ()
    assert ranges.parse("bytes=" + ",".join(["0-"] * 10_000), 9) == (Range(0, 8),)


@given(values.ANY_TEXT | st.text("bytes=0123456789,- ", max_size=60), st.integers(0, 2**63))
def test_any_text_is_ranges_or_416(text: str, size: int) -> None:
    values.refused(lambda: ranges.parse(text, size))
    values.refused(lambda: ranges.parse("bytes=" + text, size))

"""Who reads a file in ranges, as players and mounted drives do, asks for the same each time but for
the range: it is answered without the application, and never with what was.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from davserver.protocol.messages import WHOLE
from tests.serving.repeating import ASKED, Served, asked, is_repeated, serving, without_date
from tests.wire import talk
from tests.wire.talk import Reply, Talk

CONTENT = random.Random(20261126).randbytes(3 * WHOLE)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as found:
        (found.root / "file").write_bytes(CONTENT)
        yield found


def wanting(text: str, *fields: str) -> bytes:
    return talk.request("GET /file", f"Range: {text}", *fields)


def fresh(client: Talk, request: bytes, number: int) -> Reply:
    """The answer of the application, which has never been asked with this number."""
    return asked(client, request.replace(b"Host:", b"X-Number: %d\r\nHost:" % number, 1))


def without_boundary(reply: Reply) -> tuple[int, bytes]:
    """That between ranges is another one each time."""
    boundary = reply.headers.get("content-type", "").partition("boundary=")[2]
    return reply.status, reply.body.replace(boundary.encode(), b"") if boundary else reply.body


def test_any_range_is_given_once_two_were(served: Served) -> None:
    with Talk(served.port) as client:
        for first in range(ASKED):
            asked(client, wanting(f"bytes={first}-{first + 99}"))
        for first, last in ((0, 0), (7, 70_000), (5, WHOLE + 4), (len(CONTENT) - 1,) * 2):
            request = wanting(f"bytes={first}-{last}")
            assert is_repeated(served, client, request)
            reply = asked(client, request)
            assert reply.status == 206
            assert reply.body == CONTENT[first : last + 1]
            assert reply["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
            calls = served.calls
            assert without_date(reply) == without_date(fresh(client, request, last))
            assert served.calls == calls + 1


def test_a_range_beyond_the_end_ends_there(served: Served) -> None:
    with Talk(served.port) as client:
        asked(client, wanting("bytes=0-9"), ASKED)
        size = len(CONTENT)
        request = wanting(f"bytes={size - 5}-{size + 5}")
        assert is_repeated(served, client, request)
        assert asked(client, request).body == CONTENT[-5:]
        beyond = asked(client, wanting(f"bytes={size}-{size + 5}"))
        assert (beyond.status, beyond["content-range"]) == (416, f"bytes */{size}")
        assert is_repeated(served, client, request)


@pytest.mark.parametrize(
    "text",
    [
        f"bytes=0-{WHOLE}",
        "bytes=9-5",
        "bytes=0-3, 10-13",
        "bytes=0-3\r\nRange: 10-13",
        "bytes=0-3\r\nrange: bytes=10-13",
        "lines=0-3",
        "bytes=0-3x",
        "bytes=-",
        f"bytes=0-{'9' * 16}",
        f"bytes={'9' * 14}-{'9' * 15}",
    ],
)
def test_what_is_not_one_small_range_is_no_other_one(served: Served, text: str) -> None:
    with Talk(served.port) as client:
        asked(client, wanting("bytes=20-29"), ASKED)
        wanted = without_boundary(fresh(client, wanting(text), 0))
        for _ in range(ASKED):
            assert without_boundary(asked(client, wanting(text))) == wanted
        assert asked(client, wanting("bytes=21-22")).body == CONTENT[21:23]


@pytest.mark.parametrize("text", ["bytes=-100", "bytes=393200-"])
def test_an_open_range_is_the_same_each_time(served: Served, text: str) -> None:
    with Talk(served.port) as client:
        before = asked(client, wanting(text), ASKED)
        assert is_repeated(served, client, wanting(text))
        assert without_date(asked(client, wanting(text))) == without_date(before)
        assert before.status == 206


def test_a_whole_is_no_range_and_a_range_no_whole(served: Served) -> None:
    (served.root / "file").write_bytes(CONTENT[:1000])
    whole = talk.request("GET /file")
    with Talk(served.port) as client:
        asked(client, wanting("bytes=0-9"), ASKED)
        assert (asked(client, whole, ASKED).status, asked(client, whole).body) == (
            200,
            CONTENT[:1000],
        )
        assert asked(client, wanting("bytes=1-2")).body == CONTENT[1:3]


def test_the_field_is_known_in_any_case(served: Served) -> None:
    with Talk(served.port) as client:
        asked(client, talk.request("GET /file", "range:bytes=0-9 "), ASKED)
        request = talk.request("GET /file", "RANGE: \tbytes=3-4")
        assert is_repeated(served, client, request)
        assert asked(client, request).body == CONTENT[3:5]


def test_a_range_that_no_longer_fits_is_the_whole(served: Served) -> None:
    with Talk(served.port) as client:
        tag = asked(client, talk.request("GET /file"))["etag"]
        request = wanting("bytes=0-9", f"If-Range: {tag}")
        assert asked(client, request, ASKED).status == 206
        (served.root / "file").write_bytes(CONTENT[:1000])
        for _ in range(ASKED + 1):
            reply = asked(client, request)
            assert (reply.status, reply.body) == (200, CONTENT[:1000])


def test_no_head_has_a_range(served: Served) -> None:
    with Talk(served.port) as client:
        asked(client, wanting("bytes=0-9"), ASKED)
        reply = asked(client, talk.request("HEAD /file", "Range: bytes=0-9"), ASKED)
        assert (reply.status, reply["content-length"]) == (200, str(len(CONTENT)))


def test_any_sequence_of_ranges_and_changes(served: Served) -> None:
    dice = random.Random(20261126)
    file = served.root / "file"
    repeated = 0
    with Talk(served.port) as client, Talk(served.port) as other:
        for number in range(400):
            if dice.random() < 0.1:
                content = dice.randbytes(dice.choice((0, 10, 1000, 3 * WHOLE)))
                file.unlink()
                file.write_bytes(content)
                os.utime(file, (dice.randrange(10**9),) * 2)
            first = dice.randrange(dice.choice((5, 1000, 3 * WHOLE)))
            last = first + dice.randrange(-1, dice.choice((5, 1000, 2 * WHOLE)))
            request = wanting(f"bytes={first}-{last}")
            calls = served.calls
            known = asked(client, request)
            repeated += served.calls == calls
            assert without_date(known) == without_date(fresh(other, request, number))
    assert repeated > 100

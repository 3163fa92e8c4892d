"""Bytes that are nearly a request, in any pieces: each gets an answer that is one, and an end."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.inside import METHODS
from tests.security.test_noise import FIELDS, SENT, TARGETS
from tests.wire import talk
from tests.wire.conftest import Served
from tests.wire.talk import Reply, Talk

KNOWN = frozenset({501, 502, 505, 507})
"""Statuses from 500 on that blame the request."""
VERSIONS = st.sampled_from(["HTTP/1.1"] * 6 + ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", ""])
FRAMES = st.sampled_from(
    [
        "Content-Length: {}",
        "Content-Length: {}, {}",
        "Content-Length: +{}",
        "Content-Length: 99999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: {}\r\nTransfer-Encoding: chunked",
        "Expect: 100-continue\r\nContent-Length: {}",
        "Connection: close\r\nContent-Length: {}",
    ]
)
OCTETS = st.sampled_from(
    [b"\r", b"\n", b"\0", b" ", b":", b"\t", b"\xff", b"\r\n", b"a", b"%", b"0"]
)
MUTATIONS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), OCTETS), max_size=3)
ENDS = (b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n", b"")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, with a few of its octets replaced, left out or put in."""
    body = draw(st.sampled_from(SENT) | st.binary(max_size=30))
    frame = draw(FRAMES)
    if "chunked" in frame and draw(st.booleans()):
        body = talk.chunked(*([body] if body else []))
    line = f"{draw(st.sampled_from(METHODS))} {draw(TARGETS)} {draw(VERSIONS)}".rstrip()
    fields = ["Host: localhost", *draw(FIELDS), frame.replace("{}", str(len(body)))]
    octets = "\r\n".join([line, *fields]).encode("utf-8") + draw(st.sampled_from(ENDS)) + body
    for where, gone, new in draw(MUTATIONS):
        at = int(where * len(octets))
        octets = octets[:at] + new + octets[at + gone :]
    return octets


def answers(connection: Talk) -> list[Reply]:
    """All that is answered until the server ends the connection, which it must not reset."""
    found = []
    while connection.has_more():
        found.append(connection.reply())
    return found


def test_whatever_comes_gets_answers_and_an_end(served: Served) -> None:
    (served.root / "a").write_bytes(b"content")
    refused = 0

    @settings(max_examples=1200, deadline=None)
    @given(requests(), st.lists(st.floats(0, 1), max_size=2))
    def heard(octets: bytes, cuts: list[float]) -> None:
        nonlocal refused
        places = [0, *sorted(int(cut * len(octets)) for cut in cuts), len(octets)]
        with Talk(served.port) as connection:
            for start, end in pairwise(places):
                connection.send(octets[start:end])
            connection.end()
            if octets.startswith((b"HEAD", b"\r\nHEAD")):
                return
            found = answers(connection)
        assert found or not octets.strip(b"\r\n")
        for one in found:
            assert one.status < 500 or one.status in KNOWN, one
            refused += one.status == 400

    heard()
    # The control: much of it is nothing sound.
    assert refused > 100
    assert talk.ask(served.port, "OPTIONS /").status == 200

"""What comes in: a head in one piece, whenever its pieces come, and never more than is allowed."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.serving import heads, pace
from davserver.serving.heads import Refused
from davserver.serving.streams import Inbox, Outbox

HEAD = b"GET / HTTP/1.1\r\nHost: a"


def never(came: int) -> None:
    """Nobody waits, since a socket with a time-out does."""
    pytest.fail(f"{came} bytes are waited behind")


@pytest.fixture
def ends() -> Iterator[tuple[Inbox, socket.socket]]:
    near, far = socket.socketpair()
    near.settimeout(5)
    with near, far:
        yield Inbox(near, never), far


def test_a_head_is_there_when_it_is_whole(ends: tuple[Inbox, socket.socket]) -> None:
    inbox, far = ends
    for piece in (HEAD[:5], HEAD[5:], b"\r\n\r"):
        far.sendall(piece)
        assert inbox.receive()
        assert inbox.head() is None
        assert inbox.has_data()
    far.sendall(b"\nbody")
    assert inbox.receive()
    assert inbox.head() == HEAD
    assert inbox.read1(2) == b"bo"
    assert inbox.read1(2) == b"dy"
    assert not inbox.has_data()


def test_the_end_is_told(ends: tuple[Inbox, socket.socket]) -> None:
    inbox, far = ends
    Outbox(far).push(b"one\n", b"tw")
    far.shutdown(socket.SHUT_WR)
    assert inbox.readline(100) == b"one\n"
    assert inbox.readline(1) == b"t"
    assert inbox.readline(100) == b"w"
    assert inbox.readline(100) == b""
    assert not inbox.receive()
    assert not inbox.has_data()


def test_one_empty_line_before_a_request_is_passed_over(ends: tuple[Inbox, socket.socket]) -> None:
    inbox, far = ends
    far.sendall(b"\r\n" + HEAD + b"\r\n\r\n\r\n")
    assert inbox.receive()
    assert inbox.head() == HEAD
    assert inbox.head() is None
    far.sendall(HEAD + b"\r\n\r\n")
    assert inbox.receive()
    assert inbox.head() == HEAD
    assert not inbox.has_data()


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.integers(1, 30))
def test_lines_and_pieces_are_what_was_sent(pieces: list[bytes], size: int) -> None:
    near, far = socket.socketpair()
    with near, far:
        for piece in pieces:
            far.sendall(piece)
        far.shutdown(socket.SHUT_WR)
        inbox, found = Inbox(near, never), b""
        while line := inbox.readline(size):
            assert len(line) <= size
            assert b"\n" not in line[:-1]
            found += line
        assert found == b"".join(pieces)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\rX", 400),
        (b"GET /\0", 400),
        (b"\x16\x03\x01", 400),
        (b"GET /" + b"a" * heads.LONGEST_LINE, 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * heads.LONGEST, 431),
    ],
)
def test_what_can_be_no_head_any_more_is_refused_at_once(
    octets: bytes, status: int, ends: tuple[Inbox, socket.socket]
) -> None:
    inbox, far = ends
    far.settimeout(5)
    taken = 0

    def take() -> None:
        nonlocal taken
        while taken < len(octets):
            taken += far.send(octets[taken : taken + 5000])
            inbox.receive()
            assert inbox.head() is None

    with pytest.raises(Refused) as raised:
        take()
    assert int(raised.value.status[:3]) == status
    assert taken < heads.LONGEST + 20_000


def test_a_head_that_drips_is_not_read_again_with_each_byte(
    ends: tuple[Inbox, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, far = ends
    looks: list[int] = []
    check = heads.check

    def counted(octets: bytes) -> None:
        looks.append(len(octets))
        check(octets)

    monkeypatch.setattr(heads, "check", counted)
    sent = HEAD + b"\r\nX-Long: " + b"a" * 5000
    for number in range(len(sent)):
        far.sendall(sent[number : number + 1])
        inbox.receive()
        assert inbox.head() is None
    assert len(looks) < 20
    far.sendall(b"\r\n\r\n")
    inbox.receive()
    assert inbox.head() == sent


def test_who_waits_for_no_answer_is_read_no_faster_than_answered() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        inbox, most, rest = Inbox(near, never), 0, b""
        for _ in range(20_000):
            rest = rest or (HEAD + b"\r\n\r\n") * 10_000
            with suppress(BlockingIOError):
                rest = rest[far.send(rest) :]
            assert inbox.receive()
            most = max(most, len(inbox.peek(1 << 30)))
            assert inbox.head() == HEAD
        assert heads.LONGEST < most <= heads.LONGEST + (1 << 16)


def test_a_head_that_is_too_long_is_refused_however_its_pieces_come(
    ends: tuple[Inbox, socket.socket],
) -> None:
    """One that is neither refused nor read would be looked at for ever."""
    inbox, far = ends
    for piece in (60_000, heads.LONGEST - 60_000, 4):
        far.sendall(
            b"GET / HTTP/1.1\r\nX: ".ljust(piece, b"x") if piece == 60_000 else b"x" * piece
        )
        came = len(inbox.peek(1 << 30))
        while len(inbox.peek(1 << 30)) < came + piece:
            assert inbox.receive()
        if piece > 4:
            assert inbox.head() is None
    with pytest.raises(Refused, match="too long"):
        inbox.head()


def test_bytes_of_earlier_requests_are_of_no_body() -> None:
    told: list[int] = []
    near, there = socket.socketpair()
    with near, there:
        near.settimeout(5)
        inbox = Inbox(near, never, told.append)
        head = HEAD + b"\r\nX: " + b"x" * 1000 + b"\r\n\r\n"
        for _ in range(1100):
            there.sendall(head)
            assert inbox.receive()
            assert inbox.head() is not None
        there.sendall(b"body")
        assert inbox.read1(4) == b"body"
        assert not told
        for _ in range(40):
            there.sendall(b"x" * 30_000)
            assert len(inbox.read1(30_000)) == 30_000
        assert len(told) == 1
        assert told[0] > pace.FLOW

"""Request bodies, however the bytes arrive."""

import io
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.serving.bodies import ChunkedBody, Invite, SizedBody


def sized(stream: io.BytesIO, length: int) -> SizedBody:
    return SizedBody(stream, length, Invite(io.BytesIO().write, False))


def chunked(stream: io.BytesIO) -> ChunkedBody:
    return ChunkedBody(stream, Invite(io.BytesIO().write, False))


PIECES = st.lists(st.integers(1, 70), max_size=20)


def whole(body: SizedBody | ChunkedBody, sizes: list[int]) -> bytes:
    """All of a body, read in pieces of these sizes and then in larger ones."""
    read = [body.read(size) for size in sizes]
    while data := body.read(1 << 16):
        read.append(data)
    return b"".join(read)


@given(st.binary(max_size=200), st.binary(max_size=10), PIECES)
def test_a_sized_body_ends_at_its_length(content: bytes, after: bytes, sizes: list[int]) -> None:
    stream = io.BytesIO(content + after)
    body = sized(stream, len(content))
    assert whole(body, sizes) == content
    assert body.read() == b""
    assert body.received == len(content)
    assert stream.read() == after


@given(st.binary(max_size=200), st.integers(1, 1000))
def test_a_sized_body_that_ends_early_is_short(content: bytes, missing: int) -> None:
    body = sized(io.BytesIO(content), len(content) + missing)
    assert whole(body, []) == content
    assert not sized(io.BytesIO(content), len(content) + missing).drain(1 << 20)


CHUNKS = st.lists(st.binary(min_size=1, max_size=50), max_size=8)
ENDS = st.sampled_from([b"0\r\n\r\n", b"00;a=b\r\nX: y\r\nZ: w\r\n\r\n", b"000000\r\n\r\n"])


def framed(chunks: list[bytes], end: bytes, extension: bytes) -> bytes:
    return b"".join(b"%X%s\r\n%s\r\n" % (len(one), extension, one) for one in chunks) + end


@given(
    CHUNKS,
    ENDS,
    st.sampled_from([b"", b";a", b" ; a=b", b'; b="c d"']),
    st.binary(max_size=9),
    PIECES,
)
def test_a_chunked_body_ends_at_its_last_chunk(
    chunks: list[bytes], end: bytes, extension: bytes, after: bytes, sizes: list[int]
) -> None:
    stream = io.BytesIO(framed(chunks, end, extension) + after)
    body = chunked(stream)
    assert whole(body, sizes) == b"".join(chunks)
    assert body.read() == body.read(5) == b""
    assert body.received == sum(map(len, chunks))
    assert stream.read() == after


@given(CHUNKS, ENDS, st.data())
def test_a_chunked_body_that_ends_early_is_broken_for_good(
    chunks: list[bytes], end: bytes, data: st.DataObject
) -> None:
    sent = framed(chunks, end, b"")
    cut = data.draw(st.integers(0, len(sent) - 1))
    body = chunked(io.BytesIO(sent[:cut]))
    with pytest.raises(ValueError, match=r"\w"):
        whole(body, [])
    with pytest.raises(ValueError, match="broken"):
        body.read()
    assert not chunked(io.BytesIO(sent[:cut])).drain(1 << 20)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_broken(noise: bytes) -> None:
    body = chunked(io.BytesIO(noise))
    try:
        assert len(whole(body, [])) <= len(noise)
    except ValueError:
        assert not chunked(io.BytesIO(noise)).drain(1 << 20)


class Endless(io.BytesIO):
    """Counts what is read of something that never ends."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self._held = block
        self._block = block
        self.given = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        while len(self._held) < size:
            self._held += self._block
        data, self._held = self._held[:size], self._held[size:]
        self.given += len(data)
        return data

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < (size or 0):
            line += self.read(1)
        return line


def test_no_more_is_drained_than_is_worth_it() -> None:
    stream = Endless(b"x" * 1000)
    assert not sized(stream, 1 << 40).drain(1 << 16)
    assert stream.given == 0
    stream = Endless(b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert not chunked(stream).drain(1 << 16)
    assert stream.given < 1 << 18


def test_a_small_rest_is_drained() -> None:
    assert sized(io.BytesIO(b"x" * 100), 100).drain(100)
    assert not sized(io.BytesIO(b"x" * 100), 100).drain(99)
    assert sized(io.BytesIO(b""), 0).drain(0)
    assert chunked(io.BytesIO(framed([b"x"] * 9, b"0\r\n\r\n", b""))).drain(100)


@pytest.mark.parametrize(
    "noise",
    [b"5;" + b"x" * 9999, b"0" * 9999, b"0\r\n" + b"A: b\r\n" * 9999, b"0\r\n" + b"A" * 9999],
)
def test_lines_that_never_end_are_not_held(noise: bytes) -> None:
    stream = Endless(noise)
    with pytest.raises(ValueError, match=r"\w"):
        whole(chunked(stream), [])
    assert stream.given < 1 << 17


TRAILERS = {
    "none": b"",
    "a field": b"X-Sum: 1\r\n",
    "two fields": b"X-Sum: 1\r\nY:\t2 \r\n",
    "a field without a value": b"X-Sum:\r\n",
    "a value with bytes beyond ASCII": b"X-Name: \xc3\xa9\xff\r\n",
}
NO_TRAILERS = {
    "a request line": b"GET /smuggled HTTP/1.1\r\n",
    "a request line behind a field": b"X-Sum: 1\r\nGET /smuggled HTTP/1.1\r\n",
    "a request line of an absolute target": b"GET http://a/smuggled HTTP/1.1\r\n",
    "no colon": b"X-Sum\r\n",
    "no name": b": 1\r\n",
    "a space before the colon": b"X-Sum : 1\r\n",
    "a space before the name": b" X-Sum: 1\r\n",
    "a fold": b"X-Sum: 1\r\n 2\r\n",
    "a fold of a tab": b"X-Sum: 1\r\n\t2\r\n",
    "a bare CR": b"X-Sum: 1\r2\r\n",
    "two CRs": b"X-Sum: 1\r\r\n",
    "a bare LF": b"X-Sum: 1\nY: 2\r\n",
    "a NUL": b"X-Sum: 1\0\r\n",
    "a NUL in the name": b"X\0Sum: 1\r\n",
    "another control character": b"X-Sum: \x0b1\r\n",
    "a bare CR alone": b"\r",
    "one line that is too long": b"X-Sum: " + b"1" * 5000 + b"\r\n",
    "too many fields": b"X-Sum: 1\r\n" * 2000,
}
AFTER = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize("trailers", TRAILERS.values(), ids=TRAILERS)
def test_trailers_are_passed_over(trailers: bytes) -> None:
    stream = io.BytesIO(framed([b"abc"], b"0\r\n" + trailers + b"\r\n", b"") + AFTER)
    body = chunked(stream)
    assert whole(body, []) == b"abc"
    assert body.left == 0
    assert stream.read() == AFTER


@pytest.mark.parametrize("trailers", NO_TRAILERS.values(), ids=NO_TRAILERS)
def test_trailers_that_are_no_fields_break_the_body(trailers: bytes) -> None:
    """RFC 9112 section 7.1.2: they have the grammar of the fields of a head."""
    sent = framed([b"abc"], b"0\r\n" + trailers + b"\r\n", b"") + AFTER
    body = chunked(io.BytesIO(sent))
    assert body.read(3) == b"abc"
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            body.read()
    unread = chunked(io.BytesIO(sent))
    assert not unread.drain(1 << 16)
    for one in (body, unread):
        assert one.is_too_long(1 << 16)
        assert one.left is None


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_waits_is_invited_once_and_only_by_a_reader() -> None:
    for make in (lambda invite: SizedBody(io.BytesIO(b"abc"), 3, invite), _three_in_chunks):
        said = io.BytesIO()
        body = make(Invite(said.write, True))
        assert said.getvalue() == b""
        assert body.read(1) == b"a"
        assert body.read() == b"bc"
        assert said.getvalue() == CONTINUE
        said = io.BytesIO()
        assert not make(Invite(said.write, True)).drain(1 << 16)
        assert said.getvalue() == b""
        said = io.BytesIO()
        assert whole(make(Invite(said.write, False)), []) == b"abc"
        assert said.getvalue() == b""


def _three_in_chunks(invite: Invite) -> ChunkedBody:
    return ChunkedBody(io.BytesIO(framed([b"abc"], b"0\r\n\r\n", b"")), invite)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.integers(1, 100))
def test_a_buffer_is_filled_with_what_is_in_the_chunks(chunks: list[bytes], size: int) -> None:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"
    content = b"".join(chunks)
    for body in (chunked(io.BytesIO(sent)), sized(io.BytesIO(content), len(content))):
        view, found = memoryview(bytearray(size)), b""
        while filled := body.readinto1(view):
            found += view[:filled]
        assert found == content
        assert body.left == 0


def test_a_broken_chunk_fills_nothing_more() -> None:
    for sent in (b"3\r\nab", b"3\r\nabcX\r\n", b"x", b"3\r\nabc\r\n-1\r\n"):
        body, view = chunked(io.BytesIO(sent)), memoryview(bytearray(10))
        with pytest.raises(ValueError, match=r"chunk|cut off"):
            list(iter(partial(body.readinto1, view), 0))
        assert body.is_too_long(1 << 16)


@given(st.lists(st.text("ab\n", max_size=9)), st.integers(-1, 12))
def test_lines_are_those_of_a_file(parts: list[str], size: int) -> None:
    """PEP 3333 asks for what a file has."""
    content = "".join(parts).encode()
    ours, file = sized(io.BytesIO(content), len(content)), io.BytesIO(content)
    for _ in range(4):
        assert ours.readline(size) == file.readline(size)
        assert ours.read(2) == file.read(2)
    assert ours.readlines(5) == file.readlines(5)
    assert list(ours) == list(file)
    assert ours.read() == b""

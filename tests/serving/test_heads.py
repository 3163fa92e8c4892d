"""Heads: what is sound is read, all else is refused with a status that says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.serving import heads
from davserver.serving.heads import Head, Refused, parse

HOST = b"\r\nHost: a"


def lines(*fields: bytes) -> bytes:
    return b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *fields))


SOUND: dict[str, tuple[bytes, Head]] = {
    "the least": (
        lines(),
        Head("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a"}, 0, True, False),
    ),
    "HTTP/1.0 without a host": (
        b"GET / HTTP/1.0",
        Head("GET", "/", "HTTP/1.0", {}, 0, False, False),
    ),
    "HTTP/1.0 that stays": (
        b"GET / HTTP/1.0\r\nConnection: Keep-Alive",
        Head("GET", "/", "HTTP/1.0", {"HTTP_CONNECTION": "Keep-Alive"}, 0, True, False),
    ),
    "a minor version of tomorrow": (
        b"GET / HTTP/1.7" + HOST,
        Head("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a"}, 0, True, False),
    ),
    "an absolute target": (
        b"GET http://b:8080/c?d HTTP/1.1" + HOST,
        Head("GET", "http://b:8080/c?d", "HTTP/1.1", {"HTTP_HOST": "b:8080"}, 0, True, False),
    ),
    "octets beyond ASCII": (
        b"GET /\xc3\xa9 HTTP/1.1" + HOST,
        Head("GET", "/\xc3\xa9", "HTTP/1.1", {"HTTP_HOST": "a"}, 0, True, False),
    ),
    "a length": (
        lines(b"content-LENGTH: 007 "),
        Head("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a", "CONTENT_LENGTH": "007"}, 7, True, False),
    ),
    "chunks": (
        lines(b"Transfer-Encoding:\tCHUNKED"),
        Head(
            *("GET", "/", "HTTP/1.1"),
            {"HTTP_HOST": "a", "HTTP_TRANSFER_ENCODING": "CHUNKED"},
            *(None, True, False),
        ),
    ),
    "lists on several lines": (
        lines(b'If-Match: "a"', b"Cookie: a=1", b'If-Match: "b"', b"Cookie: b=2", b"X:"),
        Head(
            *("GET", "/", "HTTP/1.1"),
            {
                "HTTP_HOST": "a",
                "HTTP_IF_MATCH": '"a", "b"',
                "HTTP_COOKIE": "a=1; b=2",
                "HTTP_X": "",
            },
            *(0, True, False),
        ),
    ),
    "a name that would shadow another": (
        lines(b"X-A: 1", b"X_A: 2", b"Content_Length: 9"),
        Head("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a", "HTTP_X_A": "1"}, 0, True, False),
    ),
    "the end is wanted": (
        lines(b"Connection: TE, Close"),
        Head(
            *("GET", "/", "HTTP/1.1"),
            {"HTTP_HOST": "a", "HTTP_CONNECTION": "TE, Close"},
            *(0, False, False),
        ),
    ),
    "an invitation is awaited": (
        lines(b"Expect: 100-Continue", b"Content-Length: 1"),
        Head(
            *("GET", "/", "HTTP/1.1"),
            {"HTTP_HOST": "a", "HTTP_EXPECT": "100-Continue", "CONTENT_LENGTH": "1"},
            *(1, True, True),
        ),
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_head_is_read(name: str) -> None:
    octets, head = SOUND[name]
    assert parse(octets) == head


REFUSED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no version": (b"GET /" + HOST, 400),
    "two spaces": (b"GET  / HTTP/1.1" + HOST, 400),
    "a tab": (b"GET\t/ HTTP/1.1" + HOST, 400),
    "a space in the target": (b"GET /a b HTTP/1.1" + HOST, 400),
    "a fragment": (b"GET /#a HTTP/1.1" + HOST, 400),
    "no path": (b"GET a HTTP/1.1" + HOST, 400),
    "an authority": (b"CONNECT a:80 HTTP/1.1" + HOST, 400),
    "user and password": (b"GET http://u:p@a/ HTTP/1.1" + HOST, 400),
    "a small http": (b"GET / http/1.1" + HOST, 400),
    "a version of two digits": (b"GET / HTTP/1.10" + HOST, 400),
    "HTTP/2": (b"GET / HTTP/2.0" + HOST, 505),
    "no host": (b"GET / HTTP/1.1", 400),
    "two hosts": (lines(b"Host: a"), 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:", 400),
    "a host with a path": (b"GET / HTTP/1.1\r\nHost: a/b", 400),
    "a host with a space": (b"GET / HTTP/1.1\r\nHost: a b", 400),
    "a wrong port": (b"GET / HTTP/1.1\r\nHost: a:x", 400),
    "a space before the colon": (lines(b"X : 1"), 400),
    "a space before the name": (lines(b" X: 1"), 400),
    "a fold": (lines(b"X: 1", b" 2"), 400),
    "no colon": (lines(b"X"), 400),
    "no name": (lines(b": 1"), 400),
    "a NUL": (lines(b"X: a\0b"), 400),
    "a CR": (lines(b"X: a\rb"), 400),
    "a LF": (lines(b"X: a\nb"), 400),
    "a length with a sign": (lines(b"Content-Length: +1"), 400),
    "a length below nothing": (lines(b"Content-Length: -1"), 400),
    "a length with an underscore": (lines(b"Content-Length: 1_0"), 400),
    "a hexadecimal length": (lines(b"Content-Length: 0x1"), 400),
    "two lengths": (lines(b"Content-Length: 1", b"Content-Length: 1"), 400),
    "a list of lengths": (lines(b"Content-Length: 1, 1"), 400),
    "an empty length": (lines(b"Content-Length:"), 400),
    "a length that nobody has": (lines(b"Content-Length: " + b"9" * 40), 400),
    "length and chunks": (lines(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    "chunks in HTTP/1.0": (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
    "chunks of chunks": (lines(b"Transfer-Encoding: chunked, chunked"), 400),
    "chunks and more": (lines(b"Transfer-Encoding: chunked, gzip"), 400),
    "chunks twice": (lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "no coding": (lines(b"Transfer-Encoding:"), 400),
    "another coding": (lines(b"Transfer-Encoding: gzip, chunked"), 501),
    "an unknown coding": (lines(b"Transfer-Encoding: xchunked"), 501),
    "a coding with another kind of space": (lines(b"Transfer-Encoding: chunked\xa0"), 501),
    "spaces without end": (lines(b"X:" + b" " * 30_000 + b"\x01"), 400),
    "another expectation": (lines(b"Expect: 200-ok"), 417),
    "too many fields": (lines(*[b"X: 1"] * 300), 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sound_is_refused(name: str) -> None:
    octets, status = REFUSED[name]
    with pytest.raises(Refused) as raised:
        parse(octets)
    assert int(raised.value.status[:3]) == status


PIECES = st.sampled_from(
    [
        *(
            b"GET",
            b" ",
            b"/",
            b"HTTP/1.1",
            b"\r\n",
            b"Host",
            b":",
            b"a",
            b"\n",
            b"\r",
            b"\0",
            b"\t",
        ),
        *(
            b"Content-Length",
            b"Transfer-Encoding",
            b"chunked",
            b"1",
            b",",
            b";",
            b"_",
            b"\xff",
            b"%",
        ),
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=60))
def test_any_octets_are_a_head_or_refused(octets: bytes) -> None:
    for sent in (octets, b"GET / HTTP/1.1\r\nHost: a\r\n" + octets):
        head = read(sent)
        if isinstance(head, Refused):
            assert head.status[:3] in ("400", "417", "431", "501", "505")
        else:
            assert all(name.isupper() for name in head.fields)
            assert not any(c in value for value in head.fields.values() for c in "\0\r\n")


def read(octets: bytes) -> Head | Refused:
    try:
        return parse(octets)
    except Refused as refused:
        return refused


def test_heads_are_kept_for_the_next_time_but_no_secrets() -> None:
    plain = b"GET /kept HTTP/1.1\r\nHost: a"
    assert parse(plain).fields is parse(plain.replace(b"kept", b"other")).fields
    for secret in (b"authorization: Basic YTpi", b"COOKIE: a=b", b"Proxy-Authorization: x"):
        told = plain + b"\r\n" + secret
        assert parse(told) == parse(told)
        assert parse(told).fields is not parse(told).fields
    for number in range(2000):
        parse(plain + b"\r\nX-Number: %d" % number)
    assert len(heads._known_fields) <= 512

"""Probes that hide one request in another: nobody but the sound request behind may be answered.

What is hidden is the PUT of a file, which must not be there, and a poisoned byte in front of the
next request. Where two lengths are announced, the right answer is 400 and a closed connection.
"""

from tests.wire import talk
from tests.wire.probes import (
    CHUNKED,
    CONTENT,
    CREATED,
    FOLLOW_UP,
    HELLO,
    OK,
    SMUGGLED,
    Probe,
    get,
    one_of,
    put,
)

END = b"0\r\n\r\n"
"""The last chunk."""

HIDDEN = END + SMUGGLED
"""A body for who counts by its length; an empty one, and a request, for who reads chunks."""

WHOLE = f"Content-Length: {len(HIDDEN)}"

PREFIX = b"PUT /smuggled HTTP/1.1\r\nHost: localhost\r\n"
"""A request that lacks no more than the empty line at its end."""

BROKEN = {
    "size": b"zz\r\n" + SMUGGLED,
    "chunk": b"5\r\nhello" + SMUGGLED,
    "trailer": b"0\r\n" + SMUGGLED,
}
"""Bodies that are announced in chunks, and what of them is broken in front of a request."""

UNREAD = {
    "get": ("GET /file", 200),
    "delete": ("DELETE /none", 404),
    "refused-put": ("PUT /none/new", 409),
}
"""Requests whose bodies nobody reads, and their answers."""


def in_a_chunk() -> bytes:
    """Chunks for who reads them. Who counts by the length, which ends behind the first size, finds
    a request there, and the rest of the chunks is its body.
    """
    rest = b"\r\n" + END
    hidden = talk.request("PUT /smuggled", f"Content-Length: {len(rest)}")
    size = b"%x\r\n" % len(hidden)
    return put(CHUNKED, f"Content-Length: {len(size)}", body=size + hidden + rest)


PROBES = (
    Probe(
        "two-requests-one-by-one",
        "none",
        "RFC 9112 9.3",
        "a connection is kept: without that, nothing below would be shown",
        get(),
        OK,
        after="kept",
        then=get(),
        then_expected=OK,
        body=CONTENT,
    ),
    Probe(
        "request-behind-length-and-chunks",
        "must",
        "RFC 9112 6.1",
        "the connection is closed behind a length with chunks",
        put("Content-Length: 5", CHUNKED, body=END),
    ),
    Probe(
        "request-behind-chunks-and-length",
        "must",
        "RFC 9112 6.1",
        "the connection is closed behind chunks with a length",
        put(CHUNKED, "Content-Length: 5", body=END),
    ),
    Probe(
        "byte-behind-the-chunks",
        "must",
        "RFC 9112 6.1",
        "a byte that belongs to the length alone does not begin the next request",
        put("Content-Length: 6", CHUNKED, body=END + b"X"),
    ),
    Probe(
        "byte-before-the-end-of-the-length",
        "must",
        "RFC 9112 6.1",
        "a byte that belongs to the length alone begins no request, the length unmet",
        put(CHUNKED, "Content-Length: 30", body=END + b"X"),
    ),
    Probe(
        "put-behind-the-chunks",
        "must",
        "RFC 9112 6.1",
        "a request that belongs to the length alone is not executed",
        put(WHOLE, CHUNKED, body=HIDDEN),
    ),
    Probe(
        "head-behind-the-chunks",
        "must",
        "RFC 9112 6.1",
        "a HEAD is not executed, whose answer would shift all others",
        put(
            f"Content-Length: {len(END + talk.request('HEAD /file'))}",
            CHUNKED,
            body=END + talk.request("HEAD /file"),
        ),
    ),
    Probe(
        "put-behind-the-chunks-and-length-with-plus",
        "must",
        "RFC 9112 6.1",
        "a length with a sign is not passed over for the chunks",
        put(f"Content-Length: +{len(HIDDEN)}", CHUNKED, body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-and-length-with-letter",
        "must",
        "RFC 9112 6.1",
        "a length with a letter is not passed over for the chunks",
        put(f"{WHOLE}x", CHUNKED, body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-of-folded-coding",
        "must",
        "RFC 9112 5.2",
        "a folded coding makes no request of a body",
        put("Transfer-Encoding:", " chunked", WHOLE, body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-of-coding-and-space",
        "must",
        "RFC 9112 6.1",
        "a space behind a coding makes no request of a body",
        put(WHOLE, "Transfer-Encoding: chunked ", body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-of-comma-and-coding",
        "must",
        "RFC 9112 6.1",
        "an empty member before a coding makes no request of a body",
        put(WHOLE, "Transfer-Encoding: , chunked", body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-of-coding-with-a-capital",
        "must",
        "RFC 9112 6.1",
        "the case of a coding makes no request of a body",
        put(WHOLE, "Transfer-Encoding: Chunked", body=HIDDEN),
    ),
    Probe(
        "put-behind-the-chunks-of-two-codings",
        "must",
        "RFC 9112 6.1",
        "two fields of codings make no request of a body",
        put(CHUNKED, "Transfer-Encoding: identity", WHOLE, body=HIDDEN),
    ),
    Probe(
        "put-within-a-chunk",
        "must",
        "RFC 9112 6.1",
        "a request within a chunk is not executed by who counts by the length",
        in_a_chunk(),
    ),
    Probe(
        "put-between-two-lengths",
        "must",
        "RFC 9110 8.6",
        "a request behind the shorter of two lengths is not executed",
        put(
            "Content-Length: 4",
            f"Content-Length: {len(b'PING' + SMUGGLED)}",
            body=b"PING" + SMUGGLED,
        ),
    ),
    Probe(
        "options-with-folded-coding",
        "must",
        "RFC 9112 5.2",
        "what a verb does not need of a body is framed as strictly",
        talk.request("OPTIONS /file", "Transfer-Encoding:", " chunked", "Content-Length: 5")
        + HELLO,
    ),
    Probe(
        "byte-behind-a-size-with-plus",
        "must",
        "RFC 9112 7.1",
        "a last chunk of a size with a sign ends no body",
        put(CHUNKED, body=b"+0\r\n\r\nX"),
    ),
    Probe(
        "byte-behind-an-empty-body",
        "none",
        "RFC 9112 6.2",
        "a byte behind a body begins the next request, and what it makes of it is unknown",
        put("Content-Length: 0", body=b"X"),
        CREATED,
        after="either",
        stored=b"",
        then=FOLLOW_UP,
        then_expected=one_of(400, 501),
    ),
    Probe(
        "half-a-put-in-the-body-of-a-get",
        "none",
        "RFC 9110 9.3.1",
        "the body of a GET is no request that the next line would complete",
        get(f"Content-Length: {len(PREFIX)}") + PREFIX,
        OK,
        after="kept",
        then=b"\r\n" + FOLLOW_UP,
        then_expected=OK,
        body=CONTENT,
    ),
    Probe(
        "request-behind-the-body-of-a-get",
        "none",
        "RFC 9110 9.3.1",
        "the body of a GET does not shift the next request",
        get("Content-Length: 5") + HELLO,
        OK,
        after="kept",
        then=get(),
        then_expected=OK,
        body=CONTENT,
    ),
    Probe(
        "request-behind-the-body-of-an-options",
        "none",
        "RFC 9110 9.3.7",
        "the body of an OPTIONS does not shift the next request",
        talk.request("OPTIONS /file", "Content-Length: 5") + HELLO,
        OK,
        after="kept",
        then=get(),
        then_expected=OK,
        body=CONTENT,
    ),
    Probe(
        "request-behind-a-body-that-did-not-wait",
        "none",
        "RFC 9110 10.1.1",
        "a body that comes before its invitation does not shift the next request",
        put("Content-Length: 5", "Expect: 100-continue", body=HELLO),
        CREATED,
        after="kept",
        invited=True,
        then=get(),
        then_expected=OK,
        stored=HELLO,
        body=CONTENT,
    ),
    *(
        Probe(
            f"put-behind-a-broken-{part}",
            "ours",
            "RFC 9112 7.1",
            "where chunks are broken nobody knows what is behind them",
            put(CHUNKED, body=body),
        )
        for part, body in BROKEN.items()
    ),
    *(
        Probe(
            f"put-behind-a-broken-{part}-of-a-{verb}",
            "ours",
            "RFC 9112 7.1",
            "nor does anybody where they are not read",
            talk.request(line, CHUNKED) + body,
            one_of(status),
            has=(("connection", "close"),),
        )
        for verb, (line, status) in UNREAD.items()
        for part, body in BROKEN.items()
    ),
)

"""Probes of the first line of a request: its three words, its version, and what is none."""

import random

from tests.wire.probes import CONTENT, OK, Probe, get, one_of


def begun(line: bytes) -> bytes:
    """A request that begins with a line as it is, its end included."""
    return line + b"Host: localhost\r\n\r\n"


PROBES = (
    Probe(
        "bare-lf-after-request-line",
        "may",
        "RFC 9112 2.2",
        "a line feed alone ends no request line",
        begun(b"GET /file HTTP/1.1\n"),
    ),
    Probe(
        "bare-cr-after-request-line",
        "must",
        "RFC 9112 2.2",
        "a carriage return alone ends no line, and is no space",
        begun(b"GET /file HTTP/1.1\r"),
    ),
    Probe(
        "two-spaces-in-request-line",
        "should",
        "RFC 9112 3",
        "the words of the line stand one space apart; nothing is put right",
        begun(b"GET  /file HTTP/1.1\r\n"),
    ),
    Probe(
        "tab-in-request-line",
        "should",
        "RFC 9112 3",
        "a tab does not part the words of the line",
        begun(b"GET\t/file HTTP/1.1\r\n"),
    ),
    Probe(
        "request-line-without-target",
        "must",
        "RFC 9112 3",
        "two words are no request line",
        begun(b"GET HTTP/1.1\r\n"),
    ),
    Probe(
        "request-line-without-version",
        "should",
        "RFC 9112 2.3",
        "HTTP/0.9 is refused at the end of its line: a head that never comes is not awaited",
        b"GET /file\r\n",
    ),
    Probe(
        "version-9.9",
        "should",
        "RFC 9112 2.3",
        "a version that only another protocol can have",
        begun(b"GET /file HTTP/9.9\r\n"),
        one_of(505),
    ),
    Probe(
        "version-1.2",
        "may",
        "RFC 9112 2.3",
        "a higher minor version is served as the highest that is known",
        begun(b"GET /file HTTP/1.2\r\n"),
        OK,
        after="kept",
        body=CONTENT,
    ),
    Probe(
        "version-without-minor",
        "must",
        "RFC 9112 2.3",
        "a version has two numbers",
        begun(b"GET /file HTTP/1\r\n"),
    ),
    Probe(
        "version-with-leading-zeros",
        "must",
        "RFC 9112 2.3",
        "each number of a version is one digit",
        begun(b"GET /file HTTP/01.01\r\n"),
    ),
    Probe(
        "space-in-version",
        "must",
        "RFC 9112 2.3",
        "a version is one word",
        begun(b"GET /file HTTP/ 1.1\r\n"),
    ),
    Probe(
        "version-in-lower-case",
        "must",
        "RFC 9112 2.3",
        "the name of the protocol is compared by its bytes",
        begun(b"GET /file http/1.1\r\n"),
    ),
    Probe(
        "two-empty-lines-first",
        "should",
        "RFC 9112 2.2",
        "empty lines before a request are passed over, or end it; they shift nothing",
        b"\r\n\r\n" + get(),
        one_of(200, 400),
        after="either",
    ),
    Probe(
        "spaces-for-a-request-line",
        "none",
        "RFC 9112 2.2",
        "a line of spaces is neither empty nor a request",
        b"   \r\n\r\n",
    ),
    Probe(
        "long-method",
        "should",
        "RFC 9112 3",
        "a method without an end is not read to its end",
        begun(b"A" * 100_000 + b" /file HTTP/1.1\r\n"),
        one_of(400, 501),
        reason="RFC 9112 section 3 has 501 for a method longer than all that are known",
    ),
    Probe(
        "noise",
        "should",
        "RFC 9112 2.2",
        "bytes that mean nothing get an answer",
        random.Random(0).randbytes(256),
        cut=True,
    ),
    Probe(
        "nothing",
        "none",
        "RFC 9112 2.2",
        "who says nothing gets nothing",
        b"",
        one_of("closed"),
        cut=True,
    ),
    Probe(
        "half-a-head",
        "none",
        "RFC 9112 2.2",
        "a head that ends within a field is answered, and not taken for a whole one",
        b"PUT /new HTTP/1.1\r\nHost: localhost\r\nX-Test: value",
        cut=True,
    ),
    Probe(
        "http-2-preface",
        "none",
        "RFC 9113 3.4",
        "the first bytes of HTTP/2 are a request of a version that is not spoken",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        one_of(400, 505),
    ),
)

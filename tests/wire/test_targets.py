"""Request lines and targets of every kind: always an answer, never a 5xx that is the server's."""

import pytest

from tests.wire import talk
from tests.wire.conftest import LOGIN, Served
from tests.wire.talk import Ended, Talk

METHODS = (
    *("OPTIONS", "GET", "HEAD", "PUT", "MKCOL", "DELETE", "COPY", "MOVE"),
    *("PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "POST", "PATCH", "REPORT", "TRACE"),
)

READ = {
    "a path": (b"/a", 200),
    "two slashes": (b"//a", 200),
    "many slashes": (b"////a", 200),
    "slashes and a bracket": (b"//[", 404),
    "an authority that is none": (b"//h:99999/a", 404),
    "an absolute form": (b"http://localhost/a", 200),
    "an absolute form in capitals": (b"HTTP://LOCALHOST/a", 200),
    "an absolute form of another scheme that we speak behind a proxy": (b"https://[::1]:1/a", 200),
    "an absolute form without a path": (b"http://localhost", 200),
    "an absolute form without a path, with a query": (b"http://localhost?q", 400),
    "an absolute form without a host": (b"http:///a", 400),
    "an absolute form with an open bracket": (b"http://[/a", 400),
    "an absolute form of a host that is not ours": (b"http://evil.example/a", 403),
    "raw UTF-8": ("/é".encode(), 200),
    "escaped UTF-8": (b"/%C3%A9", 200),
    "half of a letter": (b"/\xc3", 400),
    "a raw letter of Latin-1": (b"/\xe9", 400),
    "a slash in two bytes": (b"/\xc0\xaf", 400),
    "half of a surrogate pair": (b"/\xed\xa0\x80", 400),
    "half of a letter in a query": (b"/a?\xc3", 400),
    "half of a letter in an absolute form": (b"http://localhost/\xc3", 400),
    "a letter that is half escaped": (b"/\xc3%A9", 400),
    "half of a letter, escaped": (b"/%C3", 404),
    "escaped bytes that are not UTF-8": (b"/%FF%FE", 404),
    "a query": (b"/a?b=c", 200),
    "two question marks": (b"/a??", 200),
    "a semicolon": (b"/a;v=1", 404),
    "characters that a URL should not have": (b'/<|>"{}^`\\', 404),
    "a dot segment": (b"/x/../a", 400),
    "an encoded dot segment": (b"/%2e%2e/a", 400),
    "an encoded slash": (b"/x%2Fa", 400),
    "a null byte": (b"/a%00", 400),
    "a malformed escape": (b"/%", 400),
    "a malformed escape in the middle": (b"/%g0/a", 400),
    "a fragment": (b"/a#b", 400),
    "an asterisk for what needs a path": (b"*", 400),
    "no slash": (b"a", 400),
    "a question mark alone": (b"?", 400),
    "an authority": (b"localhost:80", 400),
    "another scheme": (b"ftp://localhost/a", 400),
    "a scheme without an authority": (b"http:a", 400),
    "a control character": (b"/a\x01", 400),
    "a name of 256 bytes": (b"/" + b"n" * 256, 400),
    "a path that no system call takes": (b"/d" * 3000, 400),
    "an URL that is far too long": (b"/" + b"u" * 70_000, 414),
}


@pytest.mark.parametrize(("target", "status"), READ.values(), ids=READ)
def test_a_target_gets_its_answer(served: Served, target: bytes, status: int) -> None:
    for name in ("a", "é"):
        (served.root / name).write_bytes(b"")
    head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with talk.asking(served.port, head) as connection:
        answer = connection.reply()
    assert answer.status == status


def test_who_sends_a_target_of_another_coding_is_told_what_to_send(served: Served) -> None:
    with talk.asking(served.port, b"GET /\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        answer = connection.reply()
        assert connection.is_ended()
    sentence = b"The request target is not UTF-8: percent-encode its bytes.\n"
    assert (answer.status, answer.body) == (400, sentence)


@pytest.mark.parametrize("method", METHODS)
def test_malformed_targets_get_an_answer_whatever_the_method(served: Served, method: str) -> None:
    for target in (
        b"/%zz",
        b"/..",
        b"/%2e%2E/%2e%2e",
        b"/a%2f..%2fb",
        b"/%00",
        b"//[",
        b"*",
        b"/#",
    ):
        line = method.encode() + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n"
        fields = b"Destination: " + target + b"\r\nIf: <" + target + b"> (<urn:a>)\r\n\r\n"
        with talk.asking(served.port, line + fields) as connection:
            answer = connection.reply(head=method == "HEAD")
        assert answer.status < 500
        if target not in (b"*", b"//["):
            assert answer.status in (400, 405)
    assert served.names() == set()


LINES = {
    "nothing but an end": (b"\r\n\r\n", 400),
    "no version": (b"GET /a\r\n", 400),
    "two spaces": (b"GET  /a HTTP/1.1\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\n", 400),
    "a space at the end": (b"GET /a HTTP/1.1 \r\n", 400),
    "a bare line feed": (b"GET /a HTTP/1.1\n", 400),
    "a null byte": (b"\0\r\n", 400),
    "noise": (b"\x16\x03\x01\x02\x00\x01\xfc\r\n", 400),
    "a method with a slash": (b"G/T / HTTP/1.1\r\n", 400),
    "a method with bytes beyond ASCII": (b"G\xc3\xa9 / HTTP/1.1\r\n", 400),
    "a method in lower case": (b"get /a HTTP/1.1\r\n", 501),
    "a method that nobody knows": (b"FROB /a HTTP/1.1\r\n", 501),
    "a registered method that we do not have": (b"REPORT /a HTTP/1.1\r\n", 405),
    "another version": (b"GET /a HTTP/2.0\r\n", 505),
    "a version that is none": (b"GET /a HTTP/x\r\n", 400),
    "another protocol": (b"GET /a FTP/1.1\r\n", 400),
    "an empty line before": (b"\r\nGET /a HTTP/1.1\r\n", 200),
}


@pytest.mark.parametrize(("line", "status"), LINES.values(), ids=LINES)
def test_a_request_line_gets_its_answer(served: Served, line: bytes, status: int) -> None:
    (served.root / "a").write_bytes(b"")
    with talk.asking(served.port, line + b"Host: localhost\r\n\r\n") as connection:
        answer = connection.reply()
    assert answer.status == status
    if status == 405:
        assert "GET" in answer["allow"]


FIELDS = {
    "a length with a sign": b"Content-Length: +5",
    "a negative length": b"Content-Length: -1",
    "a length with an underscore": b"Content-Length: 1_0",
    "a length that is no number": b"Content-Length: five",
    "a length in digits that are not ASCII": "Content-Length: ٥".encode(),
    "a length of 5,000 digits": b"Content-Length: " + b"9" * 5000,
    "a field without a colon": b"Nonsense",
    "a date that no calendar has": b"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 -0100",
    "bytes that are not UTF-8 in a destination": b"Destination: /\xff\xfe",
    "bytes that are not UTF-8 in a condition": b'If: (["\xff"])',
    "credentials that are no Base64": b"Authorization: Basic !!!",
    "credentials without a colon": b"Authorization: Basic YQ==",
    "credentials of half a letter": b"Authorization: Basic w4M6wyg=",
    "a range that is none": b"Range: bytes=9-5,--",
    "an empty depth": b"Depth:",
    "a host that is none": b"Host: [",
    "a transfer coding that we do not have": b"Transfer-Encoding: gzip",
}


@pytest.mark.parametrize("method", ["GET", "PUT", "PROPFIND", "COPY", "LOCK"])
@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_malformed_field_gets_an_answer(
    guarded: Served, served: Served, field: bytes, method: str
) -> None:
    login = LOGIN.encode() if not field.startswith(b"Authorization") else b"X: y"
    for server, extra in ((served, b"X: y"), (guarded, login)):
        head = b"\r\n".join(
            [f"{method} /none/a HTTP/1.1".encode(), b"Host: localhost", extra, field, b"", b""]
        )
        with talk.asking(server.port, head) as connection:
            connection.end()
            answer = connection.reply()
        assert answer.status < 500 or answer.status == 501
        assert server.names() == set()


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    (served.root / "a").write_bytes(b"hello")
    for head, body in ((b"GET /a HTTP/1.0\r\n\r\n", b"hello"), (b"HEAD /a HTTP/1.0\r\n\r\n", b"")):
        with talk.asking(served.port, head) as connection:
            answer = connection.reply(head=not body)
            assert (answer.status, answer.body) == (200, body)
            assert connection.is_ended()


def test_http_1_0_gets_no_chunks(served: Served) -> None:
    for number in range(400):
        (served.root / f"file {number}").write_bytes(b"")
    head = b"PROPFIND / HTTP/1.0\r\nDepth: 1\r\nConnection: keep-alive\r\n\r\n"
    with talk.asking(served.port, head) as connection:
        answer = connection.reply()
        assert "transfer-encoding" not in answer.headers
        assert answer.body.endswith(b"</D:multistatus>")
        assert answer.body.count(b"<D:response>") == 401
        if "content-length" not in answer.headers:
            assert connection.is_ended()


def test_raw_and_escaped_names_are_the_same(served: Served) -> None:
    with Talk(served.port) as connection:
        connection.send("PUT /ü HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1".encode())
        assert connection.reply().status == 201
        connection.send(talk.request("COPY /%C3%BC", "Destination: http://localhost/ö"))
        assert connection.reply().status == 201
        connection.send(talk.request("PROPFIND /", "Depth: 1"))
        answer = connection.reply()
    assert b"<D:href>/%C3%BC</D:href>" in answer.body
    assert b"<D:href>/%C3%B6</D:href>" in answer.body
    assert served.names() == {"ü", "ö"}


def test_a_head_that_is_too_large_gets_an_answer(served: Served) -> None:
    with talk.asking(
        served.port, b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 1000 * 1000 + b"\r\n\r\n"
    ) as connection:
        try:
            assert 400 <= connection.reply().status < 500
        except Ended:
            pytest.fail("no answer")

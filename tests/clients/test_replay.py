"""The replays' own tools: what they send is what was written, and a bad answer does not pass."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.clients.replay import DAV, Body, Session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
MULTISTATUS = (
    b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>/a%20b</D:href>'
    b"<D:propstat><D:prop><D:getetag>&quot;1&quot;</D:getetag></D:prop>"
    b"<D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:quota/></D:prop>"
    b"<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"
    b"<D:response><D:href>/c</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response>"
    b"</D:multistatus>"
)


class Canned:
    """A server for one connection: reads up to a given end, then says what it was given."""

    def __init__(self, said: bytes, end: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.heard = b""
        self.said = said
        self.end = end
        self.thread = threading.Thread(target=self.answer)

    def answer(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            while not self.heard.endswith(self.end):
                self.heard += connection.recv(65536)
            connection.sendall(self.said)


@contextmanager
def canned(said: bytes, end: bytes = b"\r\n\r\n") -> Iterator[Canned]:
    server = Canned(said, end)
    server.thread.start()
    try:
        yield server
    finally:
        server.thread.join(timeout=30)
        server.listener.close()


@pytest.mark.parametrize(
    ("body", "tail"),
    [
        pytest.param(None, b"\r\n\r\n", id="none"),
        pytest.param(b"", b"\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param(b"ab", b"\r\nContent-Length: 2\r\n\r\nab", id="bytes"),
        pytest.param(
            [b"ab", b"c" * 11],
            b"\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\nB\r\nccccccccccc\r\n0\r\n\r\n",
            id="chunks",
        ),
        pytest.param([], b"\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", id="no chunks"),
    ],
)
def test_a_request_is_sent_as_it_was_written(body: Body, tail: bytes) -> None:
    with canned(OK, tail) as server, Session(server.url, User_Agent="x/1") as session:
        reply = session.send("PUT", "/a%2fb/../c d", {"translate": "f"}, body)

    host = session.host.encode()
    head = b"PUT /a%%2fb/../c d HTTP/1.1\r\nHost: %s\r\nUser-Agent: x/1\r\ntranslate: f" % host
    assert server.heard == head + tail
    assert (reply.status, reply.body) == (200, b"ok")


def test_a_body_after_the_answer_to_head_is_seen() -> None:
    with canned(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nbody") as server:
        answer = Session(server.url).until_closed("HEAD", "/")

    assert answer.endswith(b"\r\n\r\nbody")
    assert b"\r\nConnection: close\r\n" in server.heard


def test_a_body_waits_for_the_word_to_continue() -> None:
    with canned(OK) as server, Session(server.url) as session, pytest.raises(AssertionError):
        session.send("PUT", "/", {"Expect": "100-continue"}, b"body")

    assert not server.heard.endswith(b"body")


def test_a_connection_closed_without_an_answer_is_seen() -> None:
    with (
        canned(b"") as server,
        Session(server.url) as session,
        pytest.raises(http.client.RemoteDisconnected),
    ):
        session.send("GET", "/")


def test_a_multistatus_is_told_apart() -> None:
    said = b"HTTP/1.1 207 Multi-Status\r\nContent-Length: %d\r\n\r\n" % len(MULTISTATUS)
    with canned(said + MULTISTATUS) as server, Session(server.url) as session:
        members = session.send("PROPFIND", "/").members

    assert set(members) == {"/a%20b", "/c"}
    assert members["/a%20b"].text(f"{DAV}getetag") == '"1"'
    assert members["/a%20b"].statuses() == {f"{DAV}getetag": 200, f"{DAV}quota": 404}
    assert members["/c"].status == 423
    with pytest.raises(AssertionError):
        members["/a%20b"].text(f"{DAV}quota")
    with pytest.raises(KeyError):
        members["/a%20b"].text(f"{DAV}displayname")


def test_a_plain_answer_is_no_multistatus() -> None:
    with canned(OK) as server, Session(server.url) as session:
        reply = session.send("PROPFIND", "/")

    with pytest.raises(AssertionError):
        _ = reply.members
    with pytest.raises(AssertionError):
        _ = reply["ETag"]

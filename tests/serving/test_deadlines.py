"""How long a connection may take: who reads no answer, and who begins something and stops."""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from davserver.protocol.peers import NOBODY, Trusted, parse
from davserver.serving import DavServer, Tls, bind
from davserver.serving.streams import TURN_SECONDS
from davserver.wsgi import Environ, StartResponse
from tests.certificates import pairs
from tests.certificates.pairs import Files
from tests.processes.ground import until
from tests.wire import talk
from tests.wire.talk import Ended, Talk

SECONDS = 1.0
"""All time-outs here."""
MADE = 1 << 13
"""Bytes that are made at a time, where that takes time."""
MOST_SENT = 1 << 20
"""Bytes that the kernel takes in, at most, before there is a reader."""
CONTENT = random.Random(4).randbytes(4 * MOST_SENT)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davserver.serving.connections.HEAD_SECONDS", SECONDS)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davserver.serving.server.IDLE_SECONDS", SECONDS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return pairs.written(tmp_path_factory.mktemp("pair"))


class Serving:
    """A server of one thread, which sends `CONTENT` to whoever asks for ``/large``."""

    def __init__(self, tls: Tls | None, proxies: Trusted) -> None:
        self.listener = bind("127.0.0.1", 0)
        self.listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_SENT // 2)
        self.server = DavServer(self._answer, [self.listener], 1, tls, places=0, proxies=proxies)
        self.server.hold = self._hold
        self.number = 0
        """How many connections there are."""
        self.server.prepare()
        self.port = self.listener.port

    def _hold(self, number: int) -> None:
        self.number = number

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        body = b"ok" if path == "/" else CONTENT
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return made(body) if path == "/made" else [body]


def made(body: bytes) -> Iterator[bytes]:
    """A body that takes time to make: what has been made is sent, and others have their turn."""
    for start in range(0, len(body), MADE):
        time.sleep(TURN_SECONDS / 8)
        yield body[start : start + MADE]


@contextmanager
def serving(*, tls: Tls | None = None, proxies: Trusted = NOBODY) -> Iterator[Serving]:
    found = Serving(tls, proxies)
    thread = threading.Thread(target=found.server.serve)
    thread.start()
    try:
        yield found
    finally:
        found.server.stop()
        thread.join()
        found.listener.close()


def test_who_reads_nothing_is_ended(idle: None) -> None:
    with serving() as served, Talk(served.port, receive_buffer=4096) as reader:
        began = time.monotonic()
        reader.send(talk.request("GET /large"))
        assert reader.begin()[0] == 200
        until(lambda: not served.number)
        assert time.monotonic() - began > SECONDS
        with pytest.raises((Ended, ConnectionError)):
            reader.take(len(CONTENT))


def slowly(reader: Talk, seconds: float) -> bytes:
    """What a client reads that takes a little now and then."""
    found = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found += reader.take(3000)
        time.sleep(SECONDS / 5)
    return found


def test_who_reads_slowly_is_kept(idle: None) -> None:
    """However little it is: long before there is room for more."""
    with serving() as served, Talk(served.port, receive_buffer=4096) as reader:
        reader.send(talk.request("GET /large"))
        assert reader.begin()[0] == 200
        found = slowly(reader, 5 * SECONDS)
        assert len(found) < 100_000
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_SENT)
        assert found + reader.take(len(CONTENT) - len(found)) == CONTENT
        reader.send(talk.request("GET /"))
        assert reader.reply().body == b"ok"


@pytest.mark.parametrize("behind", [b"", talk.request("GET /")])
def test_who_reads_slowly_what_is_made_slowly_is_kept(idle: None, behind: bytes) -> None:
    """Nothing may be held, and the kernel may have no room: neither is the end of the answer."""
    with serving() as served, Talk(served.port, receive_buffer=4096) as reader:
        reader.send(talk.request("GET /made"))
        assert reader.begin()[0] == 200
        found = slowly(reader, 5 * SECONDS)
        if behind:
            reader.send(behind)
            found += slowly(reader, 4 * SECONDS)
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_SENT)
        assert found + reader.take(len(CONTENT) - len(found)) == CONTENT
        if behind:
            assert reader.reply().body == b"ok"


def trusting(files: Files) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.root)


def hello(files: Files) -> bytes:
    """What a client of TLS says before it hears anything."""
    said = ssl.MemoryBIO()
    client = trusting(files).wrap_bio(ssl.MemoryBIO(), said, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read()


def ends(served: Serving, begun: bytes, greet: Callable[[Talk], None]) -> None:
    """Assert that who stops behind ``begun`` is ended in time, and holds no thread until then."""
    began = time.monotonic()
    with talk.asking(served.port, begun):
        with Talk(served.port) as other:
            greet(other)
            other.send(talk.request("GET /"))
            assert other.reply().body == b"ok"
        until(lambda: not served.number)
        assert time.monotonic() - began > SECONDS


def is_cut_off(served: Serving, octets: bytes) -> bool:
    """Whether who sends one byte after the other is ended before the last."""
    with Talk(served.port) as one:
        try:
            for place in range(len(octets)):
                one.send(octets[place : place + 1])
                time.sleep(SECONDS / 20)
        except OSError:
            return True
    return False


@pytest.mark.parametrize("length", [1, 100, None], ids=["its first byte", "a part", "one side"])
def test_a_handshake_that_stops_is_ended(files: Files, length: int | None) -> None:
    with serving(tls=Tls(str(files.cert), str(files.key))) as served:
        ends(served, hello(files)[:length], lambda other: other.encrypt(trusting(files)))


def test_a_handshake_that_drips_is_ended(files: Files) -> None:
    with serving(tls=Tls(str(files.cert), str(files.key))) as served:
        assert is_cut_off(served, hello(files))


HEADER = b"PROXY TCP4 192.0.2.77 127.0.0.1 4711 80\r\n"
BEGUN = {
    "a byte": b"P",
    "a line without its end": HEADER[:-1],
    "a block": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00",
}


@pytest.mark.parametrize("begun", BEGUN.values(), ids=BEGUN)
def test_a_proxy_header_that_stops_is_ended(begun: bytes) -> None:
    with serving(proxies=parse(["127.0.0.1"])) as served:
        ends(served, begun, lambda other: other.send(HEADER))


def test_a_proxy_header_that_drips_is_ended() -> None:
    with serving(proxies=parse(["127.0.0.1"])) as served:
        assert is_cut_off(served, b"PROXY UNKNOWN ".ljust(105, b"x"))

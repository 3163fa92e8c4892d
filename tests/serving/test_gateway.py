"""Who has asked for it is told when an answer is over, however it ends."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

import pytest

from davserver.serving import DavServer, bind
from davserver.wsgi import FINISHED, Environ, StartResponse
from tests.wire import talk
from tests.wire.talk import Ended, Talk

Told = tuple[int, float | None, int]


class Server:
    """An application that gives ``blocks``, and what it was told of the ends of its answers."""

    def __init__(self, *blocks: bytes | Exception) -> None:
        self._blocks = blocks
        self.told: list[Told] = []
        self.is_told = threading.Event()
        self.is_closed = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def finished(sent: int, seconds: float | None) -> None:
            assert self.is_closed
            self.told.append((sent, seconds, environ["wsgi.input"].received))
            self.is_told.set()

        environ[FINISHED].append(finished)
        environ["wsgi.input"].read(5)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            if isinstance(block, Exception):
                raise block
            yield block

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def serving(app: Server) -> Iterator[int]:
    with closing(bind("127.0.0.1", 0)) as listener:
        server = DavServer(app, [listener], 4)
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield listener.port
        finally:
            server.stop()
            thread.join()


def ended(app: Server) -> Told:
    assert app.is_told.wait(talk.SECONDS)
    (told,) = app.told
    assert told[1] is not None
    assert 0 < told[1] < talk.SECONDS
    return told


def test_a_whole_answer() -> None:
    app = Server(b"abc", b"", b"defg")
    with serving(app) as port:
        assert talk.ask(port, "PUT /x", body=b"1234567").body == b"abcdefg"
        sent, _, received = ended(app)
    assert (sent, received) == (7, 5)


def test_a_head_alone() -> None:
    app = Server(b"abc")
    with serving(app) as port:
        assert talk.ask(port, "HEAD /x").body == b""
        assert ended(app)[0] == 0


def test_an_answer_that_fails() -> None:
    app = Server(b"abc", ValueError("on purpose"))
    with serving(app) as port:
        with pytest.raises(Ended):
            talk.ask(port, "GET /x")
        assert ended(app)[0] == 3


def test_a_client_that_goes_away() -> None:
    block = b"x" * (1 << 20)
    app = Server(*[block] * 64)
    with serving(app) as port:
        with Talk(port, receive_buffer=4096) as client:
            client.send(talk.request("GET /x"))
            client.begin()
            client.take(1000)
        assert 0 <= ended(app)[0] < 64 * len(block)

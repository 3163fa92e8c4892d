"""The two ways of a request, a WSGI call and a real socket; both send just what they are told."""

import http.client
import io
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from davserver.serving import DavServer, bind
from davserver.serving.repeats import Repeats
from davserver.wsgi import App, Environ, StartResponse
from tests.scripts.language import octets

CHUNK = 7
"""Bytes in a chunk: small, so that every reader has to put some together."""
MOST_CHUNKS = 5000
"""Of a long body, whose chunks are larger."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes out. ``announced`` is the Content-Length, None for a chunked body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    announced: int | None

    def __str__(self) -> str:
        head = "".join(f"    {name}: {value}\n" for name, value in self.headers)
        body = self.body[:1000].decode("utf-8", "replace")
        return f"  sent: {self.method} {self.target}\n{head}\n{body}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """A header by its name in any case; several of one name joined."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        return ", ".join(found) if found else None

    def __str__(self) -> str:
        head = "".join(f"    {name}: {value}\n" for name, value in self.headers)
        return f"  answered: {self.status}\n{head}\n{self.body[:4000].decode('utf-8', 'replace')}"


class Way(Protocol):
    """How an application is reached."""

    def serve(self, app: App) -> None:
        """From now on this application answers, and connections to the last one are over."""

    def send(self, sent: Sent) -> Reply:
        """Send one request. Raises AssertionError where no whole answer comes."""

    def close(self) -> None:
        """Let go of what was opened."""


class InProcess:
    """A WSGI call, with the environ that cheroot would make (PEP 3333)."""

    def serve(self, app: App) -> None:
        self._app = app

    def close(self) -> None:
        """Nothing is held."""

    def send(self, sent: Sent) -> Reply:
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
            begun.append((status, headers))

        blocks = self._app(_environ(sent), start_response)
        try:
            body = b"".join(blocks)
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()
        assert len(begun) == 1, f"start_response was called {len(begun)} times"
        status, headers = begun[0]
        return Reply(int(status.split(" ")[0]), tuple(headers), body)


def _environ(sent: Sent) -> Environ:
    environ: Environ = {
        "REQUEST_METHOD": sent.method,
        "REQUEST_URI": octets(sent.target).decode("latin-1"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(octets(sent.target.partition("?")[0])).decode("latin-1"),
        "QUERY_STRING": sent.target.partition("?")[2],
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in _framed(sent):
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        value = octets(value).decode("latin-1")
        environ[key] = f"{environ[key]}, {value}" if key in environ else value
    return environ


class OverSocket:
    """A connection to a listening server, kept open as long as the server lets it."""

    def __init__(self, server: "Listening") -> None:
        self._server = server
        self._connection: socket.socket | None = None

    def serve(self, app: App) -> None:
        self.close()
        self._server.app = app

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, sent: Sent) -> Reply:
        head = f"{sent.method} {sent.target} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in _framed(sent)
        )
        connection = self._connection
        if connection is None:
            connection = self._connection = socket.create_connection(
                ("127.0.0.1", self._server.port), timeout=20
            )
        body = _chunked(sent.body) if sent.announced is None else sent.body
        # A server that refuses a body may close before it has read all of it.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(octets(f"{head}\r\n") + body)
            if sent.announced is not None and len(sent.body) < sent.announced:
                connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=sent.method)
        try:
            response.begin()
            reply = Reply(response.status, tuple(response.getheaders()), response.read())
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise AssertionError(f"no whole answer: {error!r}") from error
        finally:
            response.close()
        if response.will_close:
            self.close()
        return reply


class Listening:
    """A server whose application can be exchanged, on a port that the system chose."""

    def __init__(self) -> None:
        self._app: App
        self._listener = bind("127.0.0.1", 0)
        self._server = DavServer(self._call, [self._listener], 2)
        self._server.prepare()
        self.port = self._listener.port

    @property
    def app(self) -> App:
        """The application. A new one knows nothing of what others have answered."""
        return self._app

    @app.setter
    def app(self, app: App) -> None:
        self._app = app
        self._server.repeats = Repeats()

    def _call(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self._app(environ, start_response)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Listening"]:
        listening = cls()
        thread = threading.Thread(target=listening._server.serve)
        thread.start()
        try:
            yield listening
        finally:
            listening._server.stop()
            thread.join()
            listening._listener.close()


def _framed(sent: Sent) -> Iterator[tuple[str, str]]:
    """The headers, with those that frame the body."""
    yield from sent.headers
    if sent.announced is None:
        yield "Transfer-Encoding", "chunked"
    elif sent.announced or sent.method in ("PUT", "MKCOL", "PROPFIND", "PROPPATCH", "LOCK"):
        yield "Content-Length", str(sent.announced)


def _chunked(body: bytes) -> bytes:
    size = max(CHUNK, len(body) // MOST_CHUNKS)
    pieces = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

"""A raw HTTP client that reads first and understands later, so that it never sets the pace.

The clock runs from the first byte sent to the last byte received. Chunks are joined and answers
are judged after it has stopped. It talks to 127.0.0.1 alone and knows nothing of WebDAV.
"""

import socket
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
# Seconds without a byte after which a server counts as stuck; stock WsgiDAV is silent for many
# seconds before a long listing begins.
PATIENCE = 180.0
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
BODILESS = frozenset({204, 304})


class Unanswered(Exception):
    """The server gave no whole HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``seconds`` is the time from the first byte sent to the last received.

    Where it stands for many alike, ``count`` says how many the seconds were of.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The start of an answer; ``size`` counts its bytes with the empty line at its end."""

    status: int
    headers: Mapping[str, str]
    size: int

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def total(self) -> int | None:
        """Bytes of the whole answer, None where only its end tells."""
        if self.status in BODILESS:
            return self.size
        if self.chunked or "content-length" not in self.headers:
            return None
        return self.size + int(self.headers["content-length"])


class Client:
    """Sends one request a connection and keeps one buffer for every answer.

    A buffer touched before spares the clock the page faults of a new one.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(1 << 20)

    def send(
        self,
        port: int,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request and give its whole answer. Raises Unanswered where none comes.

        ``path`` is percent-encoded already. The connection stands before the clock starts.
        """
        request = framed(port, method, path, headers, body)
        try:
            with connected(port) as connection:
                return self.exchange(connection, request)
        except OSError as error:
            raise Unanswered(f"{method} {path}: {error}") from error

    def exchange(self, connection: socket.socket, request: bytes) -> Answer:
        """Send a whole request and give its whole answer. Raises Unanswered where none comes."""
        try:
            began = time.perf_counter()
            connection.sendall(request)
            answered, filled = self._receive(connection)
            seconds = time.perf_counter() - began
        except (OSError, ValueError) as error:
            raise Unanswered(f"{first(request)}: {error}") from error
        with memoryview(self._buffer) as view, view[answered.size : filled] as raw:
            body = joined(raw) if answered.chunked else bytes(raw)
        if answered.total not in {None, filled}:
            raise Unanswered(f"{first(request)}: {filled} bytes of {answered.total}")
        return Answer(answered.status, answered.headers, body, seconds)

    def _receive(self, connection: socket.socket) -> tuple[Head, int]:
        """Read one answer into the buffer: its head, and how many bytes of the buffer it fills."""
        filled, head, total = 0, None, None
        while True:
            if filled == len(self._buffer):
                self._buffer.extend(bytes(filled))
            with memoryview(self._buffer) as view, view[filled:] as free:
                received = connection.recv_into(free)
            filled += received
            if head is None and self._buffer.find(HEAD_END, 0, filled) >= 0:
                head = parse_head(self._buffer)
                total = head.total
            if head is None:
                if received == 0:
                    raise Unanswered(f"the connection ended after {filled} bytes, without a head")
                continue
            if received == 0 or filled == total:
                return head, filled
            # The head's own line end opens the pattern where the first chunk is the last.
            if head.chunked and self._buffer.endswith(LAST_CHUNK, head.size - 2, filled):
                return head, filled


class Line:
    """One connection that stays open for one request after the other. A context manager.

    Where the server closes it after an answer, the next request opens another.
    """

    def __init__(self, port: int, client: Client) -> None:
        self._port, self._client = port, client
        self._connection: socket.socket | None = None

    def ask(self, request: bytes) -> Answer:
        """Send a whole request and give its whole answer. Raises Unanswered where none comes."""
        try:
            connection = self._connection or connected(self._port)
        except OSError as error:
            raise Unanswered(f"{first(request)}: {error}") from error
        self._connection = connection
        answer = self._client.exchange(connection, request)
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close it; asking again opens it anew."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def framed(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """A whole request; ``path`` is percent-encoded already. A body is XML unless told otherwise."""
    fields = {"Host": f"{HOST}:{port}", **(headers or {}), "Content-Length": str(len(body))}
    if body:
        fields.setdefault("Content-Type", "application/xml; charset=utf-8")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def first(request: bytes) -> str:
    """The method and the path of a request, for what is said of it."""
    return b" ".join(request.split(b" ", 2)[:2]).decode("ascii")


def connected(port: int) -> socket.socket:
    """A new connection. Raises OSError."""
    connection = socket.create_connection((HOST, port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def href(path: str) -> str:
    """A path below the root as the path of a URL."""
    return "/" + urllib.parse.quote(path)


def parse_head(buffer: bytes | bytearray) -> Head:
    """Read the status line and the headers, their names in lower case."""
    end = buffer.index(HEAD_END)
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Head(int(first.split(" ", 2)[1]), headers, end + len(HEAD_END))


def joined(raw: memoryview) -> bytes:
    """Join the chunks of a body. Raises Unanswered where one is broken or missing."""
    data, at = bytes(raw), 0
    parts: list[bytes] = []
    while (line_end := data.find(b"\r\n", at)) >= 0:
        try:
            size = int(data[at:line_end].partition(b";")[0], 16)
        except ValueError as error:
            raise Unanswered(f"no size of a chunk: {data[at:line_end]!r}") from error
        if size == 0:
            return b"".join(parts)
        at = line_end + 2
        parts.append(data[at : at + size])
        at += size + 2
    raise Unanswered(f"the last chunk is missing after {len(data)} bytes")

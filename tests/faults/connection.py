"""A connection on which the status line counts by itself: it is the acknowledgement.

Whatever is cut off behind it, the request has been answered.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

HOST = "127.0.0.1"
SECONDS = 30.0
"""How long an answer may take on a machine that is busy."""
_BLOCK = 16_384


class Cut(Exception):
    """The server ended the connection before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``url`` is a percent-encoded path, ``chunked`` sends the body in chunks."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    chunked: bool = False

    def head(self, port: int) -> bytes:
        fields = {"Host": f"{HOST}:{port}", **self.headers}
        if self.chunked:
            fields["Transfer-Encoding"] = "chunked"
        else:
            fields["Content-Length"] = str(len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{self.method} {self.url} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    def sent(self, port: int) -> bytes:
        """All its bytes."""
        if not self.chunked:
            return self.head(port) + self.body
        parts = [self.head(port)]
        for at in range(0, len(self.body), _BLOCK):
            part = self.body[at : at + _BLOCK]
            parts.append(b"%x\r\n%s\r\n" % (len(part), part))
        return b"".join([*parts, b"0\r\n\r\n"])


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection at a time to a port, made when it is needed; a context manager that closes.

    Every method raises Cut, or OSError where the connection breaks or nobody answers in time.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.own_port = 0
        """Its own port of the last connection."""
        self._socket: socket.socket | None = None
        self._read: BinaryIO

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._read.close()
            self._socket.close()
            self._socket = None

    def ask(self, asked: Asked) -> Answer:
        """Send a request and give its whole answer."""
        self.send(asked)
        return self.rest(asked, self.status())

    def send(self, asked: Asked) -> None:
        """Send a request. A server that goes away while it is sent may have answered before."""
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self.port), timeout=SECONDS)
            self.own_port = self._socket.getsockname()[1]
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._read = self._socket.makefile("rb")
        try:
            self._socket.sendall(asked.sent(self.port))
        except (BrokenPipeError, ConnectionResetError):
            return

    def status(self) -> int:
        """The status of the answer: with its line the request counts as answered."""
        while True:
            version, _, rest = self._line().partition(" ")
            if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
                raise Cut(f"no status line: {version} {rest}")
            if int(rest[:3]) >= 200:
                return int(rest[:3])
            while self._line():
                pass

    def rest(self, asked: Asked, status: int) -> Answer:
        """What follows the status line."""
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if asked.method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            body = self._read.read()
            self.close()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._line().partition(";")[0] or "0", 16):
            parts.append(self._take(size))
            self._take(2)
        while self._line():
            pass
        return b"".join(parts)

    def _take(self, size: int) -> bytes:
        data = self._read.read(size)
        if len(data) < size:
            raise Cut(f"{len(data)} of {size} bytes of a body")
        return data

    def _line(self) -> str:
        line = self._read.readline()
        if not line.endswith(b"\r\n"):
            raise Cut(f"in the head: {line!r}")
        return line[:-2].decode("latin-1")

"""One connection to a server, byte by byte."""

import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

SECONDS = 20.0
"""How long any answer may take on a machine that is busy."""


class Ended(Exception):
    """The connection ended before the answer was whole."""


@dataclass(frozen=True)
class Reply:
    """An answer: header names in lower case; ``body`` without its framing."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return self.headers[name]


class Talk:
    """A connection; a context manager that closes it."""

    def __init__(self, port: int, *, receive_buffer: int = 0) -> None:
        self.socket: socket.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self._read: io.BufferedReader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._read.close()
        self.socket.close()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on. Raises OSError."""
        self._read.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._read = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        """Say that nothing more comes."""
        self.socket.shutdown(socket.SHUT_WR)

    def reply(self, *, head: bool = False) -> Reply:
        """The next answer; ``head`` says that it has no body whatever its headers say."""
        status, headers = self.begin()
        if head or status in (204, 304) or status < 200:
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Reply(status, headers, b"".join(self.chunks()))
        if "content-length" in headers:
            return Reply(status, headers, self.take(int(headers["content-length"])))
        return Reply(status, headers, self._read.read())

    def begin(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer, its body not yet read."""
        line = self._line()
        version, _, rest = line.partition(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0"), line
        headers: dict[str, str] = {}
        while field := self._line():
            name, colon, value = field.partition(":")
            assert colon, field
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value.strip()
        return int(rest[:3]), headers

    def take(self, size: int) -> bytes:
        """The next bytes. Raises Ended where there are fewer."""
        data = self._read.read(size)
        if len(data) < size:
            raise Ended(f"{len(data)} of {size} bytes")
        return data

    def chunks(self) -> Iterator[bytes]:
        """The rest of an answer that comes in chunks. Raises Ended where its last is missing."""
        while size := int(self._line().partition(";")[0], 16):
            yield self.take(size)
            assert self.take(2) == b"\r\n"
        while self._line():
            pass

    def has_more(self) -> bool:
        """Whether the server says anything before it closes. Raises OSError where it resets."""
        return bool(self._read.peek(1))

    def is_ended(self) -> bool:
        """Whether the server has closed, and has nothing more to say."""
        try:
            return self._read.read(1) == b""
        except ConnectionResetError:
            return True

    def _line(self) -> str:
        line = self._read.readline()
        if not line.endswith(b"\r\n"):
            raise Ended(f"in the head: {line!r}")
        return line[:-2].decode("latin-1")


def request(line: str, *fields: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """The bytes of a request; a body is announced by its length unless a field says otherwise."""
    lines = [f"{line} HTTP/1.1", f"Host: {host}", *fields]
    framed = any(f.lower().startswith(("content-length", "transfer-encoding")) for f in fields)
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def ask(port: int, line: str, *fields: str, body: bytes = b"") -> Reply:
    """One request on a connection of its own."""
    with Talk(port) as talk:
        talk.send(request(line, "Connection: close", *fields, body=body))
        return talk.reply(head=line.startswith("HEAD "))


@contextmanager
def asking(port: int, data: bytes) -> Iterator[Talk]:
    """A connection on which something has been sent already."""
    with Talk(port) as talk:
        talk.send(data)
        yield talk

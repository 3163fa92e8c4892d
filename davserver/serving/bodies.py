"""Request bodies: read in pieces, whatever their framing says (RFC 9112 sections 6 and 7)."""

import re
from collections.abc import Callable
from typing import Any, Protocol

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# Space is allowed around the signs of an extension alone (RFC 9112 section 7.1.1).
_CHUNK_HEAD = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED)
)
_LONGEST_LINE = 4096
_LONGEST_TRAILERS = 16384


class Body(Protocol):
    """What `wsgi.input` is."""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``; none at the end. Raises ValueError for a broken frame,
        OSError for a broken connection, Fault where more is not to be waited for.
        """

    def read1(self, size: int) -> bytes:
        """The next bytes as soon as some are there, at most ``size``; none at the end. Raises as
        `read` does.
        """

    @property
    def left(self) -> int | None:
        """Bytes that have not been read yet, None where nobody knows."""

    def is_too_long(self, limit: int) -> bool:
        """Whether more than ``limit`` bytes are known to be left, or whether the client may never
        send them.
        """

    def drain(self, limit: int) -> bool:
        """Read at most ``limit`` bytes of what is left; whether that was all."""


class Invite:
    """The `100 Continue` that a client may wait for before it sends a body (RFC 9110
    section 10.1.1): sent when a verb begins to read, and never for a request that is refused.
    """

    def __init__(self, send: Callable[[bytes], object], is_awaited: bool) -> None:
        self._send = send
        self.is_awaited = is_awaited

    def send(self) -> None:
        if self.is_awaited:
            self.is_awaited = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")


class SizedBody:
    """A body of an announced length."""

    def __init__(self, stream: Any, length: int, invite: Invite) -> None:
        self._stream = stream
        self._left = length
        self._invite = invite
        self._ended = False
        """Whether it has ended before its length, or nobody waits for its end."""

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        self._invite.send()
        self._ended = True
        data: bytes = self._stream.read(wanted)
        self._left -= len(data)
        self._ended = len(data) < wanted
        return data

    def read1(self, size: int) -> bytes:
        if not self._left:
            return b""
        self._invite.send()
        self._ended = True
        data: bytes = self._stream.read_some(min(size, self._left))
        self._left -= len(data)
        self._ended = not data
        return data

    @property
    def left(self) -> int:
        return self._left

    def is_too_long(self, limit: int) -> bool:
        return self._ended or self._left > limit or (self._left > 0 and self._invite.is_awaited)

    def drain(self, limit: int) -> bool:
        if self.is_too_long(limit):
            return False
        self.read(self._left)
        return not self._left


class ChunkedBody:
    """A chunked body. No chunk is ever held whole; trailers are read and passed over."""

    def __init__(self, stream: Any, invite: Invite) -> None:
        self._stream = stream
        self._invite = invite
        self._chunk = 0
        self._ended = False
        self._broken = False

    def read(self, size: int = -1) -> bytes:
        if self._broken:
            raise ValueError("broken chunks")
        if self._ended or not size:
            return b""
        self._invite.send()
        self._broken = True
        if not self._chunk:
            self._chunk = self._head()
            if not self._chunk:
                self._trailers()
                self._ended, self._broken = True, False
                return b""
        wanted = min(self._chunk, 1 << 16 if size < 0 else size)
        data: bytes = self._stream.read(wanted)
        if len(data) < wanted:
            raise ValueError("cut off within a chunk")
        self._chunk -= len(data)
        if not self._chunk and self._stream.readline(2) != b"\r\n":
            raise ValueError("no end of a chunk")
        self._broken = False
        return data

    @property
    def left(self) -> int | None:
        return 0 if self._ended else None

    def is_too_long(self, limit: int) -> bool:
        return self._broken or (not self._ended and self._invite.is_awaited)

    def drain(self, limit: int) -> bool:
        read = 0
        if self._invite.is_awaited:
            return False
        try:
            while read <= limit and not self._ended:
                read += len(self.read(1 << 14))
        except ValueError:
            return False
        return self._ended

    def _head(self) -> int:
        match = _CHUNK_HEAD.fullmatch(self._stream.readline(_LONGEST_LINE))
        if match is None:
            raise ValueError("no chunk size")
        return int(match[1], 16)

    def _trailers(self) -> None:
        read = 0
        while (line := self._stream.readline(_LONGEST_LINE)) != b"\r\n":
            read += len(line)
            if not line.endswith(b"\r\n") or read > _LONGEST_TRAILERS:
                raise ValueError("broken trailers")

"""Request bodies: read in pieces, whatever their framing says (RFC 9112 sections 6 and 7)."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Protocol

from davserver.serving import heads

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# Space is allowed around the signs of an extension alone (RFC 9112 section 7.1.1).
_CHUNK_HEAD = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED)
)
_LONGEST_LINE = 4096
_LONGEST_TRAILERS = 16384
_PIECE = 1 << 16
"""Bytes that are read at a time where all are wanted."""


class Stream(Protocol):
    """Where a body comes from; each method waits where nothing has come."""

    def read1(self, size: int, /) -> bytes:
        """What comes next, ``size`` bytes at most; none at the end."""

    def readinto1(self, view: memoryview, /) -> int:
        """Put what comes next into ``view``; gives how many bytes, 0 at the end."""

    def readline(self, size: int, /) -> bytes:
        """A line with its end, cut off after ``size`` bytes; cut short at the end."""


class Body(ABC):
    """What `wsgi.input` is (PEP 3333).

    Reading raises ValueError for a broken frame, OSError for a broken connection, and Fault where
    more is not to be waited for.
    """

    def __init__(self) -> None:
        self._ahead = b""
        """What was read behind the end of a line."""

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all; fewer at the end."""
        pieces, left = [], size
        while left and (data := self.read1(left if left > 0 else _PIECE)):
            pieces.append(data)
            left -= len(data) if left > 0 else 0
        return b"".join(pieces)

    def read1(self, size: int) -> bytes:
        """The next bytes as soon as some are there, at most ``size``; none at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._some(size)

    def readline(self, size: int = -1) -> bytes:
        """The next line, with its end, or ``size`` bytes of it at most."""
        line = b""
        while b"\n" not in line and not 0 <= size <= len(line):
            data = self.read1(_PIECE)
            if not data:
                break
            line += data
        end = line.find(b"\n") + 1 or len(line)
        end = min(end, size) if size >= 0 else end
        line, self._ahead = line[:end], line[end:] + self._ahead
        return line

    def readlines(self, hint: int = -1) -> list[bytes]:
        """All lines, or so many that they have ``hint`` bytes."""
        lines, size = [], 0
        while (hint < 0 or size < hint) and (line := self.readline()):
            lines.append(line)
            size += len(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    @abstractmethod
    def readinto1(self, view: memoryview) -> int:
        """Put the next bytes into ``view`` as soon as some are there. Gives how many, 0 at the end.
        Not to be mixed with lines.
        """

    @abstractmethod
    def _some(self, size: int) -> bytes: ...

    @property
    @abstractmethod
    def left(self) -> int | None:
        """Bytes that have not come yet, None where nobody knows."""

    @property
    @abstractmethod
    def received(self) -> int:
        """Bytes that have been read."""

    @abstractmethod
    def is_too_long(self, limit: int) -> bool:
        """Whether more than ``limit`` bytes are known to be left, or whether the client may never
        send them.
        """

    @abstractmethod
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
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
            # Where it could not be sent, the client waits still, and sends nothing.
            self.is_awaited = False


class SizedBody(Body):
    """A body of an announced length."""

    def __init__(self, stream: Stream, length: int, invite: Invite) -> None:
        super().__init__()
        self._stream = stream
        self._length = self._left = length
        self._invite = invite
        self._ended = False
        """Whether it has ended before its length, or nobody waits for its end."""

    def readinto1(self, view: memoryview) -> int:
        if not self._left:
            return 0
        self._invite.send()
        self._ended = True
        size = self._stream.readinto1(view[: self._left])
        self._left -= size
        self._ended = not size
        return size

    def _some(self, size: int) -> bytes:
        if not self._left or not size:
            return b""
        self._invite.send()
        self._ended = True
        data = self._stream.read1(min(size, self._left))
        self._left -= len(data)
        self._ended = not data
        return data

    @property
    def left(self) -> int:
        return self._left

    @property
    def received(self) -> int:
        return self._length - self._left

    def is_too_long(self, limit: int) -> bool:
        return self._ended or self._left > limit or (self._left > 0 and self._invite.is_awaited)

    def drain(self, limit: int) -> bool:
        if self._left and not self.is_too_long(limit):
            self.read(self._left)
        return not self._left


class ChunkedBody(Body):
    """A chunked body. No chunk is ever held whole; trailers are read as strictly as the fields of a
    head, and passed over.
    """

    def __init__(self, stream: Stream, invite: Invite) -> None:
        super().__init__()
        self._stream = stream
        self._invite = invite
        self._received = 0
        self._chunk = 0
        self._ended = False
        self._broken = False

    def readinto1(self, view: memoryview) -> int:
        filled = 0
        while self._begins(len(view) - filled):
            size = self._stream.readinto1(view[filled : filled + self._chunk])
            filled += size
            self._go_on(size)
            if not self._has_more():
                break
        return filled

    def _some(self, size: int) -> bytes:
        if not self._begins(size):
            return b""
        data = self._stream.read1(min(self._chunk, size))
        self._go_on(len(data))
        return data

    @property
    def received(self) -> int:
        return self._received

    @property
    def left(self) -> int | None:
        return 0 if self._ended else None

    def is_too_long(self, limit: int) -> bool:
        # Nobody knows where it would end.
        return self._broken or not self._ended

    def drain(self, limit: int) -> bool:
        read = 0
        if self._invite.is_awaited:
            return False
        try:
            while read <= limit and not self._ended:
                read += len(self.read1(1 << 14))
        except ValueError:
            return False
        return self._ended

    def _begins(self, size: int) -> bool:
        """Whether there is more of a chunk to be read, of ``size`` bytes that are wanted. Whoever
        reads it calls `_go_on`, or the body stays broken.
        """
        if self._broken:
            raise ValueError("broken chunks")
        if self._ended or not size:
            return False
        self._invite.send()
        self._broken = True
        if not self._chunk:
            self._chunk = self._head()
            if not self._chunk:
                self._trailers()
                self._ended, self._broken = True, False
                return False
        return True

    def _go_on(self, size: int) -> None:
        """So many bytes of a chunk have been read."""
        if not size:
            raise ValueError("cut off within a chunk")
        self._chunk -= size
        self._received += size
        if not self._chunk and self._stream.readline(2) != b"\r\n":
            raise ValueError("no end of a chunk")
        self._broken = False

    def _has_more(self) -> bool:
        """Whether more has come already."""
        has_data: Callable[[], bool] | None = getattr(self._stream, "has_data", None)
        return has_data is None or has_data()

    def _head(self) -> int:
        match = _CHUNK_HEAD.fullmatch(self._stream.readline(_LONGEST_LINE))
        if match is None:
            raise ValueError("no chunk size")
        return int(match[1], 16)

    def _trailers(self) -> None:
        # What is no field here may be the next request to who reads trailers otherwise.
        read = 0
        while (line := self._stream.readline(_LONGEST_LINE)) != b"\r\n":
            read += len(line)
            is_field = line.endswith(b"\r\n") and heads.is_field(line[:-2])
            if not is_field or read > _LONGEST_TRAILERS:
                raise ValueError("broken trailers")

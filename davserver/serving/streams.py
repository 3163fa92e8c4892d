"""What comes in on a connection, and what goes out."""

import socket
from typing import Any

from davserver.serving import heads

_PIECE = 1 << 16
"""Bytes that are taken at a time where nobody knows how many will come."""
_LARGE = 1 << 18
"""Bytes that are taken at a time where many are wanted."""


class Broken(OSError):
    """The connection cannot be used any more, or nothing came for too long."""


class Inbox:
    """The incoming bytes of a connection, of which the head of a request is taken in one piece.

    cheroot asks `has_data`, and counts ``bytes_read``. Whoever waits gets Broken where nothing
    comes for as long as the socket allows; while it ``is_quiet`` nobody waits.
    """

    bytes_read = 0
    is_quiet = False

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = b""

    def close(self) -> None:
        self._held = b""

    def has_data(self) -> bool:
        """Whether something has come that nobody has taken yet."""
        return bool(self._held)

    def receive(self) -> bool:
        """Take in what has come; waits where nothing has. Gives whether the client may still send
        more.
        """
        data = self._received(_PIECE)
        self._held = self._held + data if self._held else data
        return bool(data)

    def head(self) -> bytes | None:
        """The next head, without the empty line behind it, or None where it is not whole yet.
        Raises Refused where that can be nothing sound any more.
        """
        # One empty line before a request is passed over (RFC 9112 section 2.2).
        if self._held.startswith(b"\r\n"):
            self._held = self._held[2:]
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            heads.check(self._held)
            return None
        octets, self._held = self._held[:end], self._held[end + 4 :]
        if len(octets) > heads.LONGEST_LINE:
            heads.check(octets)
        return octets

    def read(self, size: int) -> bytes:
        """What comes next: ``size`` bytes, fewer at the end."""
        data, self._held = self._held[:size], self._held[size:]
        if len(data) == size:
            return data
        pieces = [data]
        left = size - len(data)
        while left and (data := self._received(min(left, _LARGE))):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def skip(self, size: int) -> int:
        """Throw away up to so many bytes of what has come. Gives how many are left to be."""
        skipped = min(size, len(self._held))
        self._held = self._held[skipped:]
        return size - skipped

    def readline(self, size: int) -> bytes:
        """A line with its end, cut off after ``size`` bytes; cut short at the end."""
        while (end := self._held.find(b"\n", 0, size)) < 0 and len(self._held) < size:
            if not self.receive():
                return self.read(size) if self._held else b""
        return self.read(end + 1 if end >= 0 else size)

    def _received(self, size: int) -> bytes:
        if self.is_quiet:
            return b""
        try:
            return self._socket.recv(size)
        except OSError as error:
            raise Broken(*error.args) from error


class Writer:
    """The outgoing bytes of a connection, not buffered; cheroot counts ``bytes_written``."""

    bytes_written = 0

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def write(self, data: bytes) -> int:
        """Send all of it. Raises Broken."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Broken(*error.args) from error
        return len(data)


def stream(connected: Any, mode: str, size: int) -> Inbox | Writer:
    """What cheroot asks for in the way of `socket.makefile`."""
    return Inbox(connected) if "r" in mode else Writer(connected)

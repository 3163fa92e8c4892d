"""What comes in on a connection, and what goes out."""

import socket
from typing import Any

from davserver.serving import heads

_PIECE = 1 << 16
"""Bytes that are taken at a time where nobody knows how many will come."""


class Inbox:
    """The incoming bytes of a connection, of which the head of a request is taken in one piece.

    cheroot asks `has_data`, and counts ``bytes_read``. Every method raises OSError: TimeoutError
    where nothing comes for as long as the socket allows.
    """

    bytes_read = 0

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
        data = self._socket.recv(_PIECE)
        self._held = self._held + data if self._held else data
        return bool(data)

    def head(self) -> bytes | None:
        """The next head, without the empty line behind it, or None where it is not whole yet.
        Raises Refused where that can be nothing sound any more.
        """
        # One empty line before a request is passed over (RFC 9112 section 2.2).
        first = 2 if self._held.startswith(b"\r\n") else 0
        end = self._held.find(b"\r\n\r\n", first)
        if end < 0:
            heads.check(self._held[first:])
            return None
        octets, self._held = self._held[first:end], self._held[end + 4 :]
        if len(octets) > heads.LONGEST_LINE:
            heads.check(octets)
        return octets

    def read(self, size: int) -> bytes:
        """What comes next: at most ``size`` bytes, and none at the end."""
        if not self._held:
            return self._socket.recv(size)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def readline(self, size: int) -> bytes:
        """A line with its end, cut off after ``size`` bytes; cut short at the end."""
        while (end := self._held.find(b"\n", 0, size)) < 0 and len(self._held) < size:
            if not self.receive():
                return self.read(size) if self._held else b""
        return self.read(end + 1 if end >= 0 else size)


class Writer:
    """The outgoing bytes of a connection, not buffered; cheroot counts ``bytes_written``."""

    bytes_written = 0

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def write(self, data: bytes) -> int:
        """Send all of it. Raises OSError."""
        self._socket.sendall(data)
        return len(data)


def stream(connected: Any, mode: str, size: int) -> Inbox | Writer:
    """What cheroot asks for in the way of `socket.makefile`."""
    return Inbox(connected) if "r" in mode else Writer(connected)

"""What is read from a socket, buffered in C, and what is written to it, not buffered at all:
cheroot's own streams are of Python, and copy what they are given.
"""

import io
import socket


class Reader(io.BufferedReader):
    """The incoming bytes of a connection. cheroot asks `has_data`, and counts ``bytes_read``."""

    bytes_read = 0

    def __init__(self, connected: socket.socket, size: int) -> None:
        self._source = _Source(connected, "r")
        super().__init__(self._source, size)

    def has_data(self) -> bool:
        """Whether something has been received that nobody has read yet."""
        self._source.is_quiet = True
        try:
            return bool(self.peek(1))
        finally:
            self._source.is_quiet = False


class Writer:
    """The outgoing bytes of a connection; cheroot counts ``bytes_written``."""

    bytes_written = 0

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def write(self, data: bytes) -> int:
        """Send all of it. Raises OSError."""
        self._socket.sendall(data)
        return len(data)


class _Source(socket.SocketIO):
    """The socket; while it ``is_quiet`` it has nothing, and nobody waits for it."""

    is_quiet = False

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        return None if self.is_quiet else super().readinto(buffer)

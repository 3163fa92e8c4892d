"""One connection, which is closed so that its last answer is read."""

import socket
import time
from contextlib import suppress
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection

from davserver.serving.requests import DavRequest
from davserver.serving.streams import Reader, Writer

LINGER_SECONDS = 2.0


class DavConnection(HTTPConnection):
    """``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read.
    """

    RequestHandlerClass = DavRequest
    lingers = False
    is_watched = False
    """Whether the epoll of `IdleConnections` knows it."""

    def __init__(self, server: Any, connected: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, connected, _stream if makefile is MakeFile else makefile)

    def communicate(self) -> bool:
        """Answer one request, and those that have come with it already. Gives whether the
        connection stays.
        """
        while super().communicate():  # type: ignore[no-untyped-call] # its stub has no types
            if not (self.server.ready and self.rfile.has_data()):
                return True
        return False

    def close(self) -> None:
        if self.lingers:
            self.lingers = False
            with suppress(OSError):
                self._linger()
        super().close()

    def _linger(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(LINGER_SECONDS)
        end = time.monotonic() + LINGER_SECONDS
        thrown_away = bytearray(1 << 16)
        while time.monotonic() < end and self.socket.recv_into(thrown_away):
            pass


def _stream(connected: Any, mode: str, size: int) -> Reader | Writer:
    return Reader(connected, size) if "r" in mode else Writer(connected)

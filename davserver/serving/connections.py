"""One connection, which is closed so that its last answer is read."""

import select
import socket
import time
from contextlib import suppress
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection

from davserver.serving.requests import DavRequest
from davserver.serving.streams import Reader, Writer

LINGER_SECONDS = 2.0
STAY_MILLISECONDS = 2
"""How long a worker stays with a connection after an answer, while nobody waits for a worker."""


class DavConnection(HTTPConnection):
    """``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read.
    """

    RequestHandlerClass = DavRequest
    lingers = False

    def __init__(self, server: Any, connected: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, connected, _stream if makefile is MakeFile else makefile)

    def communicate(self) -> bool:
        """Answer requests as long as they come at once: a client that is busy has its next one
        here sooner than it could be handed to another worker. Gives whether the connection stays.
        """
        while super().communicate():  # type: ignore[no-untyped-call] # its stub has no types
            if not (self.server.ready and self.server.requests.qsize == 0 and self._has_next()):
                return True
        return False

    def _has_next(self) -> bool:
        if self.rfile.has_data():
            return True
        coming = select.poll()
        coming.register(self.socket, select.POLLIN)
        return bool(coming.poll(STAY_MILLISECONDS))

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

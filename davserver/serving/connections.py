"""One connection, which is closed so that its last answer is read."""

import socket
import time
from contextlib import suppress

from cheroot.server import HTTPConnection

from davserver.serving.requests import DavRequest

LINGER_SECONDS = 2.0


class DavConnection(HTTPConnection):
    """``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read.
    """

    RequestHandlerClass = DavRequest
    lingers = False

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

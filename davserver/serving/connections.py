"""One connection: which requests come on it, and an end after which its last answer is read."""

import logging
import socket
import time
from contextlib import suppress
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection

from davserver.serving import gateway, requests
from davserver.serving.heads import Refused, parse
from davserver.serving.requests import DavRequest
from davserver.serving.streams import stream

log = logging.getLogger("davserver.serving")

LINGER_SECONDS = 2.0
HEAD_SECONDS = 20.0
"""How long a head may take from its first byte to its last."""


class DavConnection(HTTPConnection):
    """``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read.
    """

    lingers = False
    is_watched = False
    """Whether the epoll of `IdleConnections` knows it."""

    def __init__(self, server: Any, connected: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, connected, stream if makefile is MakeFile else makefile)
        self._began = 0.0
        self._environ: dict[str, Any] = {}

    @property
    def environ(self) -> dict[str, Any]:
        """What the environs of all its requests have."""
        if not self._environ:
            address, port = self.remote_addr or "", self.remote_port or 0
            self._environ = gateway.common(self.server, address, port)
        return self._environ

    def communicate(self) -> bool:
        """Take in what has come, and answer what is whole of it: nobody waits here for the rest of
        a head. Gives whether the connection stays.
        """
        request = None
        try:
            is_open = self.rfile.receive()
            while (octets := self.rfile.head()) is not None:
                request = DavRequest(self.server, self, parse(octets))
                self._began = 0.0
                request.respond()
                if request.close_connection or not self.server.ready:
                    return False
                request = None
                if not self.rfile.has_data():
                    return True
            return self._waits(is_open)
        except Refused as refused:
            with suppress(OSError):
                requests.refuse(self, refused)
        except OSError as error:
            log.info("a connection broke: %r", error)
        except Exception:
            log.exception("cannot answer")
            if request is None or not request.sent_headers:
                with suppress(OSError):
                    requests.refuse(self, _FAILED)
        return False

    def expire(self) -> None:
        """End a connection on which nothing has come for too long."""
        if self.rfile.has_data():
            with suppress(OSError):
                requests.refuse(self, _LATE)
        # Nobody waits for somebody who is silent.
        self.lingers = False
        self.close()

    def close(self) -> None:
        if self.lingers:
            self.lingers = False
            with suppress(OSError):
                self._linger()
        super().close()

    def _waits(self, is_open: bool) -> bool:
        """Whether the connection may go on to wait for the rest of a head. Raises Refused."""
        if not self.rfile.has_data():
            return is_open
        if not is_open:
            raise Refused("400 Bad Request", "The request ends within its head.")
        now = time.monotonic()
        self._began = self._began or now
        if now - self._began > HEAD_SECONDS:
            raise _LATE
        return True

    def _linger(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(LINGER_SECONDS)
        end = time.monotonic() + LINGER_SECONDS
        thrown_away = bytearray(1 << 16)
        while time.monotonic() < end and self.socket.recv_into(thrown_away):
            pass


_LATE = Refused("408 Request Timeout", "The head of the request took too long.")
_FAILED = Refused("500 Internal Server Error", "The server failed. Its log says why.")

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
from davserver.serving.streams import Broken, stream

log = logging.getLogger("davserver.serving")

LINGER_SECONDS = 2.0
HEAD_SECONDS = 20.0
"""How long a head may take from its first byte to its last."""


class DavConnection(HTTPConnection):
    """What comes on it is taken by one thread at a time, when it has come: see `communicate`.

    ``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read. So many bytes as
    ``skips`` are of a body that nobody wanted. ``patience`` is how long it may be silent, in
    seconds.
    """

    lingers = False
    skips = 0
    is_watched = False
    """Whether the epoll of `IdleConnections` knows it."""

    def __init__(self, server: Any, connected: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, connected, stream if makefile is MakeFile else makefile)
        self.patience: float = server.timeout
        self._began = 0.0
        self._ends = 0.0
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
        a head, or for what follows an answer. Gives whether the connection stays.
        """
        if self._ends:
            return self._throw_away()
        request = None
        try:
            is_open = self.rfile.receive()
            self.skips = self.rfile.skip(self.skips)
            while not self.skips and (octets := self.rfile.head()) is not None:
                request = DavRequest(self.server, self, parse(octets))
                self._began = 0.0
                request.respond()
                if request.close_connection or not self.server.ready:
                    return self._leave()
                request = None
                self.skips = self.rfile.skip(self.skips)
                if not self.rfile.has_data():
                    return self._wait(is_open)
            return self._wait(is_open)
        except Refused as refused:
            with suppress(Broken):
                requests.refuse(self, refused)
        except Broken as error:
            log.info("a connection broke: %r", error)
        except Exception:
            log.exception("cannot answer")
            if request is None or not request.sent_headers:
                with suppress(Broken):
                    requests.refuse(self, _FAILED)
        return self._leave()

    def expire(self) -> None:
        """End a connection on which nothing has come for too long."""
        if self.rfile.has_data() and not self._ends:
            # Nobody waits for somebody who is silent.
            self.socket.setblocking(False)
            with suppress(Broken):
                requests.refuse(self, _late())
        self.close()

    @property
    def _short(self) -> float:
        """The patience with who has begun to say something."""
        return min(HEAD_SECONDS, float(self.server.timeout))

    def _wait(self, is_open: bool) -> bool:
        """Whether the connection may go on to wait for more. Raises Refused."""
        if not self.rfile.has_data():
            self.patience = self._short if self.skips else self.server.timeout
            return is_open
        if not is_open:
            raise Refused("400 Bad Request", "The request ends within its head.")
        now = time.monotonic()
        self._began = self._began or now
        if now - self._began > HEAD_SECONDS:
            raise _late()
        self.patience = self._short
        return True

    def _leave(self) -> bool:
        """Begin to end. Gives whether the connection stays for the moment, to be read from."""
        if not self.lingers or not self.server.ready:
            return False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self.patience = LINGER_SECONDS
        self._ends = time.monotonic() + LINGER_SECONDS
        return True

    def _throw_away(self) -> bool:
        """Read what still comes behind the last answer."""
        try:
            return bool(self.socket.recv(1 << 16)) and time.monotonic() < self._ends
        except OSError:
            return False


def _late() -> Refused:
    return Refused("408 Request Timeout", "The head of the request took too long.")


_FAILED = Refused("500 Internal Server Error", "The server failed. Its log says why.")

"""One connection: which requests come on it, and an end after which its last answer is read."""

import logging
import math
import select
import socket
import ssl
import time
from contextlib import suppress
from enum import Enum
from typing import Any

from cheroot.server import HTTPConnection

from davserver import counts
from davserver.serving import gateway, requests, tls
from davserver.serving.heads import Refused, parse
from davserver.serving.listeners import peer
from davserver.serving.pace import Pace
from davserver.serving.proxied import Introduction, NotProxied
from davserver.serving.repeats import Repeated, Repeats
from davserver.serving.requests import DavRequest
from davserver.serving.streams import Broken, Inbox, Outbox, unread
from davserver.serving.workers import LONG_SECONDS

log = logging.getLogger("davserver.serving")

LINGER_SECONDS = 2.0
HEAD_SECONDS = 20.0
"""How long a head may take from its first byte to its last."""

READS, WRITES = select.EPOLLIN, select.EPOLLOUT


class Waits(Enum):
    """What a connection waits for; the first of these is ended first where there is no room."""

    REQUEST = 1
    """A request, of which nothing has come."""
    REST = 2
    """The rest of a head, of a handshake, or of a body that nobody wants."""
    END = 3
    """The client's end."""
    READER = 4
    """Room for more of an answer."""


class DavConnection(HTTPConnection):
    """What comes on it is taken by one thread at a time, when it has come: see `communicate`.

    ``lingers`` says that the client may still be sending: closing at once would reset the
    connection, and the reset would take the answer away before it is read. So many bytes as
    ``skips`` are of a body that nobody wanted. ``patience`` is how long it may be silent, in
    seconds, ``waits`` what it waits for, and ``events`` how that shows.
    """

    lingers = False
    skips = 0
    is_watched = False
    """Whether the epoll of `WaitingConnections` knows it."""
    events = READS
    waits = Waits.REQUEST

    # Instead of cheroot's, which prepares for files and look-ups of its own.
    def __init__(self, server: Any, connected: socket.socket, listener: Any, address: Any) -> None:
        self.server = server
        self.listener = listener
        self.remote_addr, self.remote_port = peer(address)
        self.patience: float = server.timeout
        self.last_used = 0.0
        self.requests_seen = 0
        self._take(connected)
        self._is_open = False
        speaks = server.proxies.has(self.remote_addr) and not listener.is_status
        self._introduction = Introduction(connected) if speaks else None
        self._speaks_tls = server.tls is not None and not (
            connected.family == socket.AF_UNIX or listener.is_status
        )
        self._answering: DavRequest | Repeated | None = None
        self._is_leaving = False
        self._began = 0.0
        self._ends = 0.0
        self._unread = 0
        self._environ: dict[str, Any] = {}
        self._stance: tuple[object, ...] = ()

    @property
    def stance(self) -> tuple[object, ...]:
        """All of its environ that tells who asks where."""
        if not self._stance:
            self._stance = (
                self.remote_addr,
                id(self.listener),
                isinstance(self.socket, ssl.SSLSocket),
            )
        return self._stance

    @property
    def environ(self) -> dict[str, Any]:
        """What the environs of all its requests have."""
        if not self._environ:
            self._environ = gateway.common(self)
            if isinstance(self.socket, ssl.SSLSocket):
                self._environ |= tls.environ(self.socket)
        return self._environ

    def communicate(self) -> bool:
        """Take in what has come, answer what is whole of it, and send what can be sent: nobody
        waits here for the rest of a head, for what follows an answer, or for its reader. Gives
        whether the connection stays.
        """
        self.events = READS
        try:
            if self._is_leaving:
                return self._go_on_leaving()
            self._is_open = self._is_open or self._open()
            return self._serve() if self._is_open else self._wait_to_open()
        except Refused as refused:
            counts.malformed(refused.status[:3])
            with suppress(Broken):
                requests.refuse(self, refused)
                return self._leave()
        except Broken as error:
            log.info("a connection broke: %r", error)
        except Exception:
            log.exception("cannot answer")
            if self._answering is None or not self._answering.sent_headers:
                with suppress(Broken):
                    requests.refuse(self, _FAILED)
                    return self._leave()
        finally:
            self._pace.end()
        return False

    def invite(self, line: bytes) -> None:
        """Ask for the body of a request, if somebody may wait for it. Raises Fault 503, Broken."""
        self._pace.hold()
        self.wfile.push(line)

    def expire(self) -> bool:
        """Nothing has come, and nothing has been read, for too long. Gives whether it stays even
        so: a slow reader makes room in the kernel's buffer long before more fits in.
        """
        if self._answering is not None or not self.wfile.is_empty:
            left = unread(self.socket)
            if left < (self._unread or left + 1):
                self._unread = left
                return True
        elif self.rfile.has_data() and not self._ends:
            counts.malformed("408")
            with suppress(Broken):
                requests.refuse(self, _late())
                return self._leave()
        return False

    def close(self) -> None:
        """End it, with whatever was under way."""
        answering, self._answering = self._answering, None
        try:
            if answering is not None:
                answering.abort()
        except Exception:
            log.exception("cannot end an answer")
        finally:
            self.server.forget(self)
            self.rfile.close()
            self.wfile.drop()
            self.socket.close()

    def cut(self) -> None:
        """Let whoever reads from it or writes to it find it broken."""
        with suppress(OSError):
            # Not that of TLS: it would let go of the cipher first, and who is reading would take
            # what has come, as it is, for a body.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def _take(self, connected: socket.socket) -> None:
        """Speak over this socket from now on."""
        self.socket = connected
        self._pace = Pace(connected, self.server.requests, self.server.floor)
        self.rfile = Inbox(connected, self._pace.wait, self._pace.flow)
        self.wfile = Outbox(connected)

    def _open(self) -> bool:
        """Go on with what comes before the first request. Gives whether it is done. Raises Refused,
        Broken.
        """
        if self._introduction is not None and not self._introduce(self._introduction):
            return False
        if not self._speaks_tls:
            return True
        try:
            if not isinstance(self.socket, ssl.SSLSocket):
                speech = tls.speech(self.socket.recv(1, socket.MSG_PEEK))
                if speech is tls.Speech.HTTP:
                    raise tls.PLAIN
                self._take(self.server.tls.wrap(self.socket))
            awaited = tls.shake_hands(self.socket)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Broken(*error.args) from error
        self.events = awaited or READS
        return not awaited

    def _introduce(self, introduction: Introduction) -> bool:
        """Let the proxy say whose connection this is. Gives whether it has said it. Raises Refused,
        Broken.
        """
        try:
            found = introduction.receive()
        except NotProxied as error:
            raise Refused(
                "400 Bad Request", "Connections of proxies begin with a PROXY protocol header."
            ) from error
        except OSError as error:
            raise Broken(*error.args) from error
        if found is None:
            return False
        if found.address is not None:
            self.remote_addr, self.remote_port = found.address, found.port
        self._introduction = None
        return True

    def _wait_to_open(self) -> bool:
        """Whether the connection may take more time to begin."""
        is_late = self._is_late()
        self.waits, self.patience = Waits.REST, self._short
        return not is_late

    def _is_late(self) -> bool:
        """Whether what has begun to come takes too long."""
        now = time.monotonic()
        self._began = self._began or now
        return now - self._began > HEAD_SECONDS

    def _serve(self) -> bool:
        is_open, began = True, time.monotonic()
        if self._answering is None:
            self._began = self._began if self.rfile.has_data() or self.skips else 0.0
            is_open = self.rfile.receive()
            self.skips = self.rfile.skip(self.skips)
        while True:
            if self._answering is None:
                octets = None if self.skips else self.rfile.head()
                if octets is None:
                    return self._wait(is_open)
                self._answering = self._answer(octets)
                self.requests_seen += 1
                self._began = 0.0
                is_sent = self._answering.respond()
            else:
                is_sent = self._answering.go_on()
            if not is_sent:
                return self._wait_to_write()
            answered, self._answering = self._answering, None
            if answered.close_connection or self.server.is_ending:
                return self._leave()
            if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                # What came in one record with the end of a body shows in no event.
                is_open = self.rfile.receive()
            self.skips = self.rfile.skip(self.skips)
            if self.rfile.has_data() and time.monotonic() - began > LONG_SECONDS:
                return self._come_back()

    def _answer(self, octets: bytes) -> DavRequest | Repeated:
        """What answers a request with this head. Raises Refused."""
        repeats: Repeats = self.server.repeats
        asked = repeats.asked(self, octets)
        # An answer that ends the connection says so in its head.
        if asked is not None and not self.server.is_ending:
            repeated = repeats.find(self, asked)
            if repeated is not None:
                return repeated
        request = parse(octets)
        is_again = asked is not None and repeats.is_asked_again(asked.key)
        return DavRequest(self.server, self, request, asked if is_again else None)

    def _wait_to_write(self) -> bool:
        self.events, self.waits = WRITES, Waits.READER
        self.patience, self._unread = self.server.timeout, 0
        return True

    def _come_back(self) -> bool:
        """Let others have their turn before the next request that has come already."""
        # It can be written to at once.
        self.events, self.waits, self.patience = WRITES, Waits.REST, self._short
        return True

    @property
    def _short(self) -> float:
        """The patience with who has begun to say something."""
        ends = self._began + HEAD_SECONDS if self._began else math.inf
        left = min(HEAD_SECONDS, ends - time.monotonic())
        return max(0.0, min(left, float(self.server.timeout)))

    def _wait(self, is_open: bool) -> bool:
        """Whether the connection may go on to wait for more. Raises Refused."""
        if self.skips:
            is_late = self._is_late()
            self.waits, self.patience = Waits.REST, self._short
            return is_open and not (is_late or self.server.is_ending)
        if not self.rfile.has_data():
            self.waits, self.patience = Waits.REQUEST, self.server.timeout
            # Who has just come may be about to ask.
            return is_open and not (self.server.is_ending and self.requests_seen)
        if not is_open:
            raise Refused("400 Bad Request", "The request ends within its head.")
        if self._is_late():
            raise _late()
        self.waits, self.patience = Waits.REST, self._short
        return True

    def _leave(self) -> bool:
        """Begin to end. Gives whether the connection stays for the moment."""
        self._is_leaving = True
        return self._go_on_leaving()

    def _go_on_leaving(self) -> bool:
        if not self.wfile.flush():
            return self._wait_to_write()
        if self._ends:
            return self._throw_away()
        if isinstance(self.socket, ssl.SSLSocket):
            tls.say_goodbye(self.socket)
        if not self.lingers:
            return False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self.waits, self.patience = Waits.END, LINGER_SECONDS
        self._ends = time.monotonic() + LINGER_SECONDS
        return True

    def _throw_away(self) -> bool:
        """Read what still comes behind the last answer."""
        try:
            return bool(self.socket.recv(1 << 16)) and time.monotonic() < self._ends
        except BlockingIOError:
            return True
        except OSError:
            return False


def _late() -> Refused:
    return Refused("408 Request Timeout", "The head of the request took too long.")


_FAILED = Refused("500 Internal Server Error", "The server failed. Its log says why.")

"""One request on a connection, from its head to the last byte of its answer."""

import logging
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from cheroot.server import HTTPRequest

from davserver import counts
from davserver.protocol.messages import CutShort
from davserver.serving.bodies import ChunkedBody, Invite, SizedBody
from davserver.serving.heads import Head, Refused

log = logging.getLogger("davserver.serving")

DRAIN = 1 << 16
"""Bytes of an unread body that are read to keep a connection; beyond them it is closed."""

_TOGETHER = 1 << 16
"""Bytes up to which a block is sent in one piece with the head before it."""


class DavRequest(HTTPRequest):
    """A request whose head is sound. cheroot's class is the interface that its gateways know."""

    # Instead of cheroot's, which prepares for a parser of its own.
    def __init__(self, server: Any, conn: Any, head: Head) -> None:
        self.server = server
        self.conn = conn
        self.head = head
        self.sent_headers = False
        self.close_connection = not head.stays
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._is_chunked = False
        invite = Invite(conn.wfile, head.waits)
        self.rfile = (
            ChunkedBody(conn.rfile, invite)
            if head.length is None
            else SizedBody(conn.rfile, head.length, invite)
        )

    def respond(self) -> None:
        """Let the application answer, then read what it has left of the body, if that is little.
        Raises OSError where the connection is broken.
        """
        try:
            self.server.gateway(self).respond()
        except CutShort as error:
            cause = error.__cause__
            log.warning("%s was cut short: %r", self.head.method, cause)
            counts.storage_failed(self.head.method, HTTPStatus.INTERNAL_SERVER_ERROR, cause)
            self.close_connection = True
        self.conn.lingers = True
        if self.rfile.drain(0 if self.close_connection else DRAIN):
            self.conn.lingers = False
        else:
            self.close_connection = True

    def begin(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Keep what the head of the answer says, until there is something to send behind it."""
        if any(c in value for _, value in headers for c in "\r\n\0"):
            raise ValueError("a line end in a header field")
        self._status, self._headers = status, headers

    def write(self, block: bytes) -> None:
        """Send a block of the answer, with the head in front of the first."""
        head = b"" if self.sent_headers else self._answer_head()
        self.sent_headers = True
        if self._is_chunked:
            block = b"%x\r\n%b\r\n" % (len(block), block)
        send = self.conn.socket.sendall
        if head and len(block) <= _TOGETHER:
            send(head + block)
            return
        if head:
            send(head)
        send(block)

    def finish(self) -> None:
        """Send what is still to be sent: the head of an answer without a body, the last chunk."""
        if not self.sent_headers:
            head = self._answer_head(has_body=False)
            self.sent_headers = True
            self.conn.socket.sendall(head)
        elif self._is_chunked:
            self.conn.socket.sendall(b"0\r\n\r\n")

    @property
    def _may_have_a_body(self) -> bool:
        """RFC 9112 section 6.3."""
        return self.head.method != "HEAD" and self._status[:3] not in ("204", "304")

    def _answer_head(self, *, has_body: bool = True) -> bytes:
        """The head of the answer (RFC 9112 section 6): in chunks where nothing tells its length."""
        lines = [f"HTTP/1.1 {self._status}"]
        names = set()
        for name, value in self._headers:
            lines.append(f"{name}: {value}")
            names.add(name.lower())
        if has_body and "content-length" not in names:
            if self.head.version == "HTTP/1.1":
                self._is_chunked = True
                lines.append("Transfer-Encoding: chunked")
            else:
                self.close_connection = True
        elif "content-length" not in names and self._may_have_a_body:
            lines.append("Content-Length: 0")
        if self.rfile.is_too_long(DRAIN):
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        elif self.head.version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        lines += [f"Server: {self.server.software}", f"Date: {_date(int(time.time()))}", "", ""]
        return "\r\n".join(lines).encode("latin-1")


def refuse(conn: Any, refused: Refused) -> None:
    """Answer what no request could be made of, and let the connection end. Raises OSError."""
    body = f"{refused.sentence}\n".encode()
    head = (
        f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nServer: {conn.server.software}\r\n"
        f"Date: {_date(int(time.time()))}\r\n\r\n"
    )
    conn.lingers = True
    conn.socket.sendall(head.encode("latin-1") + body)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """The value of a Date header, written once a second."""
    return formatdate(second, usegmt=True)

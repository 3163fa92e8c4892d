"""One request on a connection, from its head to the last byte of its answer."""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from cheroot.server import HTTPRequest

from davserver import counts
from davserver.protocol.messages import CutShort, Stretch
from davserver.serving.bodies import ChunkedBody, Invite, SizedBody
from davserver.serving.heads import Head, Refused
from davserver.serving.repeats import LONGEST, Asked, Kept, date_line
from davserver.serving.streams import Inbox

log = logging.getLogger("davserver.serving")

DRAIN = 1 << 16
"""Bytes of an unread body that are read to keep a connection; beyond them it is closed."""


class DavRequest(HTTPRequest):
    """A request whose head is sound. cheroot's class is the interface that its gateways know.

    ``asked`` says what is known of it if it was asked before: its answer is kept if it may be given
    again.
    """

    # Instead of cheroot's, which prepares for a parser of its own.
    def __init__(self, server: Any, conn: Any, head: Head, asked: Asked | None = None) -> None:
        self.server = server
        self.conn = conn
        self.head = head
        self._asked = asked
        self._body = None if asked is None else _whole(conn.rfile, head)
        self._kept_head = b""
        """That of the answer up to its date."""
        self.sent_headers = False
        self.head_size = 0
        """Bytes of the head of the answer."""
        self.close_connection = not head.stays
        self._gateway: Any = None
        self._lines: list[str] = []
        """Those of the head of the answer."""
        self._fields: dict[str, str] = {}
        """Its fields, by their names in lower case."""
        self._may_have_a_body = False
        """RFC 9112 section 6.3."""
        self._is_chunked = False
        self._invite = invite = Invite(conn.invite, head.waits)
        self.rfile = (
            ChunkedBody(conn.rfile, invite)
            if head.length is None
            else SizedBody(conn.rfile, head.length, invite)
        )

    def respond(self) -> bool:  # type: ignore[override] # nobody waits in ours
        """Let the application answer. Gives whether the answer has been sent as a whole; where it
        has not, `go_on` is to be called when more can be sent, or `abort`. Raises Broken.
        """
        self._gateway = gateway = self.server.gateway(self)
        return self._done(gateway.respond)

    def go_on(self) -> bool:
        """Send more of the answer, and give and raise what `respond` does."""
        return self._done(self._gateway.go_on)

    def abort(self) -> None:
        """Give the answer up."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            gateway.close()

    def _done(self, step: Callable[[], bool]) -> bool:
        try:
            if not step():
                return False
        except CutShort as error:
            cause = error.__cause__
            log.warning("%s was cut short: %r", self.head.method, cause)
            counts.storage_failed(self.head.method, HTTPStatus.INTERNAL_SERVER_ERROR, cause)
            self.conn.wfile.drop()
            self.close_connection = True
        except BaseException:
            self.abort()
            raise
        gateway = self._gateway
        self.abort()
        if self._asked is not None and self._body is not None:
            self._keep(self._asked, self._body, gateway)
        self._leave_body()
        return True

    def _keep(self, asked: Asked, body: bytes, gateway: Any) -> None:
        """Keep the answer, if it may be given again."""
        head, repeat = self._kept_head, gateway.repeat
        if repeat is not None and 0 < len(head) <= LONGEST and not self.close_connection:
            self.server.repeats.keep(asked, Kept(body, head, repeat, gateway.finished))

    @property
    def is_repeated(self) -> bool:
        """Whether the same was asked before, as far as its head tells, and all of it is here."""
        return self._body is not None

    def _leave_body(self) -> None:
        """What the application has left of the body is skipped, if that is little: nobody waits for
        it here.
        """
        self._take_rest()
        left = self.rfile.left
        if left != 0 and not self.close_connection:
            if left is None or left > DRAIN:
                self.close_connection = True
            else:
                self.conn.skips = left
        self.conn.lingers = self.close_connection

    def _take_rest(self) -> None:
        """Take what has come of the rest of the body, if that is little."""
        if self.rfile.left != 0:
            inbox = self.conn.rfile
            inbox.is_quiet = True
            self.rfile.drain(DRAIN)
            inbox.is_quiet = False

    def begin(self, status: str, headers: list[tuple[str, str]]) -> int | None:
        """Keep what the head of the answer says, until there is something to send behind it. Gives
        how many bytes of a body it announces, if any.
        """
        self._lines = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in headers]]
        self._fields = {_lower(name): value for name, value in headers}
        self._may_have_a_body = self.head.method != "HEAD" and status[:3] not in ("204", "304")
        length = self._fields.get("content-length")
        return int(length) if length is not None and self._may_have_a_body else None

    def write(self, block: bytes | Stretch) -> None:
        """Send a block of the answer, with the head in front of the first."""
        head = b"" if self.sent_headers else self._answer_head()
        self.sent_headers = True
        out = self.conn.wfile
        if not self._may_have_a_body:
            out.push(head)
        elif isinstance(block, Stretch):
            if head:
                out.push(head)
            out.push_file(block)
        elif self._is_chunked:
            out.push(b"%b%x\r\n%b\r\n" % (head, len(block), block))
        elif head:
            out.push(head, block)
        else:
            out.push(block)

    def finish(self) -> None:
        """Send what is still to be sent: the head of an answer without a body, the last chunk."""
        if not self.sent_headers:
            head = self._answer_head(has_body=False)
            self.sent_headers = True
            self.conn.wfile.push(head)
        elif self._is_chunked:
            self.conn.wfile.push(b"0\r\n\r\n")

    def _answer_head(self, *, has_body: bool = True) -> bytes:
        """The head of the answer (RFC 9112 section 6): in chunks where nothing tells its length."""
        lines, fields = self._lines, self._fields
        if not lines:
            raise ValueError("start_response was not called")
        if self._may_have_a_body and "content-length" not in fields:
            if not has_body:
                lines.append("Content-Length: 0")
            elif self.head.version == "HTTP/1.1":
                self._is_chunked = True
                lines.append("Transfer-Encoding: chunked")
            else:
                self.close_connection = True
        if self.head.length is None:
            # Nobody knows how long it is: whether its end has come decides about the connection.
            self._take_rest()
        if self.server.is_ending or self.rfile.is_too_long(DRAIN):
            self.close_connection = True
        # Nothing but this answer is said any more.
        self._invite.is_awaited = False
        if self.close_connection:
            lines.append("Connection: close")
        elif self.head.version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        if "server" not in fields:
            lines.append(f"Server: {self.server.software}")
        lines.append("")
        text = "\r\n".join(lines)
        ends = len(lines) - 1
        if text.count("\r") != ends or text.count("\n") != ends or "\0" in text:
            raise ValueError("a line end in a header field")
        head = text.encode("latin-1")
        if "date" in fields:
            head += b"\r\n"
        else:
            self._kept_head = head
            head += date_line(int(time.time()))
        self.head_size = len(head)
        return head


def refuse(conn: Any, refused: Refused) -> None:
    """Answer what no request could be made of, and let the connection end. Raises Broken."""
    conn.lingers = True
    conn.wfile.push(refusal(refused, conn.server.software))


def refusal(refused: Refused, software: str) -> bytes:
    """All of the answer to what no request could be made of; the connection ends behind it."""
    body = f"{refused.sentence}\n".encode()
    head = (
        f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nServer: {software}\r\n"
    )
    return head.encode("latin-1") + date_line(int(time.time())) + body


def _whole(inbox: Inbox, head: Head) -> bytes | None:
    """The body of a request, if it is short and has come already; it stays where it is."""
    length = head.length
    if length == 0:
        return b""
    if length is None or length > LONGEST or head.waits:
        return None
    body = inbox.peek(length)
    return body if len(body) == length else None


@lru_cache(256)
def _lower(name: str) -> str:
    return name.lower()

"""One request on a connection: its first line, and the end of its body."""

import logging
import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from cheroot.server import HeaderReader, HTTPRequest

from davserver import counts
from davserver.protocol.messages import CutShort
from davserver.serving.bodies import ChunkedBody, Invite, SizedBody

log = logging.getLogger("davserver.serving")

DRAIN = 1 << 16
"""Bytes of an unread body that are read to keep a connection; beyond them it is closed."""

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/(\d)\.(\d)\r\n")
_FORM = re.compile(rb"\*|/.*|[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)(/.*|\?.*)?", re.DOTALL)


class DavRequest(HTTPRequest):
    """A request whose target is left as it was sent, for the protocol to parse."""

    def read_request_line(self) -> bool:
        """Read `METHOD target HTTP/1.1` (RFC 9112 section 3). Gives whether it is sound."""
        line = self.rfile.readline()
        # One empty line before a request is passed over (RFC 9112 section 2.2).
        if line == b"\r\n":
            line = self.rfile.readline()
        self.started_request = True
        if not line:
            return False
        match = _LINE.fullmatch(line)
        if match is None:
            return self._refuse("400 Bad Request", "The request line cannot be understood.")
        method, target, major, minor = match.groups()
        if major != b"1":
            return self._refuse("505 HTTP Version Not Supported", "This server speaks HTTP/1.1.")
        form = _FORM.fullmatch(target)
        if form is None:
            return self._refuse("400 Bad Request", "The request target is no path of this server.")
        self.method, self.uri = method, target
        self.authority = form[1] or b""
        self.path, _, self.qs = target.partition(b"?")
        self.request_protocol = b"HTTP/" + major + b"." + minor
        self.response_protocol = "HTTP/1.0" if minor == b"0" else "HTTP/1.1"
        return True

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.header_reader = self._read_headers
        self._expected = b""

    def _read_headers(self, stream: Any, headers: dict[bytes, bytes]) -> None:
        """Keep `Expect` from cheroot, which would invite every body before anybody wants it."""
        HeaderReader()(stream, headers)
        self._expected = headers.pop(b"Expect", b"")

    def read_request_headers(self) -> bool:
        """An absolute target's authority stands before the Host header (RFC 9112 section 3.2.2)."""
        ready: bool = super().read_request_headers()  # type: ignore[no-untyped-call] # its stub has no types
        if ready and self.authority:
            self.inheaders[b"Host"] = self.authority
        if ready and self._expected:
            self.inheaders[b"Expect"] = self._expected
        return ready

    def respond(self) -> None:
        """Let the application answer."""
        is_awaited = (
            self._expected.lower() == b"100-continue" and self.response_protocol == "HTTP/1.1"
        )
        invite = Invite(self.conn.wfile, is_awaited)
        if self.chunked_read:
            self.rfile = ChunkedBody(self.conn.rfile, invite)
        else:
            length = self.inheaders.get(b"Content-Length", b"0")
            if not length.isdigit():
                self._refuse("400 Bad Request", "Content-Length must be a number of bytes.")
                self.close_connection = True
                return
            self.rfile = SizedBody(self.conn.rfile, int(length), invite)
        try:
            self.server.gateway(self).respond()
        except CutShort as error:
            cause = error.__cause__
            log.warning("%s was cut short: %r", self.method.decode(), cause)
            counts.storage_failed(self.method.decode(), HTTPStatus.INTERNAL_SERVER_ERROR, cause)
            self.close_connection = True
            return
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")

    def send_headers(self) -> None:
        """Send the head of the answer, after at most `DRAIN` bytes of what was left unread."""
        body: Any = self.rfile
        if not self.close_connection and not body.drain(DRAIN):
            self.close_connection = True
        if self.close_connection and not body.drain(0):
            self.conn.lingers = True
        if all(name.lower() != b"date" for name, _ in self.outheaders):
            self.outheaders.append((b"Date", _date(int(time.time()))))
        super().send_headers()

    def write(self, chunk: bytes) -> None:
        """Send a piece of the answer, past cheroot's buffer, which would copy it several times."""
        if self.chunked_write and chunk:
            chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
        self.conn.socket.sendall(chunk)

    def _refuse(self, status: str, sentence: str) -> bool:
        self.simple_response(status, sentence + "\n")
        self.conn.lingers = True
        return False


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """A Date header, written once a second."""
    return formatdate(second, usegmt=True).encode("ascii")

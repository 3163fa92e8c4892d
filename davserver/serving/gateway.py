"""From a head to a WSGI environ, and from a WSGI answer to what is sent (PEP 3333)."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from cheroot.wsgi import Gateway_10

from davserver.protocol.messages import Repeat, Stretch
from davserver.serving.streams import TURN_SECONDS
from davserver.wsgi import FINISHED, IS_REPEATED, IS_STATUS, REPEAT, SENDS_FILES, Finished

_PATIENCE = 60.0
"""Seconds that an application waits for a reader that it writes to by itself."""


class DavGateway(Gateway_10):
    """Lets the application answer one request, as fast as the answer is read: `respond` begins, and
    `go_on` goes on where the connection can take more. Whoever ends it calls `close`.
    """

    # Instead of cheroot's: nothing of it is wanted but that the server finds it here.
    def __init__(self, req: Any) -> None:
        self.req = req
        self._left: int | None = None
        self._answer: Iterable[bytes | Stretch] = ()
        self._blocks: Iterator[bytes | Stretch] | None = None
        self.finished: list[Finished] = []
        self.repeat: Repeat | None = None
        """What the application has left there."""
        self._given = 0
        """Bytes of the body that the application has given."""
        self._began = time.monotonic()
        self._had_written = req.conn.wfile.bytes_written

    def respond(self) -> bool:  # type: ignore[override] # nobody waits in ours
        """Call the application and send what can be sent of its answer. Gives whether that was all.
        An answer that is shorter than announced ends the connection, which is how its reader learns
        of it.
        """
        environ = self.get_environ()
        environ[FINISHED] = self.finished
        self._answer = self.req.server.wsgi_app(environ, self.start_response)
        self.repeat = environ.get(REPEAT)
        self._blocks = iter(self._answer)
        return self.go_on()

    def go_on(self) -> bool:
        """Send more of the answer, and not for too long. Gives whether that was all."""
        out, ends = self.req.conn.wfile, time.monotonic() + TURN_SECONDS
        while out.flush():
            if self._blocks is None:
                return True
            block = next(self._blocks, None)
            if block is not None:
                self._send(block)
                if time.monotonic() > ends:
                    return False
                continue
            self._blocks = None
            self.req.finish()
            if self._left:
                self.req.close_connection = True
        return False

    def close(self) -> None:
        """Let go of the answer, and tell who wants to know that it is over."""
        try:
            if close := getattr(self._answer, "close", None):
                close()
        finally:
            written = self.req.conn.wfile.bytes_written - self._had_written
            # Exact but for chunks that were broken off: their frames are counted with them.
            sent = min(max(written - self.req.head_size, 0), self._given)
            seconds = time.monotonic() - self._began
            for tell in self.finished:
                tell(sent, seconds)

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override] # its stub says None
        """The environ of the request. Its fields have one character a byte."""
        request = self.req
        head = request.head
        path, _, query = head.target.partition("?")
        if not path.startswith(("/", "*")):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        if "%" in path:
            path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
        return {
            **request.conn.environ,
            **head.fields,
            "REQUEST_METHOD": head.method,
            "REQUEST_URI": head.target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": head.version,
            IS_REPEATED: request.is_repeated,
            "wsgi.input": request.rfile,
            "wsgi.input_terminated": head.length is None,
        }

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """See PEP 3333. What has been sent stays sent."""
        if self.req.sent_headers and exc_info:
            raise exc_info[1]
        self._left = self.req.begin(status, headers)
        return self._write

    def _write(self, block: bytes) -> None:
        """What an application calls that gives no iterable: it cannot be held up otherwise."""
        self._send(block)
        self.req.conn.wfile.settle(_PATIENCE)

    def _send(self, block: bytes | Stretch) -> None:
        size = block.size if isinstance(block, Stretch) else len(block)
        if not size:
            return
        if self._left is not None:
            if size > self._left:
                raise ValueError("the answer is longer than announced")
            self._left -= size
        self._given += size
        self.req.write(block)


def common(conn: Any) -> dict[str, Any]:
    """What the environs of all requests on a connection have."""
    server = conn.server
    return {
        "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": conn.remote_addr,
        "REMOTE_PORT": str(conn.remote_port),
        "SCRIPT_NAME": "",
        "SERVER_NAME": server.server_name,
        "SERVER_PORT": server.ports[id(conn.listener)],
        "SERVER_SOFTWARE": server.software,
        "wsgi.errors": sys.stderr,
        "wsgi.multiprocess": server.is_one_of_many,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        SENDS_FILES: conn.wfile.can_send_files,
        IS_STATUS: conn.listener.is_status,
    }

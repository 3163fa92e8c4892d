"""From a head to a WSGI environ, and from a WSGI answer to what is sent (PEP 3333)."""

import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from cheroot.wsgi import Gateway_10


class DavGateway(Gateway_10):
    """Lets the application answer one request."""

    # Instead of cheroot's: nothing of it is wanted but that the server finds it here.
    def __init__(self, req: Any) -> None:
        self.req = req
        self._left: int | None = None

    def respond(self) -> None:
        """Call the application and send what it gives. An answer that is shorter than announced
        ends the connection, which is how its reader learns of it.
        """
        request = self.req
        answer: Iterable[bytes] = request.server.wsgi_app(self.get_environ(), self.start_response)
        try:
            for block in answer:
                self._send(block)
            request.finish()
            if self._left:
                request.close_connection = True
        finally:
            if close := getattr(answer, "close", None):
                close()

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
            "wsgi.input": request.rfile,
            "wsgi.input_terminated": head.length is None,
        }

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """See PEP 3333. What has been sent stays sent."""
        if self.req.sent_headers and exc_info:
            raise exc_info[1]
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        has_body = self.req.head.method != "HEAD" and status[:3] not in ("204", "304")
        self._left = int(lengths[0]) if lengths and has_body else None
        self.req.begin(status, headers)
        return self._send

    def _send(self, block: bytes) -> None:
        if not block:
            return
        if self._left is not None:
            if len(block) > self._left:
                raise ValueError("the answer is longer than announced")
            self._left -= len(block)
        self.req.write(block)


def common(server: Any, address: str, port: int) -> dict[str, Any]:
    """What the environs of all requests on a connection have."""
    return {
        "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": address,
        "REMOTE_PORT": str(port),
        "SCRIPT_NAME": "",
        "SERVER_NAME": server.server_name,
        "SERVER_PORT": str(server.bind_addr[1]),
        "SERVER_SOFTWARE": server.software,
        "wsgi.errors": sys.stderr,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }

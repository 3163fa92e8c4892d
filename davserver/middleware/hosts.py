"""A server without users answers only under loopback names, and those that the operator lists: a
web page that makes its own name point to 127.0.0.1 (DNS rebinding) must not write files.
"""

import ipaddress
from collections.abc import Iterable

from wsgidav.mw.base_mw import BaseMiddleware

from davserver.middleware import corridor
from davserver.protocol import faults
from davserver.wsgi import Environ, StartResponse


class Hosts(BaseMiddleware):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        ours = corridor(self.config)
        if ours.accounts.anonymous:
            text = environ.get("HTTP_HOST", "")
            # Only HTTP/1.0 may leave it out (RFC 9112 section 3.2), and no browser does.
            if text or environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
                name = host_name(text)
                if not (is_loopback(name) or name in ours.allowed_hosts):
                    raise faults.foreign_host()
        return self.next_app(environ, start_response)


def host_name(text: str) -> str:
    """The name of a Host header, in lower case, without the port and without brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def is_loopback(name: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 section 6.3)."""
    if name.removesuffix(".") == "localhost" or name.removesuffix(".").endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

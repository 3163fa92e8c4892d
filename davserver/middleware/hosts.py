"""A server without users answers only under loopback names, and those that the operator lists: a
web page that makes its own name point to 127.0.0.1 (DNS rebinding) must not write files.
"""

from collections.abc import Iterable

from wsgidav.mw.base_mw import BaseMiddleware

from davserver.middleware import corridor
from davserver.middleware.forwarded import AS_SENT
from davserver.protocol import faults, hosts
from davserver.wsgi import Environ, StartResponse


class Hosts(BaseMiddleware):
    """Behind a proxy both names have to be known, the client's and that of the proxy's request: a
    page in a browser beside the proxy can say of itself whatever it likes, but for its Host.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        ours = corridor(self.config)
        if ours.accounts.anonymous:
            text = environ.get("HTTP_HOST", "")
            # Only HTTP/1.0 may leave it out (RFC 9112 section 3.2), and no browser does.
            if text or environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
                for one in (text, environ.get(AS_SENT) or text):
                    name = hosts.host_name(one)
                    if not (hosts.is_loopback(name) or name in ours.allowed_hosts):
                        raise faults.foreign_host()
        return self.next_app(environ, start_response)

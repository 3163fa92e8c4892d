"""Who really asks, and by which URL, where a proxy that is trusted passes a request on. What others
say of themselves is taken away, so that nothing further in believes it.
"""

from collections.abc import Iterable
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware

from davserver.middleware import corridor
from davserver.protocol.forwarded import FIELDS, Client, client
from davserver.wsgi import Environ, StartResponse

AS_SENT = "davserver.host"
"""The Host header as the proxy has sent it, where the client's own is another one."""


class Forwarded(BaseMiddleware):
    """Rewrites REMOTE_ADDR, the scheme and the host. The path is as it was sent: what a proxy says
    of a prefix (X-Forwarded-Prefix) is passed over, since hrefs would change with who asks; there
    is an option for it.
    """

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        super().__init__(wsgidav_app, next_app, config)
        self._trusted = corridor(config).trusted

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        said = {name: environ.pop(name) for name in FIELDS if name in environ}
        if said:
            peer = environ.get("REMOTE_ADDR", "")
            if self._trusted.has(peer):
                found = client(said, peer, self._trusted.has)
                if found is not None:
                    _rewrite(environ, found)
        return self.next_app(environ, start_response)


def _rewrite(environ: Environ, found: Client) -> None:
    if found.address != environ.get("REMOTE_ADDR"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = found.address, found.port
    if found.scheme:
        environ["wsgi.url_scheme"] = found.scheme
    if found.host:
        environ[AS_SENT] = environ.get("HTTP_HOST", "")
        environ["HTTP_HOST"] = found.host

"""Who asks: Basic credentials become a principal (RFC 7617)."""

import base64
import binascii
from collections.abc import Iterable

from wsgidav.mw.base_mw import BaseMiddleware

from davserver import counts, methods, wsgi
from davserver.middleware import corridor
from davserver.protocol import faults
from davserver.wsgi import Environ, StartResponse

REALM = "davserver"


class Authentication(BaseMiddleware):
    """Sets `davserver.principal`, and what WsgiDAV's own request server looks for."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        accounts = corridor(self.config).accounts
        principal = ""
        if not accounts.anonymous:
            name, password = credentials(environ.get("HTTP_AUTHORIZATION", ""))
            if not name or not accounts.verify(name, password):
                if "HTTP_AUTHORIZATION" in environ:
                    counts.login_failed()
                if environ["REQUEST_METHOD"] == "OPTIONS":
                    return self._greet(environ, start_response)
                raise faults.unauthenticated(REALM)
            principal = name
        environ["davserver.principal"] = principal
        environ["wsgidav.auth.realm"] = REALM
        environ["wsgidav.auth.user_name"] = principal
        environ["wsgidav.auth.roles"] = environ["wsgidav.auth.permissions"] = None
        return self.next_app(environ, start_response)

    def _greet(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Windows and Finder ask for OPTIONS before they log in, and give up at a 401. They learn
        what the server can do, and nothing of what it holds.
        """
        shares = corridor(self.config).shares
        asked = wsgi.request({**environ, "REQUEST_URI": "*"}, "", ())
        return wsgi.respond(methods.run(asked, shares), environ, start_response)


def credentials(header: str) -> tuple[str, str]:
    """User name and password of an Authorization header; both empty where it has none."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    name, colon, password = text.partition(":")
    return (name, password) if colon else ("", "")

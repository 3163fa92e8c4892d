"""The end of the corridor: our verbs for our shares, WsgiDAV's request server for the shares of
other providers.
"""

from collections.abc import Iterable
from typing import Any

from wsgidav.error_printer import ErrorPrinter
from wsgidav.mw.base_mw import BaseMiddleware
from wsgidav.request_resolver import RequestResolver

from davserver import methods, wsgi
from davserver.methods import above
from davserver.middleware import corridor
from davserver.protocol import faults
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path
from davserver.provider import Provider
from davserver.wsgi import Environ, StartResponse


class Dispatch(BaseMiddleware):
    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        super().__init__(wsgidav_app, next_app, config)
        resolver = RequestResolver(wsgidav_app, next_app, config)
        self._others = ErrorPrinter(wsgidav_app, resolver, config)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        shares = corridor(self.config).shares
        try:
            request = wsgi.request(environ, environ["davserver.principal"], shares.prefix)
        except Fault:
            return self._above(environ, start_response)
        target = request.target
        other = self._other_provider(target.path) if target else None
        if target is None or other is None:
            return wsgi.respond(methods.run(request, shares), environ, start_response)
        environ["wsgidav.provider"] = other
        environ["SCRIPT_NAME"] = "".join(f"/{name}" for name in (*shares.prefix, target.path[0]))
        rest = "/".join(target.path[1:])
        environ["PATH_INFO"] = f"/{rest}/" if rest and target.slash else f"/{rest}"
        return self._others(environ, start_response)

    def _above(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer for what is not below the prefix. Raises Fault."""
        shares = corridor(self.config).shares
        request = wsgi.request(environ, environ["davserver.principal"], ())
        if request.target is None or not above.is_above(request, shares):
            raise faults.not_found()
        return wsgi.respond(above.run(request, shares), environ, start_response)

    def _other_provider(self, path: Path) -> object | None:
        """The provider of someone else that has a path, if there is one."""
        found: object | None = self.wsgidav_app.provider_map.get(f"/{path[0]}") if path else None
        return None if isinstance(found, Provider) else found

"""Whatever is raised further in becomes an answer here: never a dropped connection, never a
traceback, never a path of the server's disk.
"""

from collections.abc import Iterable

from wsgidav.mw.base_mw import BaseMiddleware

from davserver import wsgi
from davserver.wsgi import Environ, StartResponse


class Errors(BaseMiddleware):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return wsgi.guard(environ, start_response, lambda: self.next_app(environ, start_response))

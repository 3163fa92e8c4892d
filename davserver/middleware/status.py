"""What those are told who watch the server: whether it lives, whether it is ready, its metrics.

They are at names below a path that no file can have, or on connections of an address for nothing
else. Who asks there needs no login; elsewhere metrics are behind it.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware

from davserver import metrics, wsgi
from davserver.middleware import HEALTHZ, METRICS, READYZ, Corridor, corridor
from davserver.protocol import faults
from davserver.protocol.faults import Fault
from davserver.protocol.messages import TEXT, Answer
from davserver.wsgi import IS_STATUS, Environ, StartResponse

_FRESH = ("Cache-Control", "no-store")


class Status(BaseMiddleware):
    """Answers what needs no login. It stands before all that asks who is there."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        super().__init__(wsgidav_app, next_app, config)
        ours = corridor(config)
        self._alone = _names("", ours)
        self._beside: Mapping[str, str] = {}
        if ours.status_below is not None:
            found = _names(ours.status_below, ours)
            self._beside = {path: name for path, name in found.items() if name != METRICS}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_alone = environ.get(IS_STATUS)
        name = (self._alone if is_alone else self._beside).get(environ.get("PATH_INFO", ""))
        if name is not None:
            return _tell(name, corridor(self.config), environ, start_response)
        if is_alone:
            raise faults.not_found()
        return self.next_app(environ, start_response)


class Metrics(BaseMiddleware):
    """Answers what is behind the login."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        super().__init__(wsgidav_app, next_app, config)
        ours = corridor(config)
        is_here = ours.status_below is not None and METRICS in ours.told
        self._path = f"{ours.status_below}/{METRICS}" if is_here else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "") == self._path:
            return _tell(METRICS, corridor(self.config), environ, start_response)
        return self.next_app(environ, start_response)


def _names(below: str, ours: Corridor) -> dict[str, str]:
    return {f"{below}/{name}": name for name in ours.told}


def _tell(
    name: str, ours: Corridor, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Raises Fault 405."""
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        raise faults.method_not_allowed("GET, HEAD")
    return wsgi.respond(_TELL[name](ours), environ, start_response)


def _health(ours: Corridor) -> Answer:
    del ours
    return _said(HTTPStatus.OK, "ok")


def _readiness(ours: Corridor) -> Answer:
    hindrance = _hindrance(ours)
    if hindrance:
        return _said(HTTPStatus.SERVICE_UNAVAILABLE, hindrance)
    return _said(HTTPStatus.OK, "ready")


def _hindrance(ours: Corridor) -> str:
    """Why changes cannot be served now, in words that tell nothing of the disk; or empty."""
    if ours.life.is_draining:
        return "The server is about to stop."
    if ours.shares.state.damage:
        return "Locks and properties are damaged: nothing can be changed."
    if not ours.shares.are_readable():
        return "What is served cannot be read."
    return ""


def _metrics(ours: Corridor) -> Answer:
    try:
        locks = ours.shares.state.read().count_locks(ours.shares.now)
    except (OSError, Fault):
        locks = None
    headers = (("Content-Type", metrics.CONTENT_TYPE), _FRESH)
    return Answer(HTTPStatus.OK, headers, metrics.text(locks))


def _said(status: HTTPStatus, sentence: str) -> Answer:
    return Answer(status, (("Content-Type", TEXT), _FRESH), f"{sentence}\n".encode())


_TELL = {HEALTHZ: _health, READYZ: _readiness, METRICS: _metrics}

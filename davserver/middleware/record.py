"""Each request is counted, and gets its line of the access log, when its answer is over."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware

from davserver import counts
from davserver.access_log import Entry
from davserver.middleware import METRICS, corridor
from davserver.wsgi import FINISHED, IS_STATUS, Environ, Finished, StartResponse

log = logging.getLogger("davserver.errors")


class Record(BaseMiddleware):
    """Outermost. Who watches the server at an address for that alone is in neither."""

    def __init__(self, wsgidav_app: Any, next_app: Any, config: dict[str, Any]) -> None:
        super().__init__(wsgidav_app, next_app, config)
        ours = corridor(config)
        self._log = ours.access_log
        self._counts = METRICS in ours.told

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get(IS_STATUS) or not (self._log or self._counts):
            return self.next_app(environ, start_response)
        access_log, does_count = self._log, self._counts
        # What a server sends that was never told how to begin.
        status = "500"

        def begin(line: str, headers: Any, *rest: Any) -> Any:
            nonlocal status
            status = line[:3]
            return start_response(line, headers, *rest)

        known: tuple[str, int, Entry | None] | None = None

        def finished(sent: int, seconds: float | None) -> None:
            nonlocal environ, known
            try:
                if known is None:
                    # The environ, with all that was sent, is not kept any longer.
                    known, environ = _known(environ, status, has_entry=bool(access_log)), {}
                method, received, entry = known
                if does_count:
                    counts.request(method, status, seconds, received, sent)
                if access_log is not None and entry is not None:
                    access_log.write(entry._replace(sent=sent, seconds=seconds), time.time())
            except Exception:
                log.exception("a request cannot be recorded")

        told: list[Finished] | None = environ.get(FINISHED)
        if told is None:
            return _Watched(lambda: self.next_app(environ, begin), finished)
        told.append(finished)
        return self.next_app(environ, begin)


def _known(environ: Environ, status: str, *, has_entry: bool) -> tuple[str, int, Entry | None]:
    """What an environ tells of a request: the method, the bytes of its body, and its entry."""
    received = getattr(environ["wsgi.input"], "received", 0)
    entry = _entry(environ, status) if has_entry else None
    return environ["REQUEST_METHOD"], received, entry


def _entry(environ: Environ, status: str) -> Entry:
    """The entry of a request, which does not tell yet what was sent and how long that took."""
    user = environ.get("davserver.principal") or ""
    if not user.isascii():
        user = user.encode("utf-8", "surrogateescape").decode("latin-1")
    get = environ.get
    return Entry(
        get("REMOTE_ADDR") or "",
        user,
        environ["REQUEST_METHOD"],
        get("REQUEST_URI") or get("PATH_INFO") or "",
        get("SERVER_PROTOCOL") or "",
        status,
        0,
        None,
        get("HTTP_REFERER") or "",
        get("HTTP_USER_AGENT") or "",
    )


class _Watched:
    """An answer for a server that does not tell when it is over: its end, as far as it shows."""

    def __init__(self, ask: Callable[[], Iterable[bytes]], finished: Finished) -> None:
        self._finished = finished
        self._sent = 0
        self._began = time.perf_counter()
        self._blocks: Iterable[bytes] = ask()

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._sent += len(block)
            yield block

    def close(self) -> None:
        try:
            if close := getattr(self._blocks, "close", None):
                close()
        finally:
            self._finished(self._sent, time.perf_counter() - self._began)

"""One log line a request: who, what, and what became of it. Never a credential or a token."""

import logging
from collections.abc import Iterable
from typing import Any

from wsgidav.mw.base_mw import BaseMiddleware

from davserver.wsgi import Environ, StartResponse

log = logging.getLogger("davserver.access")

_LONGEST = 500


class AccessLog(BaseMiddleware):
    """Logs at INFO when the answer is begun."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not log.isEnabledFor(logging.INFO):
            return self.next_app(environ, start_response)

        def logging_start_response(status: str, headers: Any, *rest: Any) -> Any:
            length = next((v for k, v in headers if k.lower() == "content-length"), "-")
            log.info(
                "%s %s %s %s -> %s %s",
                environ.get("REMOTE_ADDR") or "-",
                _clean(environ.get("davserver.principal") or "-"),
                environ["REQUEST_METHOD"],
                _clean(str(environ.get("REQUEST_URI") or environ.get("PATH_INFO", "-"))),
                status.partition(" ")[0],
                length,
            )
            return start_response(status, headers, *rest)

        return self.next_app(environ, logging_start_response)


def _clean(text: str) -> str:
    """No query, and nothing that could forge a line."""
    text = text.partition("?")[0][:_LONGEST]
    return text if text.isprintable() and " " not in text else ascii(text)

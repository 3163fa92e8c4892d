"""What further in is told of who asks, and by which URL."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from davserver.accounts import Accounts
from davserver.middleware import CORRIDOR, Corridor
from davserver.middleware.forwarded import Forwarded
from davserver.protocol import peers
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from davserver.wsgi import Environ

SAID = {
    "HTTP_X_FORWARDED_FOR": "192.0.2.1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "cloud.example",
    "HTTP_X_FORWARDED_PORT": "8443",
    "HTTP_X_FORWARDED_PREFIX": "/else",
}


class App:
    """The middleware before an application that keeps what it is told."""

    def __init__(self, corridor: Corridor) -> None:
        self.seen: Environ = {}
        self._middleware = Forwarded(None, self._next, {CORRIDOR: corridor})

    def _next(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.seen = environ
        return []

    def __call__(self, peer: str, **said: str) -> Environ:
        environ = {"REMOTE_ADDR": peer, "REMOTE_PORT": "1", "HTTP_HOST": "inside"}
        environ |= {"wsgi.url_scheme": "http", "SCRIPT_NAME": "", **said}
        self._middleware(environ, lambda *_: None)
        return self.seen


@pytest.fixture
def app(tmp_path: Path) -> App:
    shares = Shares([], SqliteState(tmp_path / "state.db"), lambda: 0)
    trusted = peers.parse(["10.0.0.0/8", "unix"])
    return App(Corridor(shares, Accounts((), lambda: 0.0), trusted=trusted))


@pytest.mark.parametrize("peer", ["10.0.0.1", ""])
def test_a_trusted_proxy_is_believed(app: App, peer: str) -> None:
    seen = app(peer, **SAID)
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("192.0.2.1", "")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("https", "cloud.example:8443")
    # The prefix is the operator's to say.
    assert seen["SCRIPT_NAME"] == ""
    assert not any("FORWARDED" in name for name in seen)


@pytest.mark.parametrize("peer", ["192.0.2.9", "127.0.0.1", "::1"])
def test_of_others_nothing_is_left(app: App, peer: str) -> None:
    seen = app(peer, HTTP_FORWARDED='for="', **SAID)
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (peer, "1")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("http", "inside")
    assert not any("FORWARDED" in name for name in seen)


def test_a_proxy_that_says_nothing_is_the_client(app: App) -> None:
    seen = app("10.0.0.1")
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("10.0.0.1", "1")
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("http", "inside")

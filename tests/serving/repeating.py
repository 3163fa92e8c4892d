"""A server in this process, and requests that it is asked again and again."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from davserver import app, config, opening
from davserver.access_log import AccessLog
from davserver.accounts import Account, Accounts
from davserver.middleware import Corridor
from davserver.serving import DavServer, bind
from davserver.serving.tls import Tls
from davserver.shares import Shares
from davserver.wsgi import App, Environ, StartResponse
from tests.wire.talk import Reply, Talk

ASKED = 3
"""How often something has to be asked until the application is not needed."""


class Served:
    """A server in this process, and how often its application was called."""

    def __init__(self, root: Path, server: DavServer, shares: Shares) -> None:
        self.root = root
        self.port, self.status_port = (one.port for one in server.listeners)
        self.server = server
        self.shares = shares
        self.calls = 0

    def counted(self, real: App) -> App:
        def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            self.calls += 1
            return real(environ, start_response)

        return call


@contextmanager
def serving(
    folder: Path, *accounts: Account, log: AccessLog | None = None, pair: Tls | None = None
) -> Iterator[Served]:
    root = folder / "root"
    root.mkdir()
    (root / "file").write_bytes(b"x" * 1000)
    settings = config.load({"state": str(folder / "state.db")}, [str(root)], {}, None)
    with ExitStack() as held:
        shares, _ = held.enter_context(opening.opened(settings))
        listener, status = (held.enter_context(closing(bind("127.0.0.1", 0))) for _ in range(2))
        corridor = Corridor(shares, Accounts(accounts, time.monotonic), access_log=log)
        listeners = [listener, replace(status, is_status=True)]
        server = DavServer(app.build(corridor), listeners, 4, pair)
        found = Served(root, server, shares)
        server.wsgi_app = found.counted(server.wsgi_app)
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        held.callback(thread.join)
        held.callback(server.stop)
        yield found


def asked(client: Talk, request: bytes, times: int = 1) -> Reply:
    """The last of the answers to a request that is sent so often, one after the other."""
    for _ in range(times):
        client.send(request)
        reply = client.reply(head=request.startswith(b"HEAD"))
    return reply


def is_repeated(served: Served, client: Talk, request: bytes) -> bool:
    """Whether the next answer to a request comes without the application."""
    before = served.calls
    asked(client, request)
    return served.calls == before


def without_date(reply: Reply) -> Reply:
    return Reply(
        reply.status,
        {name: text for name, text in reply.headers.items() if name != "date"},
        reply.body,
    )

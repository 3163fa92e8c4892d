"""The server: a listening socket and its worker threads."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from cheroot.wsgi import Server

from davserver import __version__
from davserver.serving.connections import DavConnection
from davserver.serving.gateway import DavGateway
from davserver.serving.idle import IdleConnections
from davserver.serving.listeners import Listener
from davserver.serving.workers import Workers
from davserver.wsgi import App

log = logging.getLogger("davserver.serving")

IDLE_SECONDS = 60
"""How long a connection may say nothing, within a request or between two."""


class DavServer(Server):
    """Serves a WSGI application at ``listeners``, which stay open when it ends.

    `prepare` is called once, in the process that serves; `serve` runs until `stop`.
    """

    ConnectionClass = DavConnection
    version = f"davserver/{__version__}"

    def __init__(self, app: App, listeners: Sequence[Listener], threads: int) -> None:
        address = listeners[0].socket.getsockname()
        super().__init__(address, app, numthreads=threads, timeout=IDLE_SECONDS)
        self.listeners = tuple(listeners)
        self.beat: Callable[[], object] = lambda: None
        """Called again and again, as long as connections are looked after."""
        self.gateway = DavGateway
        self.requests = Workers(self, threads)
        self.server_name = "davserver"
        self.software = self.version
        self.shutdown_timeout = 5

    # Instead of cheroot's, which binds.
    def prepare(self) -> None:
        """Begin to accept connections, which wait until `serve` serves them."""
        self._interrupt = None
        self.socket = None
        self._connections = IdleConnections(self)
        self.ready = True
        self._start_time = time.time()

    def serve(self) -> None:
        """Serve until `stop` is called."""
        self.requests.begin()
        super().serve()

    def stop(self) -> None:
        """End all connections and workers. What is under way may be finished within seconds."""
        was_ready = self.ready
        super().stop()
        if was_ready:
            self._connections.forget()

    def step_aside(self) -> None:
        """The calling thread is about to wait for a disk: somebody else may serve meanwhile."""
        self.requests.step_aside()

    def take_conn(self) -> Any:
        """The next connection on which something has come; None when the server stops. To be
        called by one worker at a time.
        """
        return self._connections.get()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """cheroot's own messages, in our log."""
        log.log(level, "%s", msg, exc_info=traceback and level >= logging.ERROR)

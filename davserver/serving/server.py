"""The server: a listening socket and its worker threads."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from cheroot.wsgi import Server

from davserver import __version__
from davserver.protocol.peers import NOBODY, Trusted
from davserver.serving.connections import DavConnection
from davserver.serving.gateway import DavGateway
from davserver.serving.listeners import Listener
from davserver.serving.pace import Floor
from davserver.serving.repeats import Repeats
from davserver.serving.tls import Tls
from davserver.serving.waiting import WaitingConnections
from davserver.serving.workers import Workers
from davserver.wsgi import App

log = logging.getLogger("davserver.serving")

IDLE_SECONDS = 60
"""How long a connection may say nothing between two requests, or read nothing of an answer."""
FLOOR = Floor(100, 30.0)
PLACES = 256
CONNECTIONS = 10_000
DRAINING_SECONDS = 0.02
"""How often somebody looks whether all is finished."""


class DavServer(Server):
    """Serves a WSGI application at ``listeners``, which stay open when it ends.

    With ``tls`` it is reached by https alone, but at Unix sockets. ``threads`` requests are served
    at a time, and ``places`` more may wait for their bodies, which have to come as fast as
    ``floor`` says. It holds no more than ``connections``. `prepare` is called once, in the process
    that serves; `serve` runs until `stop` or `drain`.
    """

    ConnectionClass = DavConnection
    version = f"davserver/{__version__}"

    def __init__(
        self,
        app: App,
        listeners: Sequence[Listener],
        threads: int,
        tls: Tls | None = None,
        *,
        places: int = PLACES,
        floor: Floor = FLOOR,
        connections: int = CONNECTIONS,
        proxies: Trusted = NOBODY,
    ) -> None:
        # Of no use to anybody: each listener knows its own.
        super().__init__(
            ("localhost", listeners[0].port), app, numthreads=threads, timeout=IDLE_SECONDS
        )
        self.listeners = tuple(listeners)
        self.ports = {id(one): str(one.port) for one in self.listeners}
        """Those of the listeners, by identity: they may be closed before their connections."""
        self.tls = tls
        self.floor = floor
        self.most = connections
        self.proxies = proxies
        """Those whose connections begin with a PROXY header."""
        self.gateway = DavGateway
        self.requests = Workers(self, threads, places)
        self.repeats = Repeats()
        self.server_name = "davserver"
        self.software = self.version
        self.shutdown_timeout = 5
        self.is_draining = False
        self.is_one_of_many = False
        """Whether other processes serve the same."""
        self.beat: Callable[[], object] = lambda: None
        """Called again and again while the server watches over its connections."""
        self.hold: Callable[[int], object] = lambda number: None
        """Told how many connections there are, whenever that changes."""
        self.is_ahead: Callable[[], bool] = lambda: False
        """Whether other processes have fewer connections."""

    @property
    def is_ending(self) -> bool:
        """Whether no further request is wanted on a connection."""
        return self.is_draining or not self.ready

    # Instead of cheroot's, which binds.
    def prepare(self) -> None:
        """Begin to accept connections, which wait until `serve` serves them."""
        self._interrupt = None
        self.socket = None
        self._connections = WaitingConnections(self, self.most)
        self.ready = True
        self._start_time = time.time()

    # Instead of cheroot's, which has a thread for what our workers do.
    def serve(self) -> None:
        """Serve until `stop` is called."""
        self.requests.begin()
        while self.ready:
            try:
                self._connections.run(self.expiration_interval)
            except Exception:
                log.exception("cannot look after connections")

    def drain(
        self,
        seconds: float,
        is_hurried: Callable[[], bool] = lambda: False,
        *,
        ends_idle: bool = True,
    ) -> None:
        """Accept nothing more, let what is under way be finished within ``seconds`` or until
        somebody ``is_hurried``, and stop. Connections that are idle are ended at once, or, if not
        ``ends_idle``, have the chance of one more answer.
        """
        self.is_draining = True
        end = time.monotonic() + seconds
        self._connections.retire()
        # Whoever comes now is for others who have these sockets, or hears at once that there are
        # none, instead of waiting for nobody.
        for one in self.listeners:
            one.socket.close()
        while self._connections.number and time.monotonic() < end and not is_hurried():
            if ends_idle:
                self._connections.end_idle()
            time.sleep(DRAINING_SECONDS)
        # Whoever is not done by now is cut off.
        self.shutdown_timeout = 0
        self.stop()

    # Instead of cheroot's, which closes what a worker may still serve.
    def stop(self) -> None:
        """End all connections and workers. What a worker does may be finished within seconds."""
        if self.ready:
            self.ready = False
            self._connections.stop()
            self.requests.stop(self.shutdown_timeout)
            self._connections.close()
            self._connections.release()

    def step_aside(self) -> None:
        """The calling thread is about to wait for a disk: somebody else may serve meanwhile."""
        self.requests.step_aside()

    def forget(self, conn: Any) -> None:
        """A connection has ended."""
        self._connections.forget(conn)

    def take_conn(self) -> Any:
        """The next connection on which something has come; None when the server stops. To be
        called by one worker at a time.
        """
        return self._connections.get()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """cheroot's own messages, in our log."""
        log.log(level, "%s", msg, exc_info=traceback and level >= logging.ERROR)

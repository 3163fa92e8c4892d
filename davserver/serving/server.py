"""The server: a listening socket and its worker threads."""

import logging
import signal
import threading
from typing import Any

from cheroot.wsgi import Server

from davserver import __version__
from davserver.serving.connections import DavConnection
from davserver.serving.gateway import DavGateway
from davserver.serving.idle import IdleConnections
from davserver.serving.tls import Tls
from davserver.serving.workers import Workers
from davserver.wsgi import App

log = logging.getLogger("davserver.serving")

IDLE_SECONDS = 60
"""How long a connection may say nothing, within a request or between two."""
SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
"""The signals that end the server."""


def block_signals() -> None:
    """Keep them for `DavServer.run` to wait for, in this thread and all that it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class DavServer(Server):
    """Serves a WSGI application at ``host`` and ``port``; port 0 lets the system choose.

    With ``tls`` it is reached by https alone.

    `prepare` binds, and raises OSError where it cannot; `serve` runs until `stop`.
    """

    ConnectionClass = DavConnection
    version = f"davserver/{__version__}"

    def __init__(
        self, app: App, host: str, port: int, threads: int, tls: Tls | None = None
    ) -> None:
        super().__init__(
            (host, port), app, numthreads=threads, request_queue_size=1024, timeout=IDLE_SECONDS
        )
        self.gateway = DavGateway
        self.tls = tls
        self.requests = Workers(self, threads)
        self.server_name = "davserver"
        self.shutdown_timeout = 5

    def prepare(self) -> None:
        """Bind and listen. Raises OSError."""
        super().prepare()
        # Whoever is called to accept and comes too late must not wait for the next client.
        self.socket.setblocking(False)
        # Those of cheroot know no more than the listening socket yet.
        self._connections = IdleConnections(self)

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

    def run(self) -> bool:
        """Serve until SIGINT or SIGTERM comes, then stop. Gives whether one came; without one the
        server has failed, and its log says why.

        The main thread waits for the signal and does nothing else: a handler that raised wherever
        it happens to be would leave cheroot's queues half changed. Both signals have to be blocked
        before any other thread starts (`block_signals`).
        """
        main = threading.get_ident()
        came = threading.Event()

        def serve() -> None:
            try:
                self.serve()
            except BaseException:
                log.exception("the server has failed")
            finally:
                if not came.is_set():
                    signal.pthread_kill(main, signal.SIGTERM)

        thread = threading.Thread(target=serve, name="davserver connections")
        thread.start()
        signal.sigwait(SIGNALS)
        is_serving = thread.is_alive()
        came.set()
        self.stop()
        thread.join()
        return is_serving

    @property
    def url(self) -> str:
        """The base URL that it listens at, known after `prepare`."""
        host, port = self.bind_addr[:2]
        scheme = "https" if self.tls else "http"
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """cheroot's own messages, in our log."""
        log.log(level, "%s", msg, exc_info=traceback and level >= logging.ERROR)

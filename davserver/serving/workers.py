"""Whose turn it is: one worker leads, which takes what comes and serves it itself.

Threads of Python do not run side by side: more of them make small requests slower, since each
system call hands the interpreter over to another one and waits to get it back. So the next worker
leads only when the present one takes long: it reads a large body, or waits for a disk.
"""

import logging
import math
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from cheroot.workers.threadpool import ThreadPool

LONG_SECONDS = 0.002
"""How long a leader may serve until the next worker leads."""
CALM_SECONDS = 0.1
"""After how long without a request nobody looks any more how long the leader takes."""

log = logging.getLogger("davserver.serving")


class Workers(ThreadPool):
    """The worker threads of ``server``, as many as there will ever be.

    They take its connections, one thread at a time. Another thread is to call `look` again and
    again.
    """

    # What cheroot's stub leaves out.
    server: Any
    _queue: Any

    def __init__(self, server: Any, threads: int) -> None:
        super().__init__(server, min=threads, max=threads)
        self.get = self._next
        self._turn = threading.Condition(threading.Lock())
        self._leader = 0
        """The identifier of a thread, or 0: whoever is free leads."""
        self._since = math.inf
        """When the leader began to serve, by the monotonic clock."""
        self._served = 0
        self._seen = 0
        self._calm_from = 0.0
        self._alarm = threading.Event()
        self._is_watched = True
        self._starting = threading.Lock()
        self._is_stopping = False

    def start(self) -> None:
        """Nothing: they begin with `begin`, when there are connections to take."""

    def begin(self) -> None:
        with self._starting:
            if not self._is_stopping:
                self.grow(self.min)

    def look(self, seconds: float) -> None:
        """Wait, ``seconds`` at most, and let the next worker lead if the leader takes long."""
        now = time.monotonic()
        if self._since < math.inf or self._served != self._seen:
            self._seen, self._calm_from = self._served, now + CALM_SECONDS
        if now < self._calm_from:
            time.sleep(LONG_SECONDS)
            self._relieve()
            return
        self._is_watched = False
        if self._since == math.inf:
            self._alarm.wait(seconds)
        self._is_watched = True
        self._alarm.clear()

    def step_aside(self) -> None:
        """The calling worker is about to wait: let the next one lead at once."""
        if self._leader == threading.get_ident():
            self._give_way()

    def wake(self) -> None:
        """Let `look` look."""
        self._alarm.set()

    def stop(self, timeout: int = 5) -> None:
        with self._starting, self._turn:
            self._is_stopping = True
            self._turn.notify_all()
        super().stop(timeout)

    def _next(self) -> Any:
        """The next connection to serve, for the worker that calls."""
        me = threading.get_ident()
        with self._turn:
            while self._leader not in (0, me) and not self._is_stopping:
                self._turn.wait()
            self._leader, self._since = me, math.inf
        conn = None
        while conn is None and self.server.ready:
            try:
                conn = self.server.take_conn()
            except Exception:
                # This thread would die of it, and the server with it.
                if self.server.ready:
                    log.exception("cannot wait for connections")
                    time.sleep(LONG_SECONDS)
        if conn is None:
            return self._queue.get()
        self._served += 1
        self._since = time.monotonic()
        if not self._is_watched:
            self._alarm.set()
        return conn

    def _relieve(self) -> None:
        if self._since < time.monotonic() - LONG_SECONDS:
            self._give_way()

    def _give_way(self) -> None:
        with self._turn:
            if self._since < math.inf:
                self._leader, self._since = 0, math.inf
                self._turn.notify()

    @staticmethod
    def _force_close(conn: Any) -> None:
        """A client that does not read is stopped, too, when the server stops."""
        if conn is not None:
            with suppress(OSError):
                conn.socket.shutdown(socket.SHUT_RDWR)

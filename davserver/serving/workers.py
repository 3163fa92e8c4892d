"""Whose turn it is: one worker leads, which takes what comes and serves it itself.

Threads of Python do not run side by side: more of them make small requests slower, since each
system call hands the interpreter over to another one and waits to get it back. So the next worker
leads only when the present one takes long: it serves a large request, or waits for a disk or for a
body.
"""

import logging
import math
import threading
import time
from time import sleep
from typing import Any

from cheroot.workers.threadpool import ThreadPool

LONG_SECONDS = 0.002
"""How long a leader may serve until the next worker leads."""
LONGEST_PAUSE = 4 * LONG_SECONDS
"""Seconds between two looks at that, at most; fewer as soon as requests take longer. To look takes
the interpreter away from the leader.
"""
CALM_SECONDS = 0.1
"""After how long without a request nobody looks any more how long the leader takes."""
SPARE = 4
"""How many free workers stay for the next time that many are busy."""

log = logging.getLogger("davserver.serving")


class Workers(ThreadPool):
    """The worker threads of ``server``: ``threads`` at most, and one more for each of those that
    wait for a body, of which there may be ``places``. A new one is made when all others are busy.

    They take its connections, one thread at a time. Another thread is to call `look` again and
    again.
    """

    # What cheroot's stub leaves out.
    server: Any
    _threads: Any

    def __init__(self, server: Any, threads: int, places: int) -> None:
        super().__init__(server, min=threads, max=threads + places)
        self._places = places
        self._waiting = 0
        """How many wait for a body."""
        self._free = 0
        """How many have nothing to do and do not lead."""
        self._turn = threading.Condition(threading.Lock())
        self._leader = 0
        """The identifier of a thread, or 0: whoever is free leads."""
        self._since = math.inf
        """When the leader began to serve, by the monotonic clock."""
        self._served = 0
        self._seen = 0
        self._calm_from = 0.0
        self._pause = LONG_SECONDS
        self._alarm = threading.Event()
        self._is_watched = True
        self._is_stopping = False

    @property
    def number(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def start(self) -> None:
        """Nothing: they begin with `begin`, when there are connections to take."""

    def begin(self) -> None:
        with self._turn:
            self._add()

    def look(self, seconds: float) -> None:
        """Wait, ``seconds`` at most, and let the next worker lead if the leader takes long."""
        now = time.monotonic()
        served = self._served - self._seen
        if self._since < math.inf or served:
            self._seen, self._calm_from = self._served, now + CALM_SECONDS
        if now < self._calm_from:
            are_short = served * LONG_SECONDS > self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE) if are_short else LONG_SECONDS
            sleep(self._pause)
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

    def take_place(self) -> bool:
        """The calling worker is about to wait for a body. Gives whether it may."""
        with self._turn:
            if self._waiting >= self._places:
                return False
            self._waiting += 1
            if not self._leader and not self._free and self.number < self.min + self._waiting:
                self._add()
        self.step_aside()
        return True

    def give_place(self) -> None:
        """The calling worker has waited for a body."""
        with self._turn:
            self._waiting -= 1

    def wake(self) -> None:
        """Let `look` look."""
        self._alarm.set()

    def stop(self, timeout: int = 5) -> None:
        """Let all workers end; what they serve is cut off where it takes longer, in seconds."""
        with self._turn:
            self._is_stopping = True
            self._turn.notify_all()
        end = time.monotonic() + timeout
        while threads := list(self._threads):
            for thread in threads:
                thread.join(max(LONG_SECONDS, end - time.monotonic()))
            if time.monotonic() >= end:
                for thread in self._threads:
                    thread.cut()

    def next(self) -> Any:
        """The next connection to serve, for the worker that calls; None where it is to end."""
        me = threading.get_ident()
        with self._turn:
            if self._leader not in (0, me) and self._free >= SPARE:
                return None
            self._free += 1
            while self._leader not in (0, me) and not self._is_stopping:
                self._turn.wait()
            self._free -= 1
            self._leader, self._since = me, math.inf
        conn = None
        while conn is None and self.server.ready:
            try:
                conn = self.server.take_conn()
            except Exception:
                # This thread would die of it, and the server with it.
                if self.server.ready:
                    log.exception("cannot wait for connections")
                    sleep(LONG_SECONDS)
        if conn is None:
            return None
        self._served += 1
        self._since = time.monotonic()
        if not self._is_watched:
            self._alarm.set()
        return conn

    def end(self, thread: "_Worker") -> None:
        """A worker has ended."""
        self._threads.remove(thread)

    def _relieve(self) -> None:
        if self._since < time.monotonic() - LONG_SECONDS:
            self._give_way()

    def _give_way(self) -> None:
        with self._turn:
            if self._since < math.inf:
                self._leader, self._since = 0, math.inf
                if self._free:
                    self._turn.notify()
                elif self.number < self.min + self._waiting:
                    self._add()

    def _add(self) -> None:
        if self._is_stopping:
            return
        thread = _Worker(self)
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no more: who is there has to do.
            log.error("no further worker can be started: %s", error)
        else:
            self._threads.append(thread)


class _Worker(threading.Thread):
    def __init__(self, workers: Workers) -> None:
        super().__init__(name="davserver worker", daemon=True)
        self._workers = workers
        self._conn: Any = None

    def run(self) -> None:
        try:
            while (conn := self._workers.next()) is not None:
                self._conn = conn
                self._serve(conn)
                self._conn = None
                # Nobody is to hold it while this one waits.
                del conn
        finally:
            self._workers.end(self)

    def cut(self) -> None:
        """Let it find its connection broken, wherever it waits for it."""
        conn = self._conn
        if conn is not None:
            conn.cut()

    def _serve(self, conn: Any) -> None:
        try:
            if conn.communicate():
                self._workers.server.put_conn(conn)
                return
        except Exception:
            # This thread would die of it.
            log.exception("cannot serve a connection")
        conn.close()

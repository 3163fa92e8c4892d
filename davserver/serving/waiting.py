"""The connections that wait, for their next request or for a reader, and how long each may."""

import errno
import logging
import math
import os
import select
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from cheroot.connections import ConnectionManager

from davserver.serving.connections import Waits
from davserver.serving.listeners import Listener

LACKING_SECONDS = 0.05
"""How long the listening sockets are left alone when no connection can be added."""
TELLING_SECONDS = 60.0
"""How often it is told that they have to wait."""
NEW_SECONDS = 1.0
"""How long a new connection may take to begin its first request when the server ends."""
ASIDE_SECONDS = 0.001
"""How long a new connection is left to another process that has fewer of them."""
AT_ONCE = 16
"""How many connections are accepted in a row: those that wait already are served in between."""

_NOBODY = (BlockingIOError, ConnectionAbortedError, InterruptedError, PermissionError)
"""What accept(2) says where there is no connection, or none any more."""

log = logging.getLogger("davserver.serving")


class WaitingConnections(ConnectionManager):
    """Tells a worker which connection can go on, by an epoll that all of them share.

    Waiting time is by a clock that nobody steps: by the wall clock a step back of a day would keep
    what is idle for that day, and a step forward would end what is not. No more than ``most`` are
    held: beyond them the one that has been idle for longest makes room.
    """

    # What cheroot's stub leaves out.
    server: Any
    _serving: bool

    # Nothing of cheroot's own selector is wanted.
    def __init__(self, server: Any, most: int) -> None:
        self.server = server
        self.most = most
        self._serving = False
        self._stopping = threading.Event()
        self._all: set[Any] = set()
        self._waiting: dict[Waits, dict[int, Any]] = {waits: {} for waits in Waits}
        """By what they wait for and their descriptor, the one that has waited for longest first."""
        self._mutex = threading.Lock()
        self._ready: deque[Any] = deque()
        self._lacks = False
        self._is_aside = self._has_waited = False
        """Whether the next connection is left to others, and whether it was for a moment."""
        self._told_at = -math.inf
        self._listeners = {one.socket.fileno(): one for one in server.listeners}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        for descriptor in self._listeners:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)

    @property
    def number(self) -> int:
        """How many connections there are."""
        return len(self._all)

    def put(self, conn: Any) -> None:
        """Let a connection wait for its events."""
        conn.last_used = time.monotonic()
        descriptor = conn.socket.fileno()
        events = conn.events | select.EPOLLONESHOT
        # Whoever takes it out of here has it for itself; nobody does before all of this is done.
        with self._mutex:
            self._waiting[conn.waits][descriptor] = conn
            if conn.is_watched:
                self._epoll.modify(descriptor, events)
            else:
                conn.is_watched = True
                self._epoll.register(descriptor, events)

    def get(self) -> Any:
        """The next connection that can go on, once there is one; None when the server stops. Not to
        be called by two threads at once.
        """
        while not self._stopping.is_set():
            if self._ready:
                return self._ready.popleft()
            found = [descriptor for descriptor, _ in self._happened()]
            for descriptor in found:
                conn = self._taken(descriptor)
                if conn is not None:
                    self._ready.append(conn)
            # Last: a new connection may get the number of one that has just ended.
            for descriptor in found:
                if listener := self._listeners.get(descriptor):
                    self._accept(listener)
        return None

    def forget(self, conn: Any) -> None:
        """A connection has ended."""
        self._all.discard(conn)
        self.server.hold(self.number)

    def retire(self) -> None:
        """Accept no more connections."""
        retired, self._listeners = self._listeners, {}
        for descriptor in retired:
            self._epoll.unregister(descriptor)

    def end_idle(self) -> None:
        """End the connections on which nothing is under way, but for those that have just begun:
        their first request may be on its way.
        """
        began = time.monotonic() - NEW_SECONDS
        with self._mutex:
            idle = [
                conns.pop(descriptor)
                for conns in (self._waiting[Waits.REQUEST], self._waiting[Waits.REST])
                for descriptor, conn in list(conns.items())
                if conn.skips or conn.last_used < began or _is_between(conn)
            ]
        for conn in idle:
            conn.close()

    def stop(self) -> None:
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self.server.requests.wake()
        super().stop()

    def close(self) -> None:
        """End all connections that no worker has at the moment."""
        with self._mutex:
            waiting = [conn for conns in self._waiting.values() for conn in conns.values()]
            for conns in self._waiting.values():
                conns.clear()
        for conn in [*self._ready, *waiting]:
            conn.close()

    def release(self) -> None:
        """Let go of all descriptors, when no worker is left that could be waiting: what wakes it
        would be gone before it is awake.
        """
        self._epoll.close()
        os.close(self._wake)

    def _accept(self, listener: Listener) -> None:
        """Take new connections. Where there can be no more, they wait until others have ended."""
        for _ in range(AT_ONCE):
            is_full = self.number >= self.most
            if is_full and self._ready:
                # Those may end when they are served.
                return
            if self._steps_aside():
                return
            try:
                connected, address = listener.socket.accept()
            except _NOBODY:
                return
            except OSError as error:
                if not (self.server.is_draining or self._make_room()):
                    self._have_to_wait(error)
                return
            self._lacks = False
            has_room = not is_full or self._make_room()
            connected.setblocking(False)
            conn = self.server.ConnectionClass(self.server, connected, listener, address)
            self._all.add(conn)
            self.server.hold(self.number)
            self.put(conn)
            if not has_room:
                self._have_to_wait(OSError(errno.EMFILE, f"{self.number} connections"))
                return

    def _steps_aside(self) -> bool:
        """Whether the next connection is left to a process that has fewer, for a moment."""
        if self._has_waited or not self.server.is_ahead():
            self._has_waited = False
            return False
        self._is_aside = True
        self._listen(0)
        return True

    def _happened(self) -> list[tuple[int, int]]:
        """Wait for events."""
        if not self._is_aside:
            return self._epoll.poll()
        found = self._epoll.poll(ASIDE_SECONDS)
        self._is_aside, self._has_waited = False, True
        self._listen(select.EPOLLIN)
        return found

    def _make_room(self) -> bool:
        """End the connection that can be done without most easily, if one waits."""
        began = time.monotonic() - NEW_SECONDS
        with self._mutex:
            idle, rest, end, reader = (self._waiting[waits] for waits in Waits)
            oldest = next(iter(idle.values()), None)
            # Who has just come may be about to ask.
            is_over = oldest is not None and (oldest.requests_seen or oldest.last_used < began)
            order = (idle, rest, end, reader) if is_over else (rest, end, idle, reader)
            conns = next((one for one in order if one), None)
            if conns is None:
                return False
            conn = conns.pop(next(iter(conns)))
        conn.close()
        return True

    def _have_to_wait(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._told_at > TELLING_SECONDS:
            self._told_at = now
            log.error("new connections have to wait: %r", error)
        self._lacks = True
        self._listen(0)

    def _listen(self, events: int) -> None:
        for descriptor in self._listeners:
            # It may have been retired a moment ago.
            with suppress(OSError):
                self._epoll.modify(descriptor, events)

    def _run(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stopping.is_set():
            self.server.requests.look(LACKING_SECONDS if self._lacks else expiration_interval)
            self.server.beat()
            if self._lacks:
                self._listen(select.EPOLLIN)
            now = time.monotonic()
            if now - checked > expiration_interval:
                self._expire(now)
                checked = now

    def _taken(self, descriptor: int) -> Any:
        with self._mutex:
            for conns in self._waiting.values():
                if descriptor in conns:
                    return conns.pop(descriptor)
        return None

    def _expire(self, now: float) -> None:
        expired = []
        with self._mutex:
            for waits, conns in self._waiting.items():
                for descriptor, conn in list(conns.items()):
                    if conn.last_used < now - conn.patience:
                        expired.append(conns.pop(descriptor))
                    elif waits is not Waits.REST:
                        # Those behind it have the same patience, and wait less long.
                        break
        for conn in expired:
            if conn.expire():
                self.put(conn)
            else:
                conn.close()

    @property
    def _num_connections(self) -> int:
        return self.number


def _is_between(conn: Any) -> bool:
    """Whether a connection has had an answer, and nothing of the next request has come."""
    return bool(conn.waits is Waits.REQUEST and conn.requests_seen)

"""The connections that wait for their next request, and how long each may."""

import logging
import os
import select
import threading
import time
from collections import deque
from typing import Any

from cheroot.connections import ConnectionManager

from davserver.serving.listeners import Listener

LACKING_SECONDS = 0.05
"""How long the listening socket is left alone when no descriptor is left."""

_ONCE = select.EPOLLIN | select.EPOLLONESHOT

log = logging.getLogger("davserver.serving")


class IdleConnections(ConnectionManager):
    """Tells a worker which connection has something to read, by an epoll that all of them share.

    Idle time is by a clock that nobody steps: by the wall clock a step back of a day would keep
    what is idle for that day, and a step forward would end what is not.
    """

    # What cheroot's stub leaves out.
    server: Any
    _serving: bool
    _from_server_socket: Any

    # Nothing of cheroot's own selector is wanted.
    def __init__(self, server: Any) -> None:
        self.server = server
        self._serving = False
        self._stopping = threading.Event()
        self._idle: dict[float, dict[int, Any]] = {}
        """By their patience and descriptor, the one that has been idle for longest first."""
        self._mutex = threading.Lock()
        self._ready: deque[Any] = deque()
        self._lacks = False
        self._listeners = {one.socket.fileno(): one for one in server.listeners}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        for descriptor in self._listeners:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)

    def put(self, conn: Any) -> None:
        """Wait for the next request of a connection."""
        conn.last_used = time.monotonic()
        descriptor = conn.socket.fileno()
        # Known before it can come: whoever takes it out of here has it for itself.
        with self._mutex:
            self._idle.setdefault(conn.patience, {})[descriptor] = conn
        if conn.is_watched:
            self._epoll.modify(descriptor, _ONCE)
        else:
            conn.is_watched = True
            self._epoll.register(descriptor, _ONCE)

    def get(self) -> Any:
        """The next connection on which something has come, once there is one; None when the server
        stops. Not to be called by two threads at once.
        """
        while not self._stopping.is_set():
            if self._ready:
                return self._ready.popleft()
            found = [descriptor for descriptor, _ in self._epoll.poll()]
            for descriptor in found:
                conn = self._taken(descriptor)
                if conn is not None:
                    self._ready.append(conn)
            # Last: a new connection may get the number of one that has just ended.
            for descriptor in found:
                if listener := self._listeners.get(descriptor):
                    self._accept(listener)
        return None

    def stop(self) -> None:
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self.server.requests.wake()
        super().stop()

    def close(self) -> None:
        idle = [conn for conns in self._idle.values() for conn in conns.values()]
        for conn in [*self._ready, *idle]:
            conn.close()

    def forget(self) -> None:
        """Let go of all descriptors, when no worker is left that could be waiting: what wakes it
        would be gone before it is awake.
        """
        self._epoll.close()
        os.close(self._wake)

    def _accept(self, listener: Listener) -> None:
        """Take a new connection. Without a descriptor for it, it waits until others have ended."""
        try:
            conn = self._from_server_socket(listener.socket)
        except OSError as error:
            if not self._lacks:
                log.error("new connections have to wait: %r", error)
            self._lacks = True
            self._listen(0)
            return
        self._lacks = False
        if conn is not None:
            self.put(conn)

    def _listen(self, events: int) -> None:
        for descriptor in self._listeners:
            self._epoll.modify(descriptor, events)

    def _run(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stopping.is_set():
            self.server.beat()
            self.server.requests.look(LACKING_SECONDS if self._lacks else expiration_interval)
            if self._lacks:
                self._listen(select.EPOLLIN)
            now = time.monotonic()
            if now - checked > expiration_interval:
                self._expire(now)
                checked = now

    def _taken(self, descriptor: int) -> Any:
        with self._mutex:
            for conns in self._idle.values():
                if descriptor in conns:
                    return conns.pop(descriptor)
        return None

    def _expire(self, now: float) -> None:
        expired = []
        with self._mutex:
            for patience, conns in self._idle.items():
                for descriptor, conn in list(conns.items()):
                    if conn.last_used >= now - patience:
                        break
                    expired.append(conns.pop(descriptor))
        for conn in expired:
            conn.expire()

    @property
    def _num_connections(self) -> int:
        return sum(map(len, self._idle.values()))

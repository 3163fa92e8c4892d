"""The connections that wait for their next request, and how long each may."""

import logging
import time
from typing import Any

from cheroot.connections import ConnectionManager

LACKING_SECONDS = 0.05
"""How long the listening socket is left alone when no descriptor is left."""

log = logging.getLogger("davserver.serving")


class IdleConnections(ConnectionManager):
    """cheroot's, by a clock that nobody steps: by the wall clock a step back of a day would keep
    what is idle for that day, and a step forward would end what is not.
    """

    _lacks = False

    # What cheroot's stub leaves out.
    _stop_requested: bool
    _selector: Any
    _expire: Any
    _from_server_socket: Any
    _remove_invalid_sockets: Any

    def put(self, conn: Any) -> None:
        super().put(conn)
        conn.last_used = time.monotonic()

    def _accept(self) -> None:
        """Take a new connection. Without a descriptor for it, it waits until others have ended."""
        try:
            conn = self._from_server_socket(self.server.socket)
        except OSError as error:
            if not self._lacks:
                log.error("new connections have to wait: %r", error)
            self._lacks = True
            time.sleep(LACKING_SECONDS)
            return
        self._lacks = False
        if conn is not None:
            self.server.process_conn(conn)

    def _run(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stop_requested:
            try:
                active = list(self._selector.select(timeout=expiration_interval))
            except OSError:
                self._remove_invalid_sockets()
                continue
            for descriptor, conn in active:
                if conn is not self.server:
                    # It comes back with its next `put`.
                    self._selector.unregister(descriptor)
                    self.server.process_conn(conn)
            if any(conn is self.server for _, conn in active):
                self._accept()
            now = time.monotonic()
            if now - checked > expiration_interval:
                self._expire(threshold=now - self.server.timeout)
                checked = now

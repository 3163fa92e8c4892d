"""The connections that wait for their next request, and how long each may."""

import time
from typing import Any

from cheroot.connections import ConnectionManager


class IdleConnections(ConnectionManager):
    """cheroot's, by a clock that nobody steps: by the wall clock a step back of a day would keep
    what is idle for that day, and a step forward would end what is not.
    """

    # What cheroot's stub leaves out.
    _stop_requested: bool
    _selector: Any
    _expire: Any
    _from_server_socket: Any
    _remove_invalid_sockets: Any

    def put(self, conn: Any) -> None:
        super().put(conn)
        conn.last_used = time.monotonic()

    def _run(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stop_requested:
            try:
                active = self._selector.select(timeout=expiration_interval)
            except OSError:
                self._remove_invalid_sockets()
                continue
            for descriptor, conn in active:
                if conn is self.server:
                    conn = self._from_server_socket(self.server.socket)
                else:
                    # It comes back with its next `put`.
                    self._selector.unregister(descriptor)
                if conn is not None:
                    self.server.process_conn(conn)
            now = time.monotonic()
            if now - checked > expiration_interval:
                self._expire(threshold=now - self.server.timeout)
                checked = now

"""Tends the shares in the background: what was removed is discarded, what others left finished."""

import threading

from davserver.shares import Shares

INTERVAL = 2.0
"""Seconds between two looks, when nobody asks for one."""
COURTESY = 0.1
"""Seconds from being asked to the beginning: whoever asked has an answer to give first."""


class Upkeep:
    """A thread that tends shares from `start` to `stop`."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="davserver upkeep", daemon=True)

    def start(self) -> None:
        self._shares.wake = self._wanted.set
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wanted.wait(INTERVAL)
            self._wanted.clear()
            if not self._over.wait(COURTESY):
                self._shares.tend()

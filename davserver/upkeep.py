"""Tends the shares in the background: what was removed is discarded, what others left is finished,
locks that have ended are forgotten.
"""

import logging
import os
import select
import threading
from contextlib import suppress

from davserver.shares import Shares

log = logging.getLogger("davserver.storage")

INTERVAL = 2.0
"""Seconds between two looks, when nobody asks for one."""
COURTESY = 0.1
"""Seconds from being asked to the beginning: whoever asked has an answer to give first."""


class Upkeep:
    """A thread that tends shares from `start` to `stop`.

    It is asked by ``bell``, an eventfd that does not block: other processes may have it, too, where
    one does this for all of them. Its maker closes it.
    """

    def __init__(self, shares: Shares, bell: int) -> None:
        self._shares = shares
        self._bell = bell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="davserver upkeep", daemon=True)

    def start(self) -> None:
        ring(self._bell)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        ring(self._bell)
        self._thread.join()

    def _run(self) -> None:
        asked = select.poll()
        asked.register(self._bell, select.POLLIN)
        while not self._over.is_set():
            asked.poll(INTERVAL * 1000)
            # Nobody may have asked, and whatever goes wrong, it tends.
            with suppress(OSError):
                os.eventfd_read(self._bell)
            if not self._over.wait(COURTESY):
                self._tend()

    def _tend(self) -> None:
        try:
            self._shares.tend()
        except Exception:
            # This thread would die of it, and nobody would tend any more.
            log.exception("cannot tidy up")


def ring(bell: int) -> None:
    """Ask whoever tends the shares to do it now."""
    os.eventfd_write(bell, 1)

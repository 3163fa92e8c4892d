"""How long somebody waits for a body that comes slowly, and how many may."""

import select
import socket
import time
from dataclasses import dataclass
from typing import Protocol

from davserver import counts
from davserver.protocol import faults

FLOW = 1 << 20
"""Bytes of a body after which it is one that somebody waits for, however fast they have come."""

_LASTING = 0.1
"""Seconds after which it is one, however little is missing each time."""

_SOON = 1
"""Milliseconds for which a worker waits without letting anybody know."""


class Places(Protocol):
    """The workers, of whom some may wait."""

    def take_place(self) -> bool:
        """Let the calling worker wait, if there is a place for one more."""

    def give_place(self) -> None:
        """The calling worker does not wait any more."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that has to come: ``rate`` bytes a second over each ``grace`` seconds that somebody
    waits; anything, where the rate is 0.
    """

    rate: int
    grace: float


class Pace:
    """Waits for the bodies that come on a connection."""

    def __init__(self, connected: socket.socket, places: Places, floor: Floor) -> None:
        self._socket = connected
        self._places = places
        self._floor = floor
        self._has_place = False
        self._waited = 0.0
        self._came = 0
        self._began = 0.0
        """When somebody waited first, by the monotonic clock; 0 where nobody has."""

    def wait(self, came: int) -> None:
        """Wait until there is something to read; ``came`` bytes have come since the time before.

        Raises Fault 408 where less comes than has to, and 503 where too many are waiting.
        """
        self._came += came
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        began = time.monotonic()
        self._began = self._began or began
        if poll.poll(_SOON):
            if self._came > FLOW or began - self._began > _LASTING:
                self.hold()
            return
        self.hold()
        began = time.monotonic()
        has_come = poll.poll(max(0.0, self._floor.grace - self._waited) * 1000)
        self._waited += time.monotonic() - began
        if self._waited >= self._floor.grace:
            least = self._floor.rate * self._floor.grace
            if self._came < least or not (self._came or has_come):
                raise faults.too_slow()
            self._waited, self._came = 0.0, 0

    def flow(self, came: int) -> None:
        """So many bytes have come without a wait: it goes on for long enough to take a place, so
        that others find a worker. Raises Fault 503.
        """
        self._came += came
        self.hold()

    def hold(self) -> None:
        """Take a place: somebody is going to wait. Raises Fault 503 where there is none."""
        if not self._has_place:
            self._has_place = self._places.take_place()
            if not self._has_place:
                counts.refused_upload()
                raise faults.crowded()

    def end(self) -> None:
        """Nobody waits any more: the next body is another one."""
        self._waited, self._came, self._began = 0.0, 0, 0.0
        if self._has_place:
            self._has_place = False
            self._places.give_place()

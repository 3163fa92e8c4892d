"""The mutex of the commit section: across threads and processes, in the order of arrival.

What excludes is one flock, which the kernel takes from a dead holder. A flock alone would go to
whoever happens to run, and a thread that has just left could be in again before the others have
woken; so who comes while it is held, or while others wait, takes the next place of a queue, a
locked byte of the gate's file, and waits for the byte before it. Whoever dies in the queue leaves
a gap there, and no more than that: the next one is early, and waits at the flock.
"""

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

from davserver.state.lending import Lending

_FIRST_PLACE = 1 << 32
_NO_PLACE = 0
CROWDED = 64
"""How often one queues without a look, once others were met: who is about to take a place, and
has to wait for a processor first, cannot be seen.
"""
_NUMBER = struct.Struct("<Q")
# struct flock of fcntl(2); these locks belong to the open file, so that threads exclude each other.
_FLOCK = struct.Struct("hhqqi4x")
# The byte that guards the counter of places.
_TAKE_TICKET = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
_ANY_PLACE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _FIRST_PLACE, 0, 0)
# What F_OFD_GETLK makes of it where it meets no lock.
_NO_PLACE_TAKEN = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, _FIRST_PLACE, 0, 0)
_GIVE_TICKET = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 1, 0)


class Gate:
    """The gate whose file is ``file``, made if missing. Every method raises OSError."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptors = Lending(self._open)
        """Each thread has an open file of its own."""
        self._crowded = 0
        self._descriptors.own()

    def close(self) -> None:
        for one in self._descriptors.withdraw():
            os.close(one)

    def mark(self) -> None:
        """Keep in mind that what is behind the gate has been made: see `emptied`."""
        gate = self._descriptors.own()
        if os.fstat(gate).st_size < _NUMBER.size:
            with suppress(OSError):
                os.pwrite(gate, _NUMBER.pack(0), 0)

    def held(self) -> "_Turn":
        """A context manager that waits for one's turn, and lets nobody else in."""
        return _Turn(self)

    def enter(self) -> tuple[int, int]:
        """Wait for one's turn. Gives what `leave` takes."""
        gate = self._descriptors.own()
        if self._is_open(gate):
            return gate, _NO_PLACE
        place = self._take_place(gate)
        try:
            _wait_for(gate, place - 1)
            fcntl.flock(gate, fcntl.LOCK_EX)
        except BaseException:
            _unlock_place(gate, place)
            raise
        return gate, place

    def _is_open(self, gate: int) -> bool:
        """Whether one is in without a place in the queue."""
        if self._crowded:
            self._crowded -= 1
            return False
        if _is_queue_empty(gate):
            with suppress(BlockingIOError):
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        self._crowded = CROWDED
        return False

    def leave(self, gate: int, place: int) -> None:
        """Let the next one in."""
        try:
            fcntl.flock(gate, fcntl.LOCK_UN)
        finally:
            if place != _NO_PLACE:
                _unlock_place(gate, place)

    def _take_place(self, gate: int) -> int:
        fcntl.fcntl(gate, fcntl.F_OFD_SETLKW, _TAKE_TICKET)
        try:
            held = os.pread(gate, _NUMBER.size, 0)
            number = _NUMBER.unpack(held)[0] % (1 << 60) if len(held) == _NUMBER.size else 0
            place: int = _FIRST_PLACE + number
            _wait_for(gate, place)
            # Where the disk is full the order suffers, not the exclusion.
            with suppress(OSError):
                os.pwrite(gate, _NUMBER.pack(number + 1), 0)
            return place
        finally:
            fcntl.fcntl(gate, fcntl.F_OFD_SETLKW, _GIVE_TICKET)

    def _open(self) -> int:
        return os.open(self._file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def emptied(file: Path) -> str:
    """What is wrong with a file of no bytes: `mark` says that it had some. Else empty."""
    with suppress(FileNotFoundError):
        if not file.stat().st_size and Path(f"{file}-gate").stat().st_size >= _NUMBER.size:
            return "empty, which it was not"
    return ""


class _Turn:
    """One's turn. A class, because every change enters: a generator takes several times as long."""

    __slots__ = ("_gate", "_held")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = (0, 0)

    def __enter__(self) -> None:
        self._held = self._gate.enter()

    def __exit__(self, *raised: object) -> None:
        self._gate.leave(*self._held)


def _is_queue_empty(gate: int) -> bool:
    return fcntl.fcntl(gate, fcntl.F_OFD_GETLK, _ANY_PLACE) == _NO_PLACE_TAKEN


def _wait_for(gate: int, place: int) -> None:
    """Lock a place."""
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    fcntl.fcntl(gate, fcntl.F_OFD_SETLKW, wanted)


def _unlock_place(gate: int, place: int) -> None:
    """One's own place, and the one before it that one has waited for."""
    ended = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, place - 1, 2, 0)
    fcntl.fcntl(gate, fcntl.F_OFD_SETLKW, ended)

"""What is counted while the server runs, true across its processes at any moment.

All of them share one piece of memory, made before they are forked, where each has a place of its
own: nobody waits for anybody, and what one has counted stays when it is killed. The client
library's own way, a file a process, takes about 7 us a request; this one takes 1.
"""

import errno
import logging
import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from http import HTTPStatus

METHODS = (
    *("OPTIONS", "GET", "HEAD", "PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPFIND"),
    *("PROPPATCH", "LOCK", "UNLOCK", "POST", "PATCH", "other"),
)
"""A client can make up any: those that are not here are the last."""
STATUSES = (*(str(status.value) for status in HTTPStatus), "other")
SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 10.0, 60.0, 600.0),
)
"""The upper bounds of the buckets of durations; behind them is one without."""

LOCKS, STORAGE_ERRORS, RECOVERIES, MALFORMED = "locks", "storage errors", "recoveries", "malformed"
LOGIN_FAILURES, REFUSED_UPLOADS, LOG_FAILURES = "logins", "uploads", "log"
RECEIVED, SENT = "received", "sent"

FAMILIES: Mapping[str, tuple[str, ...]] = {
    LOCKS: ("granted", "refreshed", "removed", "refused"),
    STORAGE_ERRORS: (*dict.fromkeys(errno.errorcode.values()), "unknown"),
    RECOVERIES: ("finished", "dropped"),
    MALFORMED: STATUSES,
    LOGIN_FAILURES: ("",),
    REFUSED_UPLOADS: ("",),
    LOG_FAILURES: ("",),
    RECEIVED: ("",),
    SENT: ("",),
}
"""What is counted beside requests, each with its kinds."""

_SLOTS = {
    slot: number
    # The first of the first place holds how many places have been used.
    for number, slot in enumerate(
        ((family, kind) for family, kinds in FAMILIES.items() for kind in kinds), start=1
    )
}
_RECEIVED, _SENT = _SLOTS[RECEIVED, ""], _SLOTS[SENT, ""]
_STATUS = {status: number for number, status in enumerate(STATUSES)}
_BUCKETS = len(STATUSES)
_SUM = _BUCKETS + len(SECONDS) + 1
_WIDTH = _SUM + 1
_ROWS = {method: 1 + len(_SLOTS) + i * _WIDTH for i, method in enumerate(METHODS)}
_OTHER_METHOD, _OTHER_STATUS = _ROWS["other"], _STATUS["other"]
# Whole pages: those of places that nobody has used yet are never touched.
_SIZE = -(-(_OTHER_METHOD + _WIDTH) // 512) * 512

log = logging.getLogger("davserver.errors")


class _Memory:
    """Places for processes, in memory that those have in common that are forked later."""

    def __init__(self, places: int) -> None:
        self._slots = memoryview(mmap.mmap(-1, places * _SIZE * 8)).cast("d")
        self._slots[0] = 1
        self.free = list(range(places - 1, 0, -1))

    def place(self, number: int) -> "memoryview[float]":
        return self._slots[number * _SIZE : (number + 1) * _SIZE]

    def take(self) -> int:
        number = self.free.pop()
        self._slots[0] = max(self._slots[0], number + 1)
        return number

    def sums(self) -> list[float]:
        used = (self.place(number).tolist() for number in range(int(self._slots[0])))
        return [sum(column) for column in zip(*used, strict=True)]


_memory = _Memory(1)
_mine: "memoryview[float]" = _memory.place(0)
_lock = threading.Lock()


def prepare(processes: int) -> None:
    """Make room for so many processes that run at a time, beside this one. To be called once,
    before the first is forked; what has been counted is kept.
    """
    global _memory, _mine
    made = _Memory(processes + 1)
    made.place(0)[1:] = _mine[1:]
    _memory, _mine = made, made.place(0)


def reserve() -> int:
    """A place for a process that is about to be forked. Raises IndexError where none is free."""
    return _memory.take()


def enter(place: int) -> None:
    """Count in this place from now on. To be called in a process that has just been forked."""
    global _mine, _lock
    # Another thread of the parent may have held it in the moment of the fork.
    _mine, _lock = _memory.place(place), threading.Lock()


def release(place: int) -> None:
    """The process that counted in a place has ended: the next one goes on from its counts."""
    _memory.free.append(place)


def request(method: str, status: str, seconds: float | None, received: int, sent: int) -> None:
    """Count a request whose answer is over. ``seconds`` is how long it took, if that is known;
    ``received`` and ``sent`` are the bytes of both bodies.
    """
    row = _ROWS.get(method, _OTHER_METHOD)
    slot = row + _STATUS.get(status, _OTHER_STATUS)
    with _lock:
        _mine[slot] += 1.0
        _mine[_SENT] += sent
        if received:
            _mine[_RECEIVED] += received
        if seconds is not None:
            _mine[row + _BUCKETS + bisect_left(SECONDS, seconds)] += 1.0
            _mine[row + _SUM] += seconds


def lock(event: str) -> None:
    """Count what became of a LOCK or UNLOCK: granted, refreshed, removed, or refused because of
    the lock of somebody else.
    """
    _add(LOCKS, event)


def login_failed() -> None:
    """Count credentials that were sent and are wrong."""
    _add(LOGIN_FAILURES, "")


def recovered(is_finished: bool) -> None:
    """Count what somebody had left half done: it has been finished now, or dropped."""
    _add(RECOVERIES, "finished" if is_finished else "dropped")


def malformed(status: str) -> None:
    """Count a head that no request could be made of, by the status that it was answered with."""
    _add(MALFORMED, status if status in _STATUS else "other")


def refused_upload() -> None:
    """Count a request that was answered 503 because too many others wait for their content."""
    _add(REFUSED_UPLOADS, "")


def log_failed() -> None:
    """Count a line of the access log that could not be written."""
    _add(LOG_FAILURES, "")


def storage_failed(method: str, status: HTTPStatus, error: BaseException | None) -> None:
    """Count and log an error of the operating system that a client is told as ``status``, where
    that blames the server: what the client is told is not enough to mend it.
    """
    if isinstance(error, OSError) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        name = errno.errorcode.get(error.errno or 0, "unknown")
        _add(STORAGE_ERRORS, name)
        told = (method, error, name, Totals().of(STORAGE_ERRORS)[name])
        log.error("%s: storage failed: %r (%s, number %d since the start)", *told)


def _add(family: str, kind: str) -> None:
    slot = _SLOTS[family, kind]
    with _lock:
        _mine[slot] += 1.0


class Totals:
    """What all processes together have counted up to now."""

    def __init__(self) -> None:
        self._sums = _memory.sums()

    def of(self, family: str) -> dict[str, float]:
        """The counts of one of the `FAMILIES`, by kind."""
        return {kind: self._sums[_SLOTS[family, kind]] for kind in FAMILIES[family]}

    def requests(self) -> Iterator[tuple[str, str, float]]:
        """Method, status and number of the requests that there were."""
        for method, row in _ROWS.items():
            for status, number in _STATUS.items():
                if count := self._sums[row + number]:
                    yield method, status, count

    def durations(self) -> Iterator[tuple[str, list[float], float]]:
        """For each method that there was, how many requests fell into each bucket of `SECONDS` and
        behind them, and how many seconds they took together.
        """
        for method, row in _ROWS.items():
            counts = self._sums[row + _BUCKETS : row + _SUM]
            if any(counts):
                yield method, counts, self._sums[row + _SUM]

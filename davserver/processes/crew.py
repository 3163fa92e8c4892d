"""The workers of one set of settings: each has a place, and a successor when it dies."""

import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from davserver.processes.board import Board
from davserver.processes.forking import fork
from davserver.processes.reports import Reports
from davserver.processes.seat import Seat

STUCK_SECONDS = 20.0
"""How long a worker may go without a sign of life (`Seat.beat`) until it is killed."""
LOOKS = 10
"""How often it is looked at in that time. Looks are counted, and not seconds: of those some may
have passed for nobody, where the machine stood still.
"""
ABORT_SECONDS = 1.0
"""How long who stands still may take to say where."""
START_SECONDS = 300.0
"""How long a worker may take until it is ready: it may have to finish what another has left."""
KILL_SECONDS = 10.0
"""Seconds beyond the limit until a worker that has been told to end is killed."""
HURRY_SECONDS = 5.0
"""Seconds until it is killed when it was told twice."""
SOON_SECONDS = 2.0
"""Whoever dies earlier than that may die again."""
PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds until the next one starts, by how many in a row have died soon."""

log = logging.getLogger("davserver.processes")


class Shelf(Protocol):
    """Where each process has a place for what outlives it."""

    def reserve(self) -> int:
        """A place for a process that is to be forked. Raises IndexError where there is none."""

    def enter(self, place: int) -> None:
        """Called in that process."""

    def release(self, place: int) -> None:
        """It has ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """What ``workers`` processes do: ``work`` is called in each, and gives its exit code.

    ``drain_seconds`` is how long it may take to finish what is under way when it was told to end,
    ``status`` says in a few words what they all do. Each has a place on the ``shelf``.
    """

    workers: int
    work: Callable[[Seat], int]
    drain_seconds: float
    status: str = ""
    shelf: Shelf | None = None


class _Place:
    """One worker after the other."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.pid = 0
        """Who has it; 0 for nobody."""
        self.shelved = 0
        """Its place on the shelf."""
        self.started_at = 0.0
        self.ready_at = 0.0
        """Since when that one is ready, 0 where it is not yet."""
        self.has_refused = False
        """Whether that one has said why it cannot begin."""
        self.starts_at = 0.0
        """From when on the next one may start."""
        self.killed_at = float("inf")
        """When it will be killed, if it is still there then."""
        self.deaths = 0
        """How many have died soon, in a row."""
        self.beats = 0
        self.still = 0
        """How many looks have found no further beat."""


class Crew:
    """Starts with the first `tend`. Times are those of a monotonic clock.

    ``reports`` is what the workers talk by. ``leave`` is called in each of them with this crew: it
    lets go of what is no worker's. ``watch_seconds`` is how long a service manager waits for a sign
    of life, 0 for no limit.
    """

    def __init__(
        self,
        job: Job,
        reports: Reports,
        leave: Callable[["Crew"], object],
        watch_seconds: float = 0.0,
    ) -> None:
        self.job = job
        self.refusal = ""
        """Why a worker of it could not begin, if one has said so."""
        self._reports = reports
        self._leave = leave
        self._board = Board(job.workers)
        bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._bell = bell
        self._places = [
            _Place(Seat(number, self._board, reports, bell)) for number in range(job.workers)
        ]
        self._ends = False
        self._look_seconds = _stuck_seconds(watch_seconds) / LOOKS
        self._looks_at = 0.0

    @property
    def pids(self) -> list[int]:
        """The processes that are there."""
        return [place.pid for place in self._places if place.pid]

    @property
    def is_ready(self) -> bool:
        """Whether all of them are."""
        return all(place.ready_at for place in self._places)

    @property
    def has_failed(self) -> bool:
        """Whether each place has seen a death, and none is ready."""
        return not any(place.ready_at or not place.deaths for place in self._places)

    @property
    def answers(self) -> bool:
        """Whether there is a worker that is ready, and none of those stands still."""
        ready = [place for place in self._places if place.ready_at]
        return bool(ready) and all(place.still < LOOKS // 2 for place in ready)

    @property
    def status(self) -> str:
        """How it does, in a few words."""
        ready = sum(place.ready_at > 0 for place in self._places)
        of = "" if ready == len(self._places) else f" of {len(self._places)}"
        return f"{ready}{of} worker{'s' * (len(self._places) > 1)} {self.job.status}".strip()

    def tell(self, number: int) -> None:
        """Send all of them a signal."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, now: float, seconds: float | None = None, *, has_heirs: bool = False) -> None:
        """Tell all of them to finish what is under way and end, in ``seconds`` or as long as the
        job gives them; who is told once more cuts it off. Where others have taken their place they
        need not send idle clients away.
        """
        limit = self.job.drain_seconds + KILL_SECONDS if seconds is None else seconds
        self._ends = True
        self._board.drain(has_heirs=has_heirs)
        self.tell(signal.SIGTERM)
        for place in self._places:
            place.killed_at = min(place.killed_at, now + limit)

    def heard(self, pid: int, refusal: str, now: float) -> None:
        """A worker has said that it is ready, or why not."""
        for place in self._places:
            if place.pid == pid and refusal:
                place.has_refused = True
                self.refusal = refusal
            elif place.pid == pid:
                place.ready_at = now
                place.still = 0

    def died(self, pid: int, status: int, now: float) -> None:
        """A process has ended, with a status of wait(2). If it was one of these, another one takes
        its place.
        """
        for place in self._places:
            if place.pid != pid:
                continue
            lived = place.ready_at and now - place.ready_at > SOON_SECONDS
            place.deaths = 0 if lived else place.deaths + 1
            pause = PAUSES[min(max(0, place.deaths - 1), len(PAUSES) - 1)]
            if not place.has_refused:
                _tell_end(place.seat.number, pid, status, ends=self._ends, pause=pause)
            place.pid, place.ready_at, place.has_refused = 0, 0.0, False
            self._unshelve(place)
            place.starts_at = now + pause
            if not self._ends:
                place.killed_at = float("inf")

    def tend(self, now: float) -> None:
        """Do what has come due."""
        if not self._ends:
            for place in self._places:
                if not place.pid and place.starts_at <= now:
                    self._start(place, now)
        if now >= self._looks_at:
            self._looks_at = now + self._look_seconds
            self._look(now)
        for place in self._places:
            if place.pid and place.killed_at <= now:
                place.killed_at = now + ABORT_SECONDS
                with suppress(ProcessLookupError):
                    os.kill(place.pid, signal.SIGKILL)

    def due(self) -> float:
        """When `tend` has to be called at the latest."""
        starts = [one.starts_at for one in self._places if not one.pid and not self._ends]
        kills = [one.killed_at for one in self._places if one.pid]
        return min([self._looks_at, *starts, *kills])

    def close(self) -> None:
        """All of them have ended."""
        os.close(self._bell)

    def _start(self, place: _Place, now: float) -> None:
        place.started_at = now
        try:
            place.shelved = self.job.shelf.reserve() if self.job.shelf else 0
            try:
                place.pid = fork(lambda: self._work(place))
            except OSError:
                self._unshelve(place)
                raise
        except (OSError, IndexError) as error:
            place.deaths += 1
            place.starts_at = now + PAUSES[min(place.deaths, len(PAUSES) - 1)]
            log.error("cannot start worker %d: %r", place.seat.number, error)
        place.seat.is_successor = True

    def _work(self, place: _Place) -> int:
        self._leave(self)
        if self.job.shelf:
            self.job.shelf.enter(place.shelved)
        return self.job.work(place.seat)

    def _unshelve(self, place: _Place) -> None:
        if self.job.shelf:
            self.job.shelf.release(place.shelved)

    def _look(self, now: float) -> None:
        """Kill who stands still. It is asked first where it does so."""
        for place in self._places:
            beats = self._board.beats(place.seat.number)
            place.still = place.still + 1 if beats == place.beats else 0
            place.beats = beats
            if place.ready_at:
                is_stuck = place.still >= LOOKS and not self._ends
            else:
                is_stuck = bool(place.pid) and now - place.started_at > START_SECONDS
            if is_stuck and place.killed_at == float("inf"):
                log.error(
                    "worker %d (process %d) stands still, and is ended",
                    *(place.seat.number, place.pid),
                )
                place.killed_at = now + ABORT_SECONDS
                with suppress(ProcessLookupError):
                    os.kill(place.pid, signal.SIGABRT)


def _stuck_seconds(watch_seconds: float) -> float:
    """Less than a service manager waits: it would end the others, too."""
    return max(3.0, min(STUCK_SECONDS, watch_seconds / 3)) if watch_seconds else STUCK_SECONDS


def _name(number: int) -> str:
    """What a signal is called: those for real time have no names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tell_end(number: int, pid: int, status: int, *, ends: bool, pause: float) -> None:
    """One line of the log."""
    code = os.waitstatus_to_exitcode(status)
    how = f"was ended by {_name(-code)}" if code < 0 else f"ended with code {code}"
    if ends:
        level = logging.INFO if code == 0 else logging.ERROR
        log.log(level, "worker %d (process %d) %s", number, pid, how)
        return
    then = f"in {pause:g} seconds" if pause else "now"
    log.error("worker %d (process %d) %s; another one starts %s", number, pid, how, then)

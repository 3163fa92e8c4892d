"""The master: one thread that waits, for signals, for its workers, and for what comes due."""

import errno
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from davserver.processes.crew import HURRY_SECONDS, Crew, Job
from davserver.processes.inbox import Inbox
from davserver.processes.notify import Notifier
from davserver.processes.reports import Refused, Reports

RENEWAL_SECONDS = 60.0
"""How long new workers may take until they are ready; else the old ones go on."""
_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_SIGNALS = _STOP | {signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}

log = logging.getLogger("davserver.processes")


@dataclass(frozen=True, slots=True)
class Renewal:
    """A job for new workers. ``take`` is called when they have taken over, ``drop`` when they have
    not.
    """

    job: Job
    take: Callable[[], object]
    drop: Callable[[], object]


class Service(Protocol):
    """What a master keeps running."""

    def renew(self) -> Renewal | None:
        """Called on SIGHUP. Gives the job of a new crew that takes the place of the present one, or
        None where that can go on. Raises Refused where nothing is to change.
        """

    def reopen(self) -> None:
        """Called on SIGUSR1: logs are to be opened again."""

    def greet(self) -> None:
        """Called once, when all workers are ready for the first time."""

    def leave(self) -> None:
        """Called when all of it is to end."""


class Master:
    """Keeps a crew at work until it is told to stop."""

    def __init__(self, job: Job, service: Service, notifier: Notifier) -> None:
        self._service = service
        self._notifier = notifier
        # nohup(1) asks to outlive a terminal, and a shell's background job to pass over Ctrl-C.
        is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        is_aside = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        self._has_terminal = not is_kept and _has_terminal()
        self._reports = Reports()
        self._inbox = Inbox(_SIGNALS - {signal.SIGINT} if is_aside else _SIGNALS)
        self._crew = self._crew_of(job)
        self._coming: Crew | None = None
        self._renewal: Renewal | None = None
        self._coming_until = 0.0
        self._leaving: list[Crew] = []
        self._has_greeted = False
        self._is_stopping = False
        self._wants_renewal = False
        self._refusal = ""
        self._code = 0
        self._signs_at = 0.0
        self._told = ""

    def run(self) -> int:
        """Gives 0 when it was stopped by a signal, 1 where no worker could begin. Raises Refused
        where one has said why it cannot.
        """
        with closing(self._inbox), closing(self._reports):
            while True:
                now = time.monotonic()
                self._listen(now)
                self._advance(now)
                if self._is_stopping and not self._leaving:
                    break
                for crew in self._crews:
                    crew.tend(now)
                self._show_life(now)
                self._wait()
                for number in self._inbox.taken():
                    self._take(number)
        if self._refusal:
            raise Refused(self._refusal)
        return self._code

    @property
    def _crews(self) -> list[Crew]:
        present = [] if self._is_stopping else [self._crew]
        return [*present, *([self._coming] if self._coming else []), *self._leaving]

    def _crew_of(self, job: Job) -> Crew:
        return Crew(job, self._reports, self._forget, self._notifier.watchdog_seconds)

    def _forget(self, own: Crew) -> None:
        """Called in a worker of a crew."""
        self._inbox.leave()
        self._reports.leave()
        for crew in self._crews:
            if crew is not own:
                crew.close()

    def _wait(self) -> None:
        """Until something has happened or comes due."""
        due = min([*(crew.due() for crew in self._crews), self._signs_due()])
        poll = select.poll()
        for one in (self._inbox, self._reports):
            poll.register(one.fileno(), select.POLLIN)
        poll.poll(max(0.0, due - time.monotonic()) * 1000 + 1)

    def _listen(self, now: float) -> None:
        """Take note of what workers have said, and of those that have ended."""
        ends = []
        for crew in self._crews:
            for pid in crew.pids:
                ended, status = os.waitpid(pid, os.WNOHANG)
                ends += [(crew, pid, status)] if ended else []
        # Behind it: what the dead have said is there by now.
        for pid, refusal in self._reports.heard():
            for crew in self._crews:
                crew.heard(pid, refusal, now)
        for crew, pid, status in ends:
            crew.died(pid, status, now)

    def _advance(self, now: float) -> None:
        """Let one crew take the place of another."""
        if self._coming is not None:
            if self._coming.is_ready:
                self._let_go(self._crew, now, has_heirs=True)
                self._crew, self._coming = self._coming, None
                self._settle(taken=True)
                self._tell_ready()
            elif self._coming.refusal or self._coming.has_failed or now > self._coming_until:
                why = self._coming.refusal or "the new workers do not become ready"
                self._let_go(self._coming, now, HURRY_SECONDS)
                self._coming = None
                self._settle(taken=False)
                self._keep(why)
        elif not self._is_stopping and self._crew.refusal:
            if self._has_greeted:
                log.error("a worker cannot begin: %s", self._crew.refusal)
                self._crew.refusal = ""
            else:
                self._refusal = self._crew.refusal
                self._stop(now)
        elif not self._is_stopping and not self._has_greeted:
            if self._crew.is_ready:
                self._has_greeted = True
                self._service.greet()
                self._tell_ready()
            elif self._crew.has_failed:
                self._code = 1
                self._stop(now)
        may_renew = self._has_greeted and self._coming is None and not self._is_stopping
        if self._wants_renewal and may_renew:
            self._wants_renewal = False
            self._begin_renewal()
        for crew in [crew for crew in self._leaving if not crew.pids]:
            crew.close()
            self._leaving.remove(crew)

    def _take(self, number: int) -> None:
        """A signal has come."""
        now = time.monotonic()
        is_hung_up = number == signal.SIGHUP and self._has_terminal and not _has_terminal()
        if number in _STOP or is_hung_up:
            self._stop(now)
        elif number == signal.SIGHUP and not self._is_stopping:
            self._wants_renewal = True
        elif number == signal.SIGUSR1:
            self._service.reopen()
            for crew in self._crews:
                crew.tell(number)

    def _stop(self, now: float) -> None:
        """Let all of them end; when it is called again, at once."""
        if self._is_stopping:
            for crew in self._leaving:
                crew.end(now, HURRY_SECONDS)
            return
        self._notifier.stopping()
        crews = self._crews
        self._is_stopping, self._coming = True, None
        self._settle(taken=False)
        self._service.leave()
        for crew in crews:
            if crew not in self._leaving:
                self._let_go(crew, now)

    def _let_go(
        self, crew: Crew, now: float, seconds: float | None = None, *, has_heirs: bool = False
    ) -> None:
        crew.end(now, seconds, has_heirs=has_heirs)
        self._leaving.append(crew)

    def _begin_renewal(self) -> None:
        self._notifier.reloading()
        try:
            renewal = self._service.renew()
        except Refused as refused:
            self._keep(str(refused))
            return
        except Exception:
            # All of it would end, for settings that nobody has to have.
            log.exception("cannot read the settings")
            self._keep("they cannot be read")
            return
        if renewal is None:
            self._crew.tell(signal.SIGHUP)
            self._tell_ready()
        else:
            self._renewal = renewal
            self._coming = self._crew_of(renewal.job)
            self._coming_until = time.monotonic() + RENEWAL_SECONDS

    def _settle(self, *, taken: bool) -> None:
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            (renewal.take if taken else renewal.drop)()

    def _keep(self, why: str) -> None:
        log.error("the settings stay as they were: %s", why)
        self._tell_ready()

    def _tell_ready(self) -> None:
        self._told = self._crew.status
        self._notifier.ready(self._told)

    def _signs_due(self) -> float:
        return self._signs_at if self._notifier.watchdog_seconds else float("inf")

    def _show_life(self, now: float) -> None:
        """To whoever watches the whole service, as long as the workers live."""
        if self._has_greeted and not self._is_stopping and self._crew.status != self._told:
            self._told = self._crew.status
            self._notifier.status(self._told)
        if self._signs_due() <= now:
            self._signs_at = now + self._notifier.watchdog_seconds / 2
            if self._is_stopping or not self._has_greeted or self._crew.answers:
                self._notifier.alive()


def _has_terminal() -> bool:
    """Whether there is a terminal whose end would be this process's, too."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in (errno.ENXIO, errno.EIO, errno.ENOENT, errno.ENOTTY)
    return True

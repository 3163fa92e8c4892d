"""`davserver ROOT`: serves until it is told to stop."""

import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from davserver import config, counts, opening, renewal
from davserver.access_log import AccessLog
from davserver.accounts import Account, Accounts, new_password
from davserver.commands import encryption
from davserver.commands.greeting import greeting, password_line
from davserver.commands.listening import check_reach, listening, places
from davserver.config import ConfigError, Settings, shown
from davserver.options import PASSWORD
from davserver.processes import Job, Master, Notifier, Refused, Renewal, cores
from davserver.serving import Listener, Tls
from davserver.worker import Work, keep, log_as, recover

MOST_WORKERS = 256
"""So many are there by default, however many cores there are."""
MOST_PROCESSES = 4 * MOST_WORKERS
"""For so many there is room to count: old and new ones may be there at a time."""

_EARLY = frozenset({signal.SIGHUP, signal.SIGUSR1})

log = logging.getLogger("davserver.storage")


def run(settings: Settings, again: Callable[[], Settings]) -> int:
    """Serve. ``again`` loads the settings anew. Gives 0 when it was stopped by a signal, 1 where it
    failed. Raises ConfigError.
    """
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    notifier = Notifier.of(os.environ, os.getpid())
    log_as(settings)
    _raise_limit()
    with ExitStack() as held:
        held.enter_context(_blocked())
        service = _Service(settings, again)
        held.callback(service.close)
        # A database must not be carried over a fork: it is closed again.
        with opening.opened(settings) as (shares, state):
            service.listeners = held.enter_context(listening(settings, service.scheme))
            _survey(settings, state.file)
            recover(shares)
        counts.prepare(MOST_PROCESSES)
        keep()
        master = Master(service.job(), service, notifier)
        # Whoever has started this process may have blocked them, too.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _EARLY)
        try:
            return master.run()
        except Refused as refused:
            raise ConfigError(str(refused)) from refused


@contextmanager
def _blocked() -> Iterator[None]:
    """Keep the signals that would end this process until there is a master to take them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _EARLY)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Service:
    """What is served, and what changes while it is. Raises ConfigError."""

    def __init__(self, settings: Settings, again: Callable[[], Settings]) -> None:
        self._settings = settings
        self._again = again
        self._accounts, self._password = _accounts(settings)
        self._tls = _tls(settings)
        self._access_log = _access_log(settings)
        self.listeners: Sequence[Listener] = ()

    @property
    def scheme(self) -> str:
        """That of its URLs."""
        return "http" if self._tls is None else "https"

    def close(self) -> None:
        if self._access_log is not None:
            self._access_log.close()

    def job(self) -> Job:
        """What the workers are to do."""
        return self._job(self._settings, self._accounts, self._tls, self._access_log)

    def greet(self) -> None:
        """Say at the start what a new user needs to know."""
        file = opening.state_file(self._settings)
        _say(greeting(self._settings, self.listeners, file, self._password))

    def reopen(self) -> None:
        """Open logs again, for the workers that are still to come."""
        if self._access_log is not None:
            try:
                self._access_log.reopen()
            except OSError as error:
                log.error("the access log cannot be opened again: %r", error)

    def leave(self) -> None:
        """Nobody is to come any more: better clients hear it at once than wait for nobody."""
        for one in self.listeners:
            one.close()

    def renew(self) -> Renewal | None:
        """Load the settings again. Gives a job for new workers where they have changed, of which
        nothing holds until it is taken. Raises Refused where they cannot be taken.
        """
        old = self._settings
        try:
            new, kept = renewal.renewed(old, self._again())
            check_reach(new, self.listeners)
            for key in kept:
                log.warning("%s has changed: that needs a restart, until then it is as it was", key)
            if renewal.is_same(old, new):
                if self._tls is not None:
                    self._tls.reload()
                return None
            tls, access_log = _tls(new), _access_log(new)
        except ConfigError as error:
            raise Refused(str(error)) from error
        accounts, password = (
            _accounts(new) if new.user != old.user else (self._accounts, self._password)
        )

        def take() -> None:
            self.close()
            self._settings, self._accounts, self._tls = new, accounts, tls
            self._access_log = access_log
            log_as(new)
            if password is not None and password != self._password:
                _say(password_line(new, password))
            self._password = password

        def drop() -> None:
            if access_log is not None:
                access_log.close()

        return Renewal(self._job(new, accounts, tls, access_log), take, drop)

    def _job(
        self,
        settings: Settings,
        accounts: Accounts,
        tls: Tls | None,
        access_log: AccessLog | None,
    ) -> Job:
        return Job(
            settings.workers or min(cores.available(), MOST_WORKERS),
            Work(settings, self.listeners, accounts, tls, access_log),
            settings.drain_timeout,
            f"at {places(settings, self.listeners)[0]}",
            counts,
        )


def _raise_limit() -> None:
    """Let this process and its workers have as many descriptors as they may."""
    with suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say(text: str) -> None:
    # It serves even where nobody reads what it says.
    with suppress(OSError, ValueError):
        print(text, flush=True)


def _tls(settings: Settings) -> Tls | None:
    """Raises ConfigError where the certificate cannot be used."""
    tls = encryption.of(settings)
    if tls is not None and (warning := tls.pair.warning(datetime.now(UTC))):
        log.warning("%s: %s", shown(settings.cert), warning)
    return tls


def _access_log(settings: Settings) -> AccessLog | None:
    """Raises ConfigError where it cannot be opened."""
    file = config.access_log(settings)
    try:
        return None if file is None else AccessLog(file, settings.access_log_format)
    except OSError as error:
        raise ConfigError(
            f"{shown(file)}: cannot be opened for the access log: {error.strerror}."
        ) from error


def _survey(settings: Settings, file: Path) -> None:
    """Say what the file systems can do, and which of them cannot keep what is promised."""
    try:
        grounds = opening.survey(settings, file, tidy=True)
    except OSError as error:
        log.error("cannot look at the file systems: %r", error)
        return
    for ground in grounds:
        how = ground.features.denied or ground.features.strategy()
        log.info("%s (%s): %s", shown(ground.mount.point), ground.mount.type, how)
        if ground.breach and settings.durability == "sync":
            log.warning("%s", ground.warning)


def _accounts(settings: Settings) -> tuple[Accounts, str | None]:
    """The accounts, and the password if it is a new one."""
    if settings.user is None:
        return Accounts((), time.monotonic), None
    given = os.environ.get(PASSWORD)
    password = given or new_password()
    account = Account.with_password(settings.user, password)
    return Accounts((account,), time.monotonic), None if given else password

"""`davserver ROOT`: serves until it is told to stop, in worker processes under a master."""

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from davserver import opening, renewal
from davserver.accounts import Account, Accounts, new_password
from davserver.config import ConfigError, Settings, shown
from davserver.options import PASSWORD
from davserver.processes import Job, Master, Notifier, Refused, cores
from davserver.protocol import paths
from davserver.serving import Listener, bind
from davserver.worker import Work, keep, recover

log = logging.getLogger("davserver.storage")


def run(settings: Settings, again: Callable[[], Settings]) -> int:
    """Serve. ``again`` loads the settings anew. Gives 0 when it was stopped by a signal, 1 where it
    failed. Raises ConfigError.
    """
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    notifier = Notifier.of(os.environ, os.getpid())
    _log_as(settings)
    with ExitStack() as held:
        # A database must not be carried over a fork: it is closed again.
        with opening.opened(settings) as (shares, state):
            listener = held.enter_context(closing(_bound(settings)))
            _survey(settings, state.file)
            recover(shares)
        service = _Service(settings, again, listener)
        keep()
        master = Master(service.job(), service.renew, service.greet, notifier)
        try:
            return master.run()
        except Refused as refused:
            raise ConfigError(str(refused)) from refused


class _Service:
    """What is served at a listener, and what changes while it is."""

    def __init__(
        self, settings: Settings, again: Callable[[], Settings], listener: Listener
    ) -> None:
        self._settings = settings
        self._again = again
        self._listener = listener
        self._accounts, self._password = _accounts(settings)

    def job(self) -> Job:
        """What the workers are to do."""
        settings = self._settings
        return Job(
            settings.workers or cores.available(),
            Work(settings, (self._listener,), self._accounts),
            settings.drain_timeout,
            f"at {self._listener.url}",
        )

    def greet(self) -> None:
        """Say at the start what a new user needs to know."""
        file = opening.state_file(self._settings)
        _say(greeting(self._settings, self._listener.url, file, self._password))

    def renew(self) -> Job | None:
        """Load the settings again. Gives a job for new workers where they have changed. Raises
        Refused where they cannot be taken.
        """
        old = self._settings
        try:
            new, kept = renewal.renewed(old, self._again())
        except ConfigError as error:
            raise Refused(str(error)) from error
        for key in kept:
            log.warning("%s has changed: that needs a restart, until then it is as it was", key)
        if renewal.is_same(old, new):
            return None
        self._settings = new
        _log_as(new)
        if new.user != old.user:
            self._accounts, password = _accounts(new)
            if password is not None:
                _say(_password_line(new, password))
        return self.job()


def _say(text: str) -> None:
    # It serves even where nobody reads what it says.
    with suppress(OSError, ValueError):
        print(text, flush=True)


def _log_as(settings: Settings) -> None:
    logging.getLogger().setLevel(logging.INFO if settings.verbose else logging.WARNING)


def _bound(settings: Settings) -> Listener:
    try:
        return bind(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{settings.host}:{settings.port}: cannot listen there: {_reason(error)}. "
            "Is another server running? --port 0 finds a free port."
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


def greeting(settings: Settings, url: str, state: Path, password: str | None) -> str:
    """What a new user needs to know at the start."""
    who = f"user {settings.user}" if settings.user else "everybody on this machine, without a login"
    lines = [f"davserver is ready at {url}"]
    for share in settings.shares:
        read_only = share.read_only or settings.read_only
        may = "may read" if read_only else "may read and write"
        where = url + paths.escape(share.name) + "/" if share.name else url
        lines.append(f"  {where}  serves {shown(os.path.realpath(share.path))}: {who} {may}")
    lines.append(f"Locks and properties are kept in {shown(state)}")
    if password is not None:
        lines.append(_password_line(settings, password))
    lines.append(f"To mount it: {_mount_command(url)}")
    lines.append("To stop it: Ctrl-C")
    return "\n".join(lines)


def _password_line(settings: Settings, password: str) -> str:
    return f"The password of {settings.user} is {password}  (it is not shown again)"


def _mount_command(url: str) -> str:
    """For the operating system that this is."""
    if sys.platform == "darwin":
        return f"mkdir -p ~/dav && mount_webdav -i {url} ~/dav"
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return f"gio mount {url.replace('http://', 'dav://', 1)}"
    return f"sudo mount -t davfs {url} /mnt"


def _accounts(settings: Settings) -> tuple[Accounts, str | None]:
    """The accounts, and the password if it is a new one."""
    if settings.user is None:
        return Accounts((), time.monotonic), None
    given = os.environ.get(PASSWORD)
    password = given or new_password()
    account = Account.with_password(settings.user, password)
    return Accounts((account,), time.monotonic), None if given else password


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "this is no host name"

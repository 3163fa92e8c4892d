"""`davserver ROOT`: serves until it is told to stop."""

import gc
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from davserver import app, config, opening
from davserver.access_log import AccessLog
from davserver.accounts import Account, Accounts, new_password
from davserver.commands import encryption
from davserver.commands.listening import base_url, listening, places, told
from davserver.config import ConfigError, Settings, shown
from davserver.middleware import HEALTHZ, METRICS, READYZ, Corridor
from davserver.options import PASSWORD
from davserver.protocol import paths
from davserver.protocol.faults import Fault
from davserver.protocol.peers import NOBODY
from davserver.serving import DavServer, Floor, Listener, block_signals
from davserver.shares import Shares
from davserver.upkeep import Upkeep

log = logging.getLogger("davserver.storage")


def run(settings: Settings) -> int:
    """Serve. Gives 0 when it was stopped by a signal, 1 where it failed. Raises ConfigError."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if settings.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    tls = encryption.of(settings)
    if tls is not None and (warning := tls.pair.warning(datetime.now(UTC))):
        log.warning("%s: %s", shown(settings.cert), warning)
    with ExitStack() as held:
        shares, state = held.enter_context(opening.opened(settings))
        accounts, password = _accounts(settings)
        access_log = _access_log(settings)
        if access_log is not None:
            held.callback(access_log.close)
        scheme = "http" if tls is None else "https"
        listeners = held.enter_context(listening(settings, scheme))
        corridor = _corridor(settings, shares, accounts, access_log)
        server = DavServer(
            app.build(corridor),
            listeners,
            settings.threads,
            tls,
            places=settings.slow_uploads,
            floor=Floor(settings.slowest_upload, settings.upload_grace),
            connections=settings.connections,
            proxies=settings.trusted if settings.proxy_protocol else NOBODY,
        )
        for share in shares.all.values():
            share.tree.step_aside = server.step_aside
        block_signals()
        server.prepare()
        _survey(settings, state.file)
        _recover(shares)
        upkeep = Upkeep(shares)
        try:
            upkeep.start()
            # It serves even where nobody reads what it says.
            with suppress(OSError, ValueError):
                print(greeting(settings, listeners, state.file, password), flush=True)
            _keep()
            stopped = server.run()
        finally:
            server.stop()
            shares.hurry()
            upkeep.stop()
            shares.close()
    return 0 if stopped else 1


def _access_log(settings: Settings) -> AccessLog | None:
    """Raises ConfigError where it cannot be opened."""
    file = config.access_log(settings)
    try:
        return None if file is None else AccessLog(file, settings.access_log_format)
    except OSError as error:
        raise ConfigError(
            f"{shown(file)}: cannot be opened for the access log: {error.strerror}."
        ) from error


def _corridor(
    settings: Settings, shares: Shares, accounts: Accounts, access_log: AccessLog | None
) -> Corridor:
    place = config.status_place(settings)
    wanted = {HEALTHZ: settings.healthz, READYZ: settings.readyz, METRICS: settings.metrics}
    return Corridor(
        shares,
        accounts,
        frozenset(name.lower() for name in settings.allowed_hosts),
        settings.gzip,
        access_log,
        frozenset(name for name, is_wanted in wanted.items() if is_wanted and place is not None),
        None if place is None or place.address else _below(settings.url_path, place.path),
        trusted=settings.trusted,
    )


def _below(prefix: paths.Path, path: str) -> str:
    """A path of the status below that of all URLs, as PATH_INFO has it: one character a byte."""
    above = "".join(f"/{name}" for name in prefix)
    return above.encode("utf-8", "surrogateescape").decode("latin-1") + path


def _keep() -> None:
    """What has been loaded stays. To search all of it for garbage again and again would hold up
    everybody for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()


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


def _recover(shares: Shares) -> None:
    """Finish what was under way when a server ended."""
    if shares.state.damage:
        return
    try:
        shares.recover()
    except (OSError, Fault) as error:
        log.error("could not finish what was under way: %r", error)


def greeting(
    settings: Settings, listeners: Sequence[Listener], state: Path, password: str | None
) -> str:
    """What a new user needs to know at the start."""
    first, *others = places(settings, listeners)
    by_network = next((one for one in listeners if not one.path and not one.is_status), None)
    url = base_url(settings, by_network or listeners[0])
    who = f"user {settings.user}" if settings.user else "everybody on this machine, without a login"
    lines = [f"davserver is ready at {first}", *(f"  and at {other}" for other in others)]
    for share in settings.shares:
        read_only = share.read_only or settings.read_only
        may = "may read" if read_only else "may read and write"
        where = url + paths.escape(share.name) + "/" if share.name else url
        lines.append(f"  {where}  serves {shown(os.path.realpath(share.path))}: {who} {may}")
    lines += [f"Its health and its metrics are told at {one}" for one in told(settings, listeners)]
    lines.append(f"Locks and properties are kept in {shown(state)}")
    if password is not None:
        lines.append(f"The password of {settings.user} is {password}  (it is not shown again)")
    if by_network is not None:
        lines.append(f"To mount it: {_mount_command(url)}")
    lines.append("To stop it: Ctrl-C")
    return "\n".join(lines)


def _mount_command(url: str) -> str:
    """For the operating system that this is."""
    if sys.platform == "darwin":
        return f"mkdir -p ~/dav && mount_webdav -i {url} ~/dav"
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return f"gio mount {url.replace('http', 'dav', 1)}"
    return f"sudo mount -t davfs {url} /mnt"


def _accounts(settings: Settings) -> tuple[Accounts, str | None]:
    """The accounts, and the password if it is a new one."""
    if settings.user is None:
        return Accounts((), time.monotonic), None
    given = os.environ.get(PASSWORD)
    password = given or new_password()
    account = Account.with_password(settings.user, password)
    return Accounts((account,), time.monotonic), None if given else password

"""`davserver ROOT`: serves until it is told to stop."""

import hashlib
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from davserver import app
from davserver.accounts import Account, Accounts, new_password
from davserver.config import ConfigError, Settings, shown
from davserver.middleware import Corridor
from davserver.options import PASSWORD
from davserver.protocol import paths
from davserver.serving import DavServer, block_signals
from davserver.share import Share
from davserver.shares import Limits, Shares
from davserver.state import sqlite
from davserver.tree import Modes, Tree


def run(settings: Settings) -> int:
    """Serve. Gives 0 when it was stopped by a signal, 1 where it failed. Raises ConfigError."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if settings.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    file = state_file(settings)
    try:
        state = sqlite.SqliteState(file)
    except (OSError, sqlite.UnknownSchema) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{file}: cannot be used for the state: {reason}.") from error
    accounts, password = _accounts(settings)
    shares = Shares(
        [_share(settings, number, file) for number in range(len(settings.shares))],
        state,
        time.time_ns,
        limits=Limits(settings.infinite_depth, settings.lock_timeout),
    )
    hosts = frozenset(name.lower() for name in settings.allowed_hosts)
    server = DavServer(
        app.build(Corridor(shares, accounts, hosts)),
        settings.host,
        settings.port,
        settings.threads,
    )
    block_signals()
    try:
        server.prepare()
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{settings.host}:{settings.port}: cannot listen there: {_reason(error)}. "
            "Is another server running? --port 0 finds a free port."
        ) from error
    try:
        # It serves even where nobody reads what it says.
        with suppress(OSError, ValueError):
            print(greeting(settings, server.url, file, password), flush=True)
        stopped = server.run()
    finally:
        server.stop()
        state.close()
    return 0 if stopped else 1


def state_file(settings: Settings) -> Path:
    """Where locks and properties are kept: the file of the settings, or one in the user's state
    directory (XDG Base Directory Specification), named after the real directories that are served.
    """
    if settings.state is not None:
        return Path(settings.state)
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise ConfigError(
            "There is no home directory to keep locks and properties in: name a file with --state."
        ) from error
    roots = sorted(os.fsencode(os.path.realpath(share.path)) for share in settings.shares)
    name = hashlib.sha256(b"\0".join(roots)).hexdigest()[:16]
    return Path(home) / "davserver" / f"{name}.db"


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
        lines.append(f"The password of {settings.user} is {password}  (it is not shown again)")
    lines.append(f"To mount it: {_mount_command(url)}")
    lines.append("To stop it: Ctrl-C")
    return "\n".join(lines)


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


def _share(settings: Settings, number: int, state: Path) -> Share:
    wanted = settings.shares[number]
    real = Path(os.path.realpath(wanted.path))
    folder = state.parent.resolve()
    try:
        tree = Tree(
            wanted.path,
            modes=Modes(settings.file_mode, settings.dir_mode),
            follow=settings.follow_symlinks,
            hidden=[str(folder)] if folder.is_relative_to(real) else [],
        )
    except OSError as error:
        raise ConfigError(f"{wanted.path}: cannot be served: {error.strerror}.") from error
    return Share(wanted.name, tree, wanted.read_only or settings.read_only)


def _reason(error: Exception) -> str:
    """cheroot wraps the reason into a sentence of its own."""
    if not isinstance(error, OSError):
        return "this is no host name"
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    return cause.strerror or str(error)

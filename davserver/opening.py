"""From checked settings to shares over their state, for every sub-command that needs them."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from davserver.config import ConfigError, Settings
from davserver.protocol.faults import Fault
from davserver.share import Share
from davserver.shares import Limits, Shares
from davserver.state.sqlite import SqliteState, UnknownSchema
from davserver.tree import Modes, Tree, mounts

BOOT = Path("/proc/sys/kernel/random/boot_id")

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre")
"""Types of file systems that other machines write to as well."""


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


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Shares, SqliteState]]:
    """The shares of the settings and their state, closed at the end. Raises ConfigError."""
    file = state_file(settings)
    state = open_state(file, durable=settings.durability == "sync")
    trees: list[Tree] = []
    try:
        shares = []
        for number, wanted in enumerate(settings.shares):
            trees.append(_tree(settings, number, file))
            read_only = wanted.read_only or settings.read_only or bool(state.damage)
            shares.append(Share(wanted.name, trees[-1], read_only))
        yield (
            Shares(
                shares,
                state,
                time.time_ns,
                steady=Steady(state),
                limits=Limits(settings.infinite_depth, settings.lock_timeout),
            ),
            state,
        )
    finally:
        state.close()
        for tree in trees:
            tree.close()


def open_state(file: Path, *, durable: bool) -> SqliteState:
    """Raises ConfigError where it cannot be used."""
    where = mounts.holding(PurePath(os.path.realpath(file)))
    if where.type in NETWORK:
        raise ConfigError(
            f"{file}: lies on a network file system ({where.type}), where locks and properties are "
            "not safe: name a file on a disk of this machine with --state."
        )
    try:
        return SqliteState(file, durable=durable)
    except (OSError, UnknownSchema, Fault) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{file}: cannot be used for the state: {reason}.") from error


class Steady:
    """Seconds since the epoch that no step of the wall clock changes: the time of this boot, and
    how far that was from the epoch when a server of this state was first asked in it.
    """

    def __init__(self, state: SqliteState) -> None:
        self._ahead = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        if not state.damage:
            with suppress(OSError, Fault):
                self._ahead = state.ahead(BOOT.read_text().strip(), self._ahead)

    def __call__(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._ahead


def _tree(settings: Settings, number: int, state: Path) -> Tree:
    wanted = settings.shares[number]
    real = Path(os.path.realpath(wanted.path))
    folder = state.parent.resolve()
    try:
        return Tree(
            wanted.path,
            modes=Modes(settings.file_mode, settings.dir_mode),
            follow=settings.follow_symlinks,
            hidden=[str(folder)] if folder.is_relative_to(real) else [],
            durable=settings.durability == "sync",
        )
    except OSError as error:
        raise ConfigError(f"{wanted.path}: cannot be served: {error.strerror}.") from error

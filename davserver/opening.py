"""From checked settings to shares over their state, for every sub-command that needs them."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from davserver.config import ConfigError, Settings, shown
from davserver.protocol.faults import Fault
from davserver.share import Share
from davserver.shares import Limits, Shares
from davserver.state.inspection import Inspection, nothing
from davserver.state.rows import Rows
from davserver.state.schema import UnknownSchema
from davserver.state.sqlite import SqliteState
from davserver.tree import Modes, Tree, features, mounts, promise
from davserver.tree.features import Features
from davserver.tree.mounts import Mount

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


def no_state(settings: Settings) -> str:
    """The sentence for what needs a state where there is none."""
    return (
        f"{shown(state_file(settings))}: there are no locks and properties yet. Is it another "
        "file (--state), or are other directories served?"
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """A file system that is served or holds the state, and what was found out ``at`` a directory of
    it. ``breach`` is why it cannot keep what `sync` promises, or empty.
    """

    mount: Mount
    at: str
    features: Features
    breach: str
    serves: bool = True
    has_state: bool = False

    @property
    def warning(self) -> str:
        """One line for the operator."""
        remedies = ["serve from another disk"] if self.serves else []
        remedies += ["keep the state on another disk (--state)"] if self.has_state else []
        return (
            f"{shown(self.mount.point)} ({self.mount.type}) cannot keep what --durability sync "
            f"promises: {self.breach}. What to do: {' and '.join(remedies)}, "
            "or say --durability rename."
        )


def survey(settings: Settings, file: Path, *, tidy: bool = False) -> list[Ground]:
    """Try what the file systems of all shares and of the state can do. What is served read-only is
    not touched. With ``tidy`` what others who were killed over it have left is removed.

    Raises OSError where the mounts cannot be listed.
    """
    found: dict[PurePath, Ground] = {}
    for share in settings.shares:
        root = os.path.realpath(share.path)
        fixed = share.read_only or settings.read_only
        for number, mount in enumerate(mounts.at_and_below(PurePath(root))):
            at = str(mount.point) if number else root
            if os.path.isdir(at) and (mount.point not in found or not fixed):
                found[mount.point] = _ground(mount, at, fixed=fixed, tidy=tidy)
    folder = os.path.realpath(file.parent)
    if os.path.isdir(folder):
        mount = mounts.holding(PurePath(folder))
        known = found.get(mount.point)
        found[mount.point] = (
            replace(known, has_state=True)
            if known and not known.features.denied
            else replace(_ground(mount, folder, tidy=tidy), serves=False, has_state=True)
        )
    return [*found.values()]


def _ground(mount: Mount, at: str, *, tidy: bool, fixed: bool = False) -> Ground:
    if fixed:
        return Ground(mount, at, Features(denied="it is served read-only"), "")
    found = features.probe(at, tidy=tidy)
    reason = "" if "ro" in mount.options else promise.breach(mount, found)
    return Ground(mount, at, found, reason)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Shares, SqliteState]]:
    """The shares of the settings and their state, closed at the end. Raises ConfigError."""
    file = state_file(settings)
    state = open_state(file, durable=settings.durability == "sync")
    try:
        with trees(settings, file, read_only=bool(state.damage)) as shares:
            yield (
                Shares(
                    shares,
                    state,
                    time.time_ns,
                    steady=Steady(state),
                    limits=Limits(settings.infinite_depth, settings.lock_timeout),
                    prefix=settings.url_path,
                ),
                state,
            )
    finally:
        state.close()


@contextmanager
def trees(settings: Settings, file: Path, *, read_only: bool = False) -> Iterator[list[Share]]:
    """The shares of the settings, closed at the end; ``file`` is that of the state. Raises
    ConfigError.
    """
    with ExitStack() as held:
        shares = []
        for number, wanted in enumerate(settings.shares):
            tree = _tree(settings, number, file)
            held.callback(tree.close)
            fixed = wanted.read_only or settings.read_only or read_only
            shares.append(Share(wanted.name, tree, fixed))
        yield shares


@contextmanager
def inspected(settings: Settings) -> Iterator[tuple[list[Share], Inspection]]:
    """The shares of the settings and a look at their state, for what changes nothing. Raises
    ConfigError, FileNotFoundError where there is no state yet.
    """
    file = state_file(settings)
    try:
        inspection = Inspection(file)
    except FileNotFoundError:
        raise
    except (OSError, UnknownSchema, Fault) as error:
        raise _unusable(file, error) from error
    with inspection, trees(settings, file) as shares:
        yield shares, inspection


@contextmanager
def unstored(settings: Settings) -> Iterator[tuple[list[Share], Rows]]:
    """The shares of the settings where there is no state yet, and its rows, none. Raises
    ConfigError.
    """
    with nothing() as rows, trees(settings, state_file(settings)) as shares:
        yield shares, rows


def require_local(file: Path) -> None:
    """Raises ConfigError where other machines may write to the file too."""
    where = mounts.holding(PurePath(os.path.realpath(file)))
    if where.type in NETWORK:
        raise ConfigError(
            f"{shown(file)}: lies on a network file system ({where.type}), where locks and "
            "properties are not safe: name a file on a disk of this machine with --state."
        )


def open_state(file: Path, *, durable: bool) -> SqliteState:
    """Raises ConfigError where it cannot be used."""
    require_local(file)
    try:
        return SqliteState(file, durable=durable)
    except (OSError, UnknownSchema, Fault) as error:
        raise _unusable(file, error) from error


def _unusable(file: Path, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigError(f"{shown(file)}: cannot be used for the state: {reason}.")


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
    # A look before the first start finds no folder that could be hidden.
    is_inside = folder.is_dir() and folder.is_relative_to(real)
    try:
        return Tree(
            wanted.path,
            modes=Modes(settings.file_mode, settings.dir_mode),
            follow=settings.follow_symlinks,
            hidden=[str(folder)] if is_inside else [],
            durable=settings.durability == "sync",
        )
    except OSError as error:
        raise ConfigError(f"{wanted.path}: cannot be served: {error.strerror}.") from error

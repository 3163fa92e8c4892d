"""One worker process: its own shares over the state that all share, an application, a server."""

import gc
import logging
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from davserver import app, opening
from davserver.access_log import AccessLog
from davserver.accounts import Accounts
from davserver.config import ConfigError, Settings, status_place
from davserver.middleware import HEALTHZ, METRICS, READYZ, Corridor
from davserver.processes import Seat
from davserver.protocol import paths
from davserver.protocol.faults import Fault
from davserver.protocol.peers import NOBODY
from davserver.serving import DavServer, Floor, Listener, Tls, orders
from davserver.shares import Shares
from davserver.upkeep import Upkeep, ring

FILES = 2000
"""Descriptors that are kept for files, or half of all where that is less."""
TENDS = 0
"""The number of the worker that tends the shares for all of them."""

log = logging.getLogger("davserver.storage")


@dataclass(frozen=True, slots=True)
class Work:
    """What each worker does. It is called in a process of its own, and nothing is open yet but the
    listeners and the access log.
    """

    settings: Settings
    listeners: Sequence[Listener]
    accounts: Accounts
    tls: Tls | None = None
    access_log: AccessLog | None = None

    def __call__(self, seat: Seat) -> int:
        """Serve until the master says to end. Gives the exit code: 0 then, 2 where the settings
        cannot be served, 1 where it failed.
        """
        log_as(self.settings)
        try:
            with ExitStack() as held:
                return self._serve(seat, held)
        except ConfigError as error:
            seat.refuse(str(error))
            return 2

    def _serve(self, seat: Seat, held: ExitStack) -> int:
        settings = self.settings
        shares, _ = held.enter_context(opening.opened(settings))
        corridor = _corridor(settings, shares, self.accounts, self.access_log)
        server = DavServer(
            app.build(corridor),
            self.listeners,
            settings.threads,
            self.tls,
            places=settings.slow_uploads,
            floor=Floor(settings.slowest_upload, settings.upload_grace),
            connections=_connections(settings),
            proxies=settings.trusted if settings.proxy_protocol else NOBODY,
        )
        server.is_one_of_many = True
        server.beat = seat.beat
        server.hold, server.is_ahead = seat.hold, seat.is_ahead
        for share in shares.all.values():
            share.tree.step_aside = server.step_aside
        shares.wake = partial(ring, seat.bell)
        if seat.is_successor:
            recover(shares)
        held.callback(shares.close)
        if seat.number == TENDS:
            upkeep = Upkeep(shares, seat.bell)
            upkeep.start()
            held.callback(upkeep.stop)
        held.callback(shares.hurry)
        server.prepare()
        keep()
        seat.ready()

        def drain(is_hurried: Callable[[], bool]) -> None:
            # Who has heirs leaves it to its clients when they come to them.
            corridor.life.is_draining = not seat.has_heirs
            server.drain(settings.drain_timeout, is_hurried, ends_idle=not seat.has_heirs)

        was_told = orders.serve(server, drain, self._hooks())
        return 0 if was_told else 1

    def _hooks(self) -> Mapping[int, Callable[[], object]]:
        """What is done on the signals of the master, beside ending."""
        return {
            signal.SIGHUP: self.tls.reload if self.tls else lambda: None,
            signal.SIGUSR1: self.access_log.reopen if self.access_log else lambda: None,
        }


def _corridor(
    settings: Settings, shares: Shares, accounts: Accounts, access_log: AccessLog | None
) -> Corridor:
    place = status_place(settings)
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


def _connections(settings: Settings) -> int:
    """How many there can be beside the files that requests open."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = sys.maxsize if most == resource.RLIM_INFINITY else most - min(most // 2, FILES)
    if room < settings.connections:
        log.warning(
            "%d descriptors have room for %d connections, not %d: raise the limit (ulimit -n, "
            "LimitNOFILE=)",
            *(most, room, settings.connections),
        )
    return min(settings.connections, room)


def log_as(settings: Settings) -> None:
    """Log as much as the settings want."""
    logging.getLogger().setLevel(logging.INFO if settings.verbose else logging.WARNING)


def recover(shares: Shares) -> None:
    """Finish what was under way when a server or a worker ended."""
    if shares.state.damage:
        return
    try:
        shares.recover()
    except (OSError, Fault) as error:
        log.error("could not finish what was under way: %r", error)


def keep() -> None:
    """What has been loaded stays. To search all of it for garbage again and again would hold up
    everybody for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()

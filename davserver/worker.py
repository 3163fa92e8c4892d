"""One worker process: its own shares over the state that all share, an application, a server."""

import gc
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from davserver import app, opening
from davserver.accounts import Accounts
from davserver.config import ConfigError, Settings
from davserver.middleware import Corridor
from davserver.processes import Seat
from davserver.protocol.faults import Fault
from davserver.serving import DavServer, Listener, orders
from davserver.shares import Shares
from davserver.upkeep import Upkeep, ring

TENDS = 0
"""The number of the worker that tends the shares for all of them."""

log = logging.getLogger("davserver.storage")


@dataclass(frozen=True, slots=True)
class Work:
    """What each worker does. It is called in a process of its own, and nothing is open yet but the
    listeners.
    """

    settings: Settings
    listeners: Sequence[Listener]
    accounts: Accounts

    def __call__(self, seat: Seat) -> int:
        """Serve until the master says to end. Gives the exit code: 0 then, 2 where the settings
        cannot be served, 1 where it failed.
        """
        try:
            with ExitStack() as held:
                return self._serve(seat, held)
        except ConfigError as error:
            seat.refuse(str(error))
            return 2

    def _serve(self, seat: Seat, held: ExitStack) -> int:
        settings = self.settings
        shares, _ = held.enter_context(opening.opened(settings))
        hosts = frozenset(name.lower() for name in settings.allowed_hosts)
        corridor = Corridor(shares, self.accounts, hosts)
        server = DavServer(app.build(corridor), self.listeners, settings.threads)
        server.beat = seat.beat
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
        was_told = orders.serve(server, settings.drain_timeout, hooks())
        return 0 if was_told else 1


def hooks() -> Mapping[int, Callable[[], object]]:
    """What is done on the signals of the master, beside ending."""
    return {
        # Certificates are read again.
        signal.SIGHUP: lambda: None,
        # Logs are opened again.
        signal.SIGUSR1: lambda: None,
    }


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

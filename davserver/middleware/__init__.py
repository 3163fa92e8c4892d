"""What every request passes, outermost first: record, errors, what proxies say, status, hosts,
authentication, metrics, dispatch.

Each is a `BaseMiddleware` of WsgiDAV, made by its app with the next one. What they need from us
they find in the configuration, under `CORRIDOR`.
"""

from dataclasses import dataclass, field
from typing import Any

from davserver.access_log import AccessLog
from davserver.accounts import Accounts
from davserver.protocol.peers import NOBODY, Trusted
from davserver.shares import Shares

CORRIDOR = "davserver"
HEALTHZ, READYZ, METRICS = "healthz", "readyz", "metrics"


@dataclass(slots=True)
class Life:
    """Where the server is in its life. ``is_draining`` says that it finishes what it has begun, and
    is about to end: whoever sends requests to several servers should take another one.
    """

    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class Corridor:
    """What the middleware shares. ``allowed_hosts`` are names in lower case, without ports;
    ``gzip`` lets answers be coded; ``trusted`` are the proxies that are believed.

    ``told`` is what those are told who watch the server, of the three names above; it is at names
    below the path ``status_below`` beside the shares, or not there where that is None.
    """

    shares: Shares
    accounts: Accounts
    allowed_hosts: frozenset[str] = frozenset()
    gzip: bool = True
    access_log: AccessLog | None = None
    told: frozenset[str] = frozenset({HEALTHZ, READYZ, METRICS})
    status_below: str | None = None
    life: Life = field(default_factory=Life)
    trusted: Trusted = NOBODY

    def __deepcopy__(self, memo: dict[int, Any]) -> "Corridor":
        """WsgiDAV copies its configuration; this is not a part of it to be copied."""
        return self


def corridor(config: dict[str, Any]) -> Corridor:
    """Ours, out of WsgiDAV's configuration."""
    found = config[CORRIDOR]
    assert isinstance(found, Corridor)
    return found

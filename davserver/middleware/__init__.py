"""What every request passes, outermost first: access log, errors, what proxies say, hosts,
authentication, dispatch.

Each is a `BaseMiddleware` of WsgiDAV, made by its app with the next one. What they need from us
they find in the configuration, under `CORRIDOR`.
"""

from dataclasses import dataclass
from typing import Any

from davserver.accounts import Accounts
from davserver.protocol.peers import NOBODY, Trusted
from davserver.shares import Shares

CORRIDOR = "davserver"


@dataclass(frozen=True, slots=True)
class Corridor:
    """What the middleware shares. ``allowed_hosts`` are names in lower case, without ports;
    ``gzip`` lets answers be coded; ``trusted`` are the proxies that are believed.
    """

    shares: Shares
    accounts: Accounts
    allowed_hosts: frozenset[str] = frozenset()
    gzip: bool = True
    trusted: Trusted = NOBODY

    def __deepcopy__(self, memo: dict[int, Any]) -> "Corridor":
        """WsgiDAV copies its configuration; this is not a part of it to be copied."""
        return self


def corridor(config: dict[str, Any]) -> Corridor:
    """Ours, out of WsgiDAV's configuration."""
    found = config[CORRIDOR]
    assert isinstance(found, Corridor)
    return found

"""Who is at the other end of a connection, and whom of them the operator trusts."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

UNIX = "unix"
"""What stands for the peers of Unix sockets, which have no address."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def ip_address(text: str) -> IpAddress:
    """Read an address; one of IPv4 that is written as one of IPv6 becomes what it is (RFC 4291
    section 2.5.5.2). Raises ValueError.
    """
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def readable(address: str) -> str:
    """A peer's address as a socket tells it, without `::ffff:` before one of IPv4."""
    return str(ip_address(address)) if address.startswith("::ffff:") else address


@dataclass(frozen=True, slots=True)
class Trusted:
    """The proxies that are believed what they say of their clients."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    def __bool__(self) -> bool:
        return bool(self.networks) or self.unix

    def has(self, address: str) -> bool:
        """Whether a peer is one of them; an empty address is that of a Unix socket's peer."""
        if not address:
            return self.unix
        return bool(self.networks) and _is_within(address, self.networks)


NOBODY = Trusted()


def parse(texts: Iterable[str]) -> Trusted:
    """Read addresses, networks as in 10.0.0.0/8, and `unix`.

    Raises ValueError with what is wrong, a sentence without its stop.
    """
    networks = []
    unix = False
    for text in texts:
        if text == UNIX:
            unix = True
        else:
            networks.append(_network(text))
    return Trusted(tuple(networks), unix)


def _network(text: str) -> Network:
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no address, no network such as 10.0.0.0/8, and not unix"
        ) from error
    if isinstance(loose, ipaddress.IPv6Network) and loose.network_address.ipv4_mapped is not None:
        raise ValueError(f"{text} is of IPv4: write it without ::ffff:")
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != loose.network_address:
        raise ValueError(f"{text} is an address within a network: did you mean {loose}?")
    return loose


@lru_cache(maxsize=1024)
def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)

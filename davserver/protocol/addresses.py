"""Where a server can be reached: the forms of an address to listen at."""

import ipaddress
import re
from dataclasses import dataclass

EVERYWHERE = "*"
"""The host of all addresses of this machine, IPv4 and IPv6."""
LONGEST_PATH = 107
"""Bytes of a Unix socket's path (unix(7))."""

_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tcp:
    """A host, by name or number or `*`, and a port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """A Unix socket, by its absolute path."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Activated:
    """The sockets that systemd hands over (sd_listen_fds(3))."""

    def __str__(self) -> str:
        return "systemd"


Address = Tcp | Unix | Activated


def parse(text: str) -> Address:
    """Read `HOST:PORT`, `[IPV6]:PORT`, `*:PORT`, `unix:/PATH` or `systemd`.

    Raises ValueError with what is wrong, the end of a sentence.
    """
    if text == "systemd":
        return Activated()
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError("needs a host and a port, as in 127.0.0.1:8080 or *:8080")
    if not _NUMBER.fullmatch(port) or int(port) > 65_535:
        raise ValueError("needs a port from 0 to 65535 behind the last colon")
    if host.startswith("["):
        if not host.endswith("]") or not _is_ipv6(host[1:-1]):
            raise ValueError("has no IPv6 address in its brackets")
        return Tcp(host[1:-1], int(port))
    if ":" in host:
        raise ValueError("needs its IPv6 address in brackets, as in [::1]:8080")
    if "/" in host or not host.isprintable() or " " in host:
        raise ValueError("is no address, such as 127.0.0.1:8080, unix:/run/davserver.sock, systemd")
    return Tcp(host, int(port))


def _unix(path: str) -> Unix:
    if not path.startswith("/"):
        raise ValueError("needs an absolute path, as in unix:/run/davserver.sock")
    if "\0" in path or path.endswith("/"):
        raise ValueError("is no path of a socket")
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_PATH:
        raise ValueError(f"is longer than the {LONGEST_PATH} bytes of a socket's path")
    return Unix(path)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True

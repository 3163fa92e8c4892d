"""The sockets that clients connect to."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import quote

from davserver.protocol import peers
from davserver.protocol.addresses import EVERYWHERE, Activated, Address, Tcp, Unix
from davserver.serving import activation, unix

BACKLOG = 1024
"""How many connections wait to be accepted."""
TRIES = 20
"""How often a port is looked for that is free at all addresses of a name."""

_LACKS = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""What binding says where a machine does not have a kind of address."""
_IPV4, _IPV6 = "0.0.0.0", "::"
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class CannotListen(Exception):
    """An address cannot be listened at: one sentence or two for the operator."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and does not block.

    ``url`` is the base URL of what is served there, and for a Unix socket what a client asks for
    that connects to its ``path``. ``file`` is what this process has made at that path: its own
    identifier, and device and inode. Whoever connects to one that ``is_status`` only watches the
    server.

    Several processes may have it: it is closed by its owner, not by a server.
    """

    socket: socket.socket
    url: str
    path: str = ""
    file: tuple[int, int, int] | None = None
    is_status: bool = False

    @property
    def port(self) -> int:
        """The port that it listens at, 0 where it has none."""
        return int(self.socket.getsockname()[1]) if self.socket.family in _FAMILIES else 0

    @property
    def host(self) -> str:
        """The address that it listens at, empty for a Unix socket."""
        return str(self.socket.getsockname()[0]) if self.socket.family in _FAMILIES else ""

    def __str__(self) -> str:
        """How it is called in a sentence."""
        return f"unix:{self.path}" if self.socket.family == socket.AF_UNIX else self.url

    def close(self) -> None:
        """Stop listening. The path of a Unix socket goes with it, in the process that made it."""
        if self.file is not None and self.file[0] == os.getpid():
            unix.remove(self.path, self.file[1:])
        self.socket.close()


def listen_at(
    addresses: Sequence[Address], *, unix_mode: int = 0o660, scheme: str = "http"
) -> list[Listener]:
    """Listen at all addresses, or at none. ``unix_mode`` are the permissions of Unix sockets;
    ``scheme`` is that of the URLs of all others.

    Raises CannotListen.
    """
    with ExitStack() as opened:
        found: list[Listener] = []
        for address in addresses:
            try:
                new = _listeners(address, unix_mode, scheme)
            except activation.NotActivated as error:
                raise CannotListen(f"{address}: {error}.") from error
            except (OSError, UnicodeError) as error:
                raise CannotListen(
                    f"{address}: cannot listen there: {_reason(error)}. {_remedy(address, error)}"
                ) from error
            found += new
            for one in new:
                opened.callback(one.close)
        opened.pop_all()
    return found


def bind(host: str, port: int) -> Listener:
    """Listen at the first address of a host. Raises OSError, UnicodeError."""
    first, *rest = _bound(Tcp(host, port), "http")
    for one in rest:
        one.close()
    return first


def peer(address: object) -> tuple[str, int]:
    """Address and port of a peer, by what `accept` gives: an IPv4 address is written as one at a
    socket of both families, too; both are empty for a Unix socket's peer.
    """
    if not isinstance(address, tuple):
        return "", 0
    return peers.readable(address[0]), address[1]


def _listeners(address: Address, mode: int, scheme: str) -> list[Listener]:
    """Raises OSError, UnicodeError, NotActivated."""
    if isinstance(address, Activated):
        return [_listener(one, scheme) for one in activation.take(os.environ)]
    if isinstance(address, Unix):
        listening, made = unix.bind(address.path, mode, BACKLOG)
        listening.setblocking(False)
        return [Listener(listening, "http://localhost/", address.path, (os.getpid(), *made))]
    return _bound(address, scheme)


def _bound(address: Tcp, scheme: str) -> list[Listener]:
    """Listen at all addresses of a host, at one port. Raises OSError, UnicodeError."""
    for attempt in range(TRIES):
        try:
            return [_listener(one, scheme) for one in _sockets(address.host, address.port)]
        except OSError as error:
            # Somebody else has the port, that the system chose for one of them, at another.
            if address.port or error.errno != errno.EADDRINUSE or attempt == TRIES - 1:
                raise
    raise AssertionError("the last try gives or raises")


def _sockets(host: str, port: int) -> list[socket.socket]:
    hosts = _resolved(host, port)
    missing: OSError | None = None
    with ExitStack() as opened:
        found: list[socket.socket] = []
        for family, name in hosts:
            try:
                one = _socket(family, name, port)
            except OSError as error:
                # Names have addresses of IPv6 on machines that have none.
                if error.errno not in _LACKS or len(hosts) == 1:
                    raise
                missing = error
                continue
            opened.enter_context(one)
            found.append(one)
            if host == EVERYWHERE:
                break
            port = one.getsockname()[1]
        if missing is not None and not found:
            raise missing
        opened.pop_all()
    return found


def _resolved(host: str, port: int) -> list[tuple[int, str]]:
    """Families and addresses of a host. Raises OSError, UnicodeError."""
    if host == EVERYWHERE:
        # One socket for both kinds; the other where the machine has no IPv6.
        return [(socket.AF_INET6, _IPV6), (socket.AF_INET, _IPV4)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # An address may be listed once for each line that names it.
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _socket(family: int, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Whatever the system's default is: all addresses are those of IPv4, too.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != _IPV6)
        (found, *_) = socket.getaddrinfo(host, port, family, flags=socket.AI_NUMERICHOST)
        listening.bind(found[4])
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _listener(listening: socket.socket, scheme: str) -> Listener:
    """Make one of a socket that listens already."""
    listening.setblocking(False)
    if listening.family == socket.AF_UNIX:
        name = listening.getsockname()
        path = name if isinstance(name, str) else f"@{os.fsdecode(name[1:])}"
        return Listener(listening, "http://localhost/", path)
    # What is accepted inherits it. Without it an answer in two pieces waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name, number = listening.getsockname()[:2]
    shown = f"[{quote(name, safe=':')}]" if ":" in name else name
    return Listener(listening, f"{scheme}://{shown}:{number}/")


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "this name has no address"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "this is no host name"


def _remedy(address: Address, error: Exception) -> str:
    """What the operator can do about it."""
    number = (error.errno or 0) if isinstance(error, OSError) else 0
    if isinstance(address, Unix):
        return _UNIX_REMEDIES.get(number, "Its directory must be there, and be writable.")
    return _REMEDIES.get(number, "Name one of this machine's addresses, or 127.0.0.1.")


_REMEDIES = {
    errno.EADDRINUSE: "Is another server running, or does another address of this one include it? "
    "Port 0 finds a free one.",
    errno.EACCES: "A port below 1024 needs CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd "
    "unit, or authbind), or a socket that systemd opens: --listen systemd.",
}
_UNIX_REMEDIES = {
    errno.EADDRINUSE: "Another server is running there.",
    errno.EEXIST: "Remove it, or name another path.",
}

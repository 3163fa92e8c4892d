"""The sockets that clients connect to."""

import socket
from dataclasses import dataclass

BACKLOG = 1024
"""How many connections wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and does not block; ``url`` is the base URL of what is served there.

    Several processes may have it: it is closed by its owner, not by a server.
    """

    socket: socket.socket
    url: str

    @property
    def port(self) -> int:
        """The port that it listens at, 0 where it has none."""
        return int(self.socket.getsockname()[1]) if self.socket.family != socket.AF_UNIX else 0

    def close(self) -> None:
        self.socket.close()


def bind(host: str, port: int) -> Listener:
    """Listen at an address; port 0 lets the system choose. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What is accepted inherits it. Without it an answer in two pieces waits 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    name, number = listening.getsockname()[:2]
    shown = f"[{name}]" if ":" in name else name
    return Listener(listening, f"http://{shown}:{number}/")

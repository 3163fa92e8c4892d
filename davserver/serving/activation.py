"""Sockets that systemd has opened and hands over (sd_listen_fds(3))."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import ExitStack

FIRST = 3
"""The descriptor of the first one."""
VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")

_FAMILIES = {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}


class NotActivated(Exception):
    """There are no sockets, or not those that are needed: the end of a sentence."""


def take(environment: MutableMapping[str, str], first: int = FIRST) -> list[socket.socket]:
    """The sockets that were handed over to this process; children inherit neither them nor the
    variables that announce them, which are taken out of ``environment``.

    Raises NotActivated.
    """
    given = {name: environment.pop(name, "") for name in VARIABLES}
    number = given["LISTEN_FDS"]
    if not number:
        raise NotActivated(
            "no sockets were handed over. Start it by a socket unit, as config/davserver.socket"
        )
    if given["LISTEN_PID"] != str(os.getpid()):
        raise NotActivated("the sockets were handed over to another process (LISTEN_PID)")
    if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10_000):
        raise NotActivated(f"LISTEN_FDS must be a number of sockets, not {number!r}")
    names = given["LISTEN_FDNAMES"].split(":")
    with ExitStack() as held:
        found = []
        for place in range(int(number)):
            name = names[place] if place < len(names) else ""
            one = held.enter_context(_socket(first + place, name))
            found.append(one)
        held.pop_all()
    return found


def _socket(descriptor: int, name: str) -> socket.socket:
    called = f"descriptor {descriptor}" + (f" ({name})" if name else "")
    try:
        os.set_inheritable(descriptor, False)
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise NotActivated(f"{called} is no socket") from error
    try:
        if found.type != socket.SOCK_STREAM or found.family not in _FAMILIES:
            raise NotActivated(f"{called} must be a stream socket (ListenStream=)")
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise NotActivated(f"{called} does not listen: say Accept=no in its socket unit")
    except BaseException:
        found.close()
        raise
    return found

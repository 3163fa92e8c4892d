"""The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): the bytes in front of a
connection by which a proxy tells whose connection it passes on.
"""

import ipaddress
import re
import socket
from typing import NamedTuple

from davserver.protocol import peers

LONGEST_LINE = 107
"""Bytes of a header of version 1 (section 2.1)."""
LONGEST = 4096
"""Bytes of a header of version 2, with what follows its addresses."""

_LINE_BEGINS = b"PROXY "
_BLOCK_BEGINS = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
"""Bytes of a header of version 2 before its addresses."""
_NOTHING, _IPV4, _IPV6, _UNIX = 0x00, 0x11, 0x21, 0x31
"""Families and transports: nothing known, and streams."""
_ADDRESSES = {_IPV4: 4, _IPV6: 16}
"""Bytes of an address that is of use."""
_NEEDED = {_NOTHING: 0, _IPV4: 12, _IPV6: 36, _UNIX: 216}
"""Bytes of both addresses and ports."""
_LINE = re.compile(
    r"TCP(?:4 (?P<four>[0-9.]+) (?P<four_to>[0-9.]+)|6 (?P<six>[0-9A-Fa-f:.]+) "
    r"(?P<six_to>[0-9A-Fa-f:.]+)) (?P<port>0|[1-9][0-9]{0,4}) (?P<port_to>0|[1-9][0-9]{0,4})",
    re.ASCII,
)


class NotProxied(ValueError):
    """What comes is no PROXY header."""


class Proxied(NamedTuple):
    """What a header says. ``length`` is its own, in bytes. Where ``address`` is None, the proxy
    speaks for itself or does not know for whom, and the connection's own address stands.
    """

    address: str | None
    port: int
    length: int


def parse(octets: bytes) -> Proxied | None:
    """Read the header that a connection begins with; None where it is not whole yet.

    Raises NotProxied as soon as nothing that may follow could make a header of it.
    """
    for begins, read in ((_LINE_BEGINS, _line), (_BLOCK_BEGINS, _block)):
        if octets.startswith(begins):
            return read(octets)
        if begins.startswith(octets):
            return None
    raise NotProxied("no PROXY header")


class Introduction:
    """The header that comes first on a connection. It is taken off the socket, and nothing of what
    is behind it: that may be the first bytes of TLS.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = b""

    def receive(self) -> Proxied | None:
        """Take in what has come of it; None where it is not whole yet.

        Raises NotProxied where it is none, or the connection ends within it, and OSError.
        """
        try:
            octets = self._socket.recv(LONGEST, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        if not octets:
            raise NotProxied("the connection ends within the header")
        found = parse(self._held + octets)
        # Taken even while it is not whole, or the socket would have something to read all the time.
        own = len(octets) if found is None else found.length - len(self._held)
        self._held += self._socket.recv(own)
        return found


def _line(octets: bytes) -> Proxied | None:
    """Version 1."""
    line, end, _ = octets[:LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(octets) >= LONGEST_LINE:
            raise NotProxied("the line is too long")
        if b"\n" in line or b"\r" in line[:-1]:
            raise NotProxied("the line has another end")
        return None
    length = len(line) + len(end)
    text = line.removeprefix(_LINE_BEGINS).decode("latin-1")
    if text == "UNKNOWN" or text.startswith("UNKNOWN "):
        return Proxied(None, 0, length)
    match = _LINE.fullmatch(text)
    if match is None or not all(int(match[port]) <= 65_535 for port in ("port", "port_to")):
        raise NotProxied("no addresses and ports")
    version = ipaddress.IPv4Address if match["four"] else ipaddress.IPv6Address
    try:
        source = version(match["four"] or match["six"])
        version(match["four_to"] or match["six_to"])
    except ValueError as error:
        raise NotProxied("no addresses") from error
    return Proxied(str(peers.ip_address(str(source))), int(match["port"]), length)


def _block(octets: bytes) -> Proxied | None:
    """Version 2."""
    if len(octets) > 12 and octets[12] not in (0x20, 0x21):
        raise NotProxied("another version, or no command of this one")
    is_local = octets[12:13] == b"\x20"
    # What the proxy says for itself is no matter (section 2.2).
    kind = octets[13] if len(octets) > 13 and not is_local else _NOTHING
    if kind not in _NEEDED:
        raise NotProxied("an unknown family, or no stream")
    if len(octets) < _FIXED:
        return None
    length = _FIXED + int.from_bytes(octets[14:_FIXED])
    if length > LONGEST:
        raise NotProxied("the header is too long")
    if length < _FIXED + _NEEDED[kind]:
        raise NotProxied("the header is shorter than its addresses")
    if len(octets) < length:
        return None
    if kind not in _ADDRESSES:
        return Proxied(None, 0, length)
    size = _ADDRESSES[kind]
    source = ipaddress.ip_address(octets[_FIXED : _FIXED + size])
    port = int.from_bytes(octets[_FIXED + 2 * size : _FIXED + 2 * size + 2])
    return Proxied(str(peers.ip_address(str(source))), port, length)

"""The addresses of this machine, asked from the kernel (rtnetlink(7))."""

import socket
import struct
from collections.abc import Iterator

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_GET, _DONE, _ERROR = 22, 3, 2
_REQUEST_DUMP = 0x301
_FOREVER_HERE = (0, 200)
"""The scopes global and site: not those that hold on one link, or within this machine."""
_TEMPORARY = 0x01
"""An IPv6 address that changes every day (RFC 8981)."""
_IFA_ADDRESS, _IFA_LOCAL = 1, 2


def own() -> list[str]:
    """Those by which other machines may reach this one; none where the kernel does not tell."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asked:
            asked.settimeout(2)
            question = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            size = _HEADER.size + len(question)
            asked.sendto(_HEADER.pack(size, _GET, _REQUEST_DUMP, 1, 0) + question, (0, 0))
            return list(dict.fromkeys(_answers(asked)))
    except OSError:
        return []


def _answers(asked: socket.socket) -> Iterator[str]:
    while True:
        rest = asked.recv(1 << 16)
        while len(rest) >= _HEADER.size:
            size, kind, *_ = _HEADER.unpack_from(rest)
            if kind in (_DONE, _ERROR):
                return
            yield from _address(rest[_HEADER.size : size])
            rest = rest[_aligned(size) :]


def _address(message: bytes) -> Iterator[str]:
    family, _, flags, scope, _ = _ADDRESS.unpack_from(message)
    if family not in (socket.AF_INET, socket.AF_INET6) or scope not in _FOREVER_HERE:
        return
    if family == socket.AF_INET6 and flags & _TEMPORARY:
        return
    found: dict[int, bytes] = {}
    rest = message[_ADDRESS.size :]
    while len(rest) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(rest)
        found[kind] = rest[_ATTRIBUTE.size : size]
        rest = rest[max(_aligned(size), _ATTRIBUTE.size) :]
    # Of a point-to-point link the first is that of the other end.
    octets = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if octets:
        yield socket.inet_ntop(family, octets)


def _aligned(size: int) -> int:
    return (size + 3) & ~3

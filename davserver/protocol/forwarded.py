"""What proxies say of the client behind them: Forwarded (RFC 7239), and the X-Forwarded-* that are
older than it. Each proxy adds what it saw at the right, so the lists are read from there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from davserver.protocol import faults, hosts, peers

FIELDS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
)
"""The names that all of them have in an environ."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(
    rf"[ \t]*(?:(?P<name>{_TOKEN})=(?:(?P<token>{_TOKEN})|"
    r'"(?P<quoted>(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*)"))?'
    r"[ \t]*(?P<end>[;,]|\Z)"
)
_NODE = re.compile(
    r"(?:\[(?P<six>[0-9a-f.]*:[0-9a-f:.]*)\]|(?P<four>[0-9.]+)|(?P<hidden>unknown|_[a-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}|_[a-z0-9._-]+))?",
    re.ASCII | re.IGNORECASE,
)
_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Client:
    """Who has asked, and for what. ``address`` is that of the nearest hop that is not trusted, or
    of the last known one before it where its address is hidden; ``scheme`` and ``host`` are empty
    where no proxy has said them.
    """

    address: str
    port: str = ""
    scheme: str = ""
    host: str = ""


def client(fields: Mapping[str, str], peer: str, trusts: Callable[[str], bool]) -> Client | None:
    """The client of a request whose ``peer`` is trusted, or None where no proxy says anything.

    Who only appends to one kind of header passes on what the client has written into the other
    kind. So where both are there they have to say the same. Raises Fault 400 where they do not, or
    where they cannot be understood.
    """
    found = []
    if forwarded := fields.get("HTTP_FORWARDED", ""):
        found.append(_of_forwarded(forwarded, peer, trusts))
    if any(fields.get(name) for name in FIELDS[1:5]):
        found.append(_of_others(fields, peer, trusts))
    if len({(one.address, one.scheme, one.host) for one in found}) > 1:
        raise faults.bad_header("Forwarded", "the same as in X-Forwarded-*, or only one of both")
    return found[0] if found else None


def elements(value: str) -> list[dict[str, str]]:
    """The elements of Forwarded, each with its parameters by their names in lower case, unquoted
    (RFC 7239 section 4). Raises Fault 400.
    """
    found: list[dict[str, str]] = []
    element: dict[str, str] = {}
    position = 0
    while position < len(value):
        match = _PAIR.match(value, position)
        name = (match["name"] or "").lower() if match else ""
        if match is None or name in element:
            raise faults.bad_header("Forwarded", "elements as in RFC 7239 section 4")
        if name:
            quoted = match["quoted"]
            element[name] = match["token"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
        if match["end"] == ",":
            found.append(element)
            element = {}
    return [one for one in (*found, element) if one]


def _of_forwarded(value: str, peer: str, trusts: Callable[[str], bool]) -> Client:
    """By the element that the outermost trusted proxy has added."""
    address, port, chosen = peer, "", {}
    for chosen in reversed(elements(value)):
        if "for" not in chosen:
            break
        known, port = _node(chosen["for"], "Forwarded")
        address = known or address
        if not known or not trusts(known):
            break
    return Client(
        address,
        port,
        _scheme(chosen.get("proto", ""), "Forwarded"),
        _host(chosen.get("host", ""), "Forwarded"),
    )


def _of_others(fields: Mapping[str, str], peer: str, trusts: Callable[[str], bool]) -> Client:
    """Of the lists without elements the last value counts, which is the nearest proxy's: who
    before it has written the others, nobody knows.
    """
    address, port = peer, ""
    for text in reversed(_values(fields.get("HTTP_X_FORWARDED_FOR", ""))):
        known, port = _node(text, "X-Forwarded-For")
        address = known or address
        if not known or not trusts(known):
            break
    scheme, host, at = (
        (_values(fields.get(f"HTTP_X_FORWARDED_{name}", "")) or [""])[-1]
        for name in ("PROTO", "HOST", "PORT")
    )
    scheme, host = _scheme(scheme, "X-Forwarded-Proto"), _host(host, "X-Forwarded-Host")
    if at and not (at.isascii() and at.isdigit() and int(at[:6]) <= 65_535):
        raise faults.bad_header("X-Forwarded-Port", "a port")
    if at and host and hosts.port(host) is None and at != _USUAL.get(scheme):
        host = f"{host}:{at}"
    return Client(address, port, scheme, host)


_USUAL = {"http": "80", "https": "443", "": "80"}


def _values(text: str) -> list[str]:
    return [value for one in text.split(",") if (value := one.strip(" \t"))]


def _node(text: str, name: str) -> tuple[str, str]:
    """Address and port of a hop (RFC 7239 section 6); no address where it is hidden."""
    # X-Forwarded-For has IPv6 addresses without brackets, too.
    match = _NODE.fullmatch(text) or _NODE.fullmatch(f"[{text}]")
    if match is None:
        raise faults.bad_header(name, "the addresses of clients")
    if match["hidden"]:
        return "", ""
    try:
        address = str(peers.ip_address(match["six"] or match["four"]))
    except ValueError as error:
        raise faults.bad_header(name, "the addresses of clients") from error
    port = match["port"] or ""
    return address, port if port.isdigit() and int(port) <= 65_535 else ""


def _scheme(text: str, name: str) -> str:
    scheme = text.lower()
    if scheme and scheme not in _SCHEMES:
        raise faults.bad_header(name, "http or https")
    return scheme


def _host(text: str, name: str) -> str:
    if text and not hosts.is_sound(text):
        raise faults.bad_header(name, "a host, as in the Host header")
    return text

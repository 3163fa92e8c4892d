"""Host names: what of a Host header is the name, and which names mean this machine."""

import ipaddress
import re
from functools import lru_cache

_SOUND = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\]|(?:[\w.~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?",
    re.ASCII,
)


def is_sound(text: str) -> bool:
    """Whether a text can be the value of a Host header (RFC 3986 section 3.2.2)."""
    return _SOUND.fullmatch(text) is not None


@lru_cache(maxsize=64)
def host_name(text: str) -> str:
    """The name of a Host header, in lower case, without the port and without brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def port(text: str) -> str | None:
    """The port of a Host header, None where it has none."""
    _, colon, found = text.rpartition("]")[2].partition(":")
    return found if colon else None


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 section 6.3)."""
    if name.removesuffix(".") == "localhost" or name.removesuffix(".").endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

"""Host names: what of a Host header is the name, and which names mean this machine."""

import ipaddress
from functools import lru_cache


def host_name(text: str) -> str:
    """The name of a Host header, in lower case, without the port and without brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Whether a host name can only mean this machine (RFC 6761 section 6.3)."""
    if name.removesuffix(".") == "localhost" or name.removesuffix(".").endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

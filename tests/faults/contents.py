"""Contents that say who wrote them, and show whether they are whole."""

import hashlib


def content(name: str, size: int) -> bytes:
    """The content of a name that no other content has: at least ``size`` bytes, in its first line
    the name, the length of the rest and its digest.
    """
    rest = (name.encode() + b"\n") * (size // (len(name) + 1) + 1)
    return b"%b %d %b\n" % (name.encode(), len(rest), _digest(rest)) + rest


def name(data: bytes) -> str | None:
    """The name of a content, or None where it is no whole content of one name."""
    first, _, rest = data.partition(b"\n")
    parts = first.split(b" ")
    if len(parts) != 3 or parts[1:] != [b"%d" % len(rest), _digest(rest)]:
        return None
    return parts[0].decode() if rest.startswith(parts[0] + b"\n") else None


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()

"""Header strings become values here; every 400 for a header comes from here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from davserver.protocol import faults, paths
from davserver.protocol.paths import Path, Target

Headers = Mapping[str, str]
"""Header names in lower case with their values."""

DEFAULT_TIMEOUT = 3600
"""Seconds that a lock lives when its maker does not ask for a time."""


class Depth(Enum):
    """RFC 4918 section 10.2."""

    ZERO = "0"
    ONE = "1"
    INFINITY = "infinity"


_DEPTHS = {one.value: one for one in Depth}
_ANY_DEPTH = frozenset(Depth)


def depth(headers: Headers, default: Depth, allowed: frozenset[Depth] = _ANY_DEPTH) -> Depth:
    """Raises Fault 400 for a depth that the method does not have (RFC 4918 section 10.2)."""
    text = headers.get("depth")
    if text is None:
        return default
    found = _DEPTHS.get(text.strip().lower())
    if found is None or found not in allowed:
        raise faults.bad_header("Depth", " or ".join(sorted(one.value for one in allowed)))
    return found


def overwrite(headers: Headers) -> bool:
    """RFC 4918 section 10.6. Raises Fault 400 for anything but T and F."""
    text = headers.get("overwrite", "T").strip().upper()
    if text not in ("T", "F"):
        raise faults.bad_header("Overwrite", "T or F")
    return text == "T"


def destination(headers: Headers, prefix: Path) -> Target:
    """The path of the Destination header; scheme, host and user of an absolute URI do not count,
    because a proxy in front may have changed them (RFC 4918 section 10.3).

    Raises Fault 400 where it is missing or cannot be parsed, 502 where its scheme is not http or
    https, or where it lies outside of ``prefix``.
    """
    text = headers.get("destination", "").strip()
    if not text:
        raise faults.bad_header("Destination", "the absolute path or URI of the new resource")
    scheme, colon, _ = text.partition(":")
    absolute = colon and not text.startswith("/")
    if absolute and scheme.lower() not in ("http", "https"):
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
            raise faults.foreign_destination()
        raise faults.bad_header("Destination", "the absolute path or URI of the new resource")
    target = paths.parse(text)
    if target.path[: len(prefix)] != prefix:
        raise faults.foreign_destination()
    return Target(target.path[len(prefix) :], target.slash)


def timeout(headers: Headers, maximum: int) -> int:
    """Seconds that a lock shall live: the first wish that is understood, at most ``maximum``.

    The header is a wish (RFC 4918 section 10.7), so one that cannot be read is none.
    """
    for wish in headers.get("timeout", "").split(","):
        text = wish.strip().lower()
        if text == "infinite":
            return maximum
        if match := re.fullmatch(r"second-(\d+)", text, re.ASCII):
            digits = match[1].lstrip("0")
            return maximum if len(digits) > 10 else max(1, min(int(digits or "0"), maximum))
    return min(DEFAULT_TIMEOUT, maximum)


def lock_token(headers: Headers) -> str:
    """The token of an UNLOCK, with or without its brackets: Windows XP sends none.

    Raises Fault 400 where there is no token (RFC 4918 section 9.11).
    """
    text = headers.get("lock-token", "").strip()
    token = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^<>\s]*", token):
        raise faults.bad_header("Lock-Token", "the token of a lock in angle brackets")
    return token


def date(text: str | None) -> datetime | None:
    """An HTTP date in any of its three forms, or None (RFC 9110 section 5.6.7)."""
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, IndexError, OverflowError):
        return None


def content_is_coded(headers: Headers) -> bool:
    """Whether a body would have to be decoded before it is stored (RFC 9110 section 8.4)."""
    value = headers.get("content-encoding")
    if value is None:
        return False
    codings = value.lower().replace(",", " ").split()
    return any(coding != "identity" for coding in codings)

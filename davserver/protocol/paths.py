"""The only room that knows percent signs: URL paths become names, and names become hrefs.

A `Path` is a tuple of names below the server's root. A name is the text of the bytes that the file
system holds; bytes that are not UTF-8 are kept as surrogates (PEP 383), so that every name that a
file system can hold goes to an href and back unchanged.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from davserver.protocol import faults

Path = tuple[str, ...]

RESERVED_PREFIX = ".~dav-"
"""Names that begin so are the server's own: invisible, and refused to clients."""

ROOT: Path = ()

_MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
NOT_UNRESERVED = re.compile(r"[^A-Za-z0-9._~-]")
_ESCAPES = {byte: f"%{byte:02X}" for byte in range(256)} | {
    byte: chr(byte)
    for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL names: a path, and whether it was written as a collection's (with a slash)."""

    path: Path
    slash: bool


def parse(target: str, prefix: Path = ROOT) -> Target:
    """Read a request target: an absolute path, or an absolute URI of which only the path counts.

    It is split first and decoded afterwards, once: `%3F` and `%23` are characters of a name.
    Empty segments collapse. Characters beyond ASCII stand for their UTF-8 bytes. ``prefix`` is the
    part of the path above this server's root.

    Raises Fault 400 where the target cannot be parsed, has a dot segment in any encoding, or names
    `%2F` or `%00` (RFC 3986 sections 3.3 and 5.2.4); 404 where it lies outside of ``prefix``.
    """
    return _known(target, prefix) if len(target) <= _SHORT else _parse(target, prefix)


def _parse(target: str, prefix: Path) -> Target:
    rest = target
    if _SCHEME.match(rest):
        rest = rest.partition(":")[2]
        if not rest.startswith("//"):
            raise faults.bad_target()
        authority, slash, tail = rest[2:].partition("/")
        if re.search("[?#]", authority):
            raise faults.bad_target()
        rest = slash + tail or "/"
    if not rest.startswith("/") or "#" in rest or _MALFORMED_ESCAPE.search(rest):
        raise faults.bad_target()
    rest = rest.partition("?")[0]
    names = tuple(_decode(segment) for segment in rest.split("/") if segment)
    if names[: len(prefix)] != prefix:
        raise faults.not_found()
    return Target(names[len(prefix) :], rest.endswith("/"))


_SHORT = 256
"""Characters of a target that is worth keeping: clients ask for the same ones again and again."""
_known = lru_cache(1024)(_parse)


def href(path: Path, collection: bool, prefix: Path = ROOT) -> str:
    """Write the absolute path of a resource: all that is not unreserved is percent-encoded, and a
    collection ends in a slash (RFC 4918 sections 5.2 and 8.3).
    """
    text = "".join("/" + escape(name) for name in (*prefix, *path))
    return text + "/" if collection or not text else text


def escape(name: str) -> str:
    """Percent-encode one name (RFC 3986 section 2.3)."""
    if NOT_UNRESERVED.search(name) is None:
        return name
    return "".join(map(_ESCAPES.__getitem__, name.encode("utf-8", "surrogateescape")))


def reserved(path: Path) -> bool:
    """Whether a path names something of the server's own."""
    return any(name.startswith(RESERVED_PREFIX) for name in path)


def is_below(path: Path, ancestor: Path) -> bool:
    """Whether a path lies anywhere below another one."""
    return len(path) > len(ancestor) and path[: len(ancestor)] == ancestor


def _decode(segment: str) -> str:
    try:
        octets = unquote_to_bytes(segment.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise faults.bad_target() from error
    if b"/" in octets or b"\0" in octets or octets in (b".", b".."):
        raise faults.bad_target()
    return octets.decode("utf-8", "surrogateescape")

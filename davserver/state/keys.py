"""Paths as the store has them: bytes, so that each name is what the file system holds.

A path is a slash before each name: all that is below p lies between p/ and p0.
"""

from davserver.protocol.paths import Path


def key(path: Path) -> bytes:
    """The whole path; that of the root is empty."""
    return b"".join(b"/" + name.encode("utf-8", "surrogateescape") for name in path)


def path(key: bytes) -> Path:
    """What `key` has made."""
    return tuple(text(part) for part in key.split(b"/")[1:])


def place(path: Path) -> list[bytes]:
    """Parent and name; those of the root are both empty."""
    return [key(path[:-1]), path[-1].encode("utf-8", "surrogateescape") if path else b""]


def places(path: Path) -> list[bytes]:
    """Parent and name of everything from the root down to a path, one behind the other."""
    above, found = b"", [b"", b""]
    for name in path:
        own = name.encode("utf-8", "surrogateescape")
        found += (above, own)
        above += b"/" + own
    return found


def below(path: Path) -> list[bytes]:
    """The parents of everything below: the path itself, and the bounds of those under it."""
    own = key(path)
    return [own, own + b"/", own + b"0"]


def joined(parent: bytes, name: bytes) -> Path:
    """The path with this parent and name."""
    return (*path(parent), text(name)) if name else path(parent)


def text(name: bytes) -> str:
    """One name."""
    return name.decode("utf-8", "surrogateescape")

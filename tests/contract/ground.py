"""Paths, stamps and rows for every State."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.state import Reader, Writer

NOW = 1_000_000.0
Stores = tuple[Callable[[], Reader], Callable[..., AbstractContextManager[Writer]]]
"""How to read, and how to write."""

A, AB, ABC = ("a",), ("a", "b"), ("a", "b", "c")
NEIGHBOURS: tuple[Path, ...] = (
    ("a",),
    ("a", "b"),
    ("a", "b", "c"),
    ("a0",),
    ("a0", "b"),
    ("a-b",),
    ("a-b", "c"),
    ("a.",),
    ("a.", "b"),
    ("a\x2e\x30",),
    ("a b",),
    ("a", "0"),
    ("a", "-"),
    ("a", "\udcff"),
    ("a", "\udcff", "é"),
    ("A",),
    ("a", "%"),
    ("a", "_"),
    ("a\udcff",),
    ("a'\"",),
)
"""Names with bytes just below, at and above the slash, and others that a query could mistake."""

FILE, OTHER_FILE = Stamp(7, 1_700_000_000_000_000_001, 0o100000), Stamp(8, 0, 0o100000)
COLLECTION = Stamp((1 << 63) - 1, -1, 0o040000)


def lock(
    token: str,
    root: Path,
    *,
    deep: bool = False,
    expires: float = NOW + 60,
    stamp: Stamp = UNKNOWN,
) -> Lock:
    return Lock(token, root, deep, True, "<o/>", "me", 60, expires, stamp)


def is_at_or_below(path: Path, top: Path) -> bool:
    return path[: len(top)] == top


def tokens(found: tuple[Lock, ...]) -> set[str]:
    return {one.token for one in found}


def fill_properties(writer: Writer) -> None:
    for path in NEIGHBOURS:
        writer.set_property(path, "{urn:x}p", f"<p>{path!a}</p>")


def having(reader: Reader) -> set[Path]:
    return set(reader.with_properties(()))

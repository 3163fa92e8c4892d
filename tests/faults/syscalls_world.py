"""The world of one attempt: as the disk and the state have it, and as a client sees it."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from davserver.protocol import documents, multistatus
from davserver.protocol.paths import RESERVED_PREFIX, Path, parse
from tests.bench.client import Answer
from tests.faults import remains
from tests.faults.ground import Thing, World
from tests.faults.scenarios import Scenario

SHARES = ("one", "two")
"""The names that the paths of a scenario begin with: folders here."""
MODIFIED = "{DAV:}getlastmodified"
PATCHED = {"Mon, 12 Jan 1998 09:25:56 GMT": 884_597_156}
"""The time that a PROPPATCH of the scenarios sets: a file that has it has it as a property."""

_ALLPROP = b'<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'

Ask = Callable[[int, str, Path, Mapping[str, str], bytes], Answer]
"""Sends a request, which must be answered with this status."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A scenario's world below the folder ``name``. ``tokens`` gives the scenario's name for each
    lock token that the server has made.
    """

    name: str
    scenario: Scenario
    tokens: Mapping[str, str] = field(default_factory=dict)


def plain(world: World) -> World:
    """A world with the text of its properties instead of their elements."""
    things = {
        path: Thing(thing.content, {key: _text(value) for key, value in thing.properties.items()})
        for path, thing in world.things.items()
    }
    return World(things, world.locks)


def stored(root: FilePath, state: FilePath, placed: Placed) -> World:
    """The world as the file system and the state have it. Raises Unreadable."""
    top = root / placed.name
    held: dict[Path, dict[str, str]] = {}
    for parent, name, prop, value in _rows(state, top, "parent, name, property, value", "property"):
        held.setdefault(_below(top, parent, name), {})[prop] = _text(value)
    locks = {
        token: _below(top, parent, name)
        for parent, name, token in _rows(state, top, "parent, name, token", "lock")
    }
    things: dict[Path, Thing] = {}
    for share in SHARES:
        for path, entry in _entries(top / share, (share,)):
            values = held.pop(path, {})
            if entry.is_dir(follow_symlinks=False):
                things[path] = Thing(None, values)
                continue
            modified = int(entry.stat(follow_symlinks=False).st_mtime)
            for text, when in PATCHED.items():
                if when == modified:
                    values[MODIFIED] = text
            things[path] = Thing(FilePath(entry.path).read_bytes(), values)
    return World(things, _named(placed, locks), frozenset(held))


def seen(ask: Ask, placed: Placed) -> World:
    """The world as a client sees it."""
    things: dict[Path, Thing] = {}
    locks: dict[str, Path] = {}
    listing = ask(207, "PROPFIND", (placed.name,), {"Depth": "infinity"}, _ALLPROP)
    for response in multistatus.parse(listing.body):
        path = parse(response.href).path[1:]
        known = _known(response)
        for token in known["{DAV:}lockdiscovery"].iter("{DAV:}locktoken"):
            locks[(token.findtext("{DAV:}href") or "").strip()] = path
        if len(path) < 2:
            continue
        is_file = known["{DAV:}resourcetype"].find("{DAV:}collection") is None
        values = {
            name: value.text or ""
            for name, value in known.items()
            if not name.startswith("{DAV:}")
            or (is_file and name == MODIFIED and value.text in PATCHED)
        }
        content = ask(200, "GET", (placed.name, *path), {}, b"").body if is_file else None
        things[path] = Thing(content, values)
    return World(things, _named(placed, locks))


def _rows(state: FilePath, top: FilePath, columns: str, table: str) -> list[tuple[Any, ...]]:
    """Rows about what is below a folder."""
    key = os.fsencode(top)
    query = f"SELECT {columns} FROM {table} WHERE parent >= ? AND parent < ?"
    return remains.rows(state, query, (key, key + b"0"))


def _below(top: FilePath, parent: bytes, name: bytes) -> Path:
    return (*os.fsdecode(parent)[len(str(top)) + 1 :].split("/"), os.fsdecode(name))


def _named(placed: Placed, locks: Mapping[str, Path]) -> dict[str, Path]:
    """Locks by the scenario's names for them; those that the request has made are numbered."""
    named = {placed.tokens[token]: path for token, path in locks.items() if token in placed.tokens}
    made = sorted(path for token, path in locks.items() if token not in placed.tokens)
    return named | {f"made {number}": path for number, path in enumerate(made)}


def _entries(folder: FilePath, path: Path) -> Iterator[tuple[Path, os.DirEntry[str]]]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.name.startswith(RESERVED_PREFIX):
            continue
        yield (*path, entry.name), entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(FilePath(entry.path), (*path, entry.name))


def _known(response: multistatus.Response) -> dict[str, documents.Element]:
    """The properties that have values, by their names."""
    found = (
        documents.read_standalone(value)
        for stat in response.propstats
        if stat.status.value == 200
        for value in stat.properties
    )
    return {str(element.tag): element for element in found}


def _text(element: str) -> str:
    return documents.read_standalone(element).text or ""

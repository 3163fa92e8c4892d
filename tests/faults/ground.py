"""Two shares over faulty trees and one store, their state as a value, and a way to ask them."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from davserver import app
from davserver.accounts import Accounts
from davserver.middleware import Corridor
from davserver.protocol import multistatus
from davserver.protocol.locks import Lock
from davserver.protocol.paths import RESERVED_PREFIX, Path, parse
from davserver.share import Share
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from tests import environ
from tests.faults.faulty import Fails, FaultyTree, Script

NEVER = time.time() + 10_000_000
"""When locks end."""


@dataclass(frozen=True)
class Thing:
    """A file, or without content a collection, with its dead properties."""

    content: bytes | None
    properties: Mapping[str, str]


@dataclass(frozen=True)
class World:
    """All that a client can have stored, and what should not be there.

    Paths begin with the share. ``lost`` are paths that have dead properties and no resource,
    ``leftovers`` the uppermost reserved names.
    """

    things: Mapping[Path, Thing]
    locks: Mapping[str, Path]
    lost: frozenset[Path] = frozenset()
    leftovers: frozenset[Path] = frozenset()

    def below(self, root: Path) -> dict[Path, Thing]:
        """A tree, by paths relative to its root."""
        return {
            path[len(root) :]: thing
            for path, thing in self.things.items()
            if path[: len(root)] == root
        }

    def without(self, gone: Iterable[Path]) -> "World":
        """As if somebody had removed these trees before."""
        prefixes = tuple(gone)
        return World(
            {
                path: thing
                for path, thing in self.things.items()
                if not any(path[: len(one)] == one for one in prefixes)
            },
            self.locks,
        )


@dataclass(frozen=True)
class Reply:
    """``failed`` are the responses of a 207."""

    status: int
    headers: Mapping[str, str]
    failed: Mapping[Path, int] = field(default_factory=dict)


class Ground:
    """The shares `one` and `two`; ``elsewhere`` is where the second one lies."""

    def __init__(self, folder: FilePath, elsewhere: FilePath, *, unnamed: bool = True) -> None:
        self.script = Script()
        self.roots = {"one": folder / "one", "two": elsewhere / "two"}
        for root in self.roots.values():
            root.mkdir()
        self._file = folder / "state.db"
        self.state = SqliteState(self._file)
        self._trees = {
            name: FaultyTree(root, self.script, unnamed=unnamed)
            for name, root in self.roots.items()
        }
        shares = [Share(name, tree) for name, tree in self._trees.items()]
        self.shares = Shares(shares, self.state, time.time_ns)
        self._app = app.build(Corridor(self.shares, Accounts((), time.monotonic)))
        self._store = sqlite3.connect(self._file)

    def close(self) -> None:
        self._store.close()
        self.state.close()
        for tree in self._trees.values():
            tree.close()

    def key(self, path: Path) -> Path:
        return (*self.roots[path[0]].resolve().parts[1:], *path[1:])

    def build(self, world: World) -> None:
        """Clear all and make a world."""
        for root in self.roots.values():
            for entry in os.scandir(root):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        with self.state.write() as writer:
            for name in self.roots:
                writer.remove_properties(self.key((name,)))
                writer.remove_locks(self.key((name,)))
            for path in sorted(world.things):
                thing = world.things[path]
                real = self.roots[path[0]].joinpath(*path[1:])
                if thing.content is None:
                    real.mkdir()
                else:
                    real.write_bytes(thing.content)
                for name, value in thing.properties.items():
                    writer.set_property(self.key(path), name, value)
            for token, path in world.locks.items():
                writer.add_lock(Lock(token, self.key(path), False, True, "", "", 10_000_000, NEVER))

    def seen(self) -> World:
        """What is there once all is done that is done in the background, looked at past the
        server.
        """
        self.shares.tend()
        self.shares.close()
        stored: dict[Path, dict[str, str]] = {}
        for parent, name, prop, value in self._store.execute(
            "SELECT parent, name, property, value FROM property"
        ):
            stored.setdefault(self._path(parent, name), {})[prop] = value
        locks = {
            token: self._path(parent, name)
            for token, parent, name in self._store.execute("SELECT token, parent, name FROM lock")
        }
        things: dict[Path, Thing] = {}
        leftovers: set[Path] = set()
        for share, root in self.roots.items():
            pending: list[Path] = [()]
            while pending:
                path = pending.pop()
                with os.scandir(root.joinpath(*path)) as entries:
                    for entry in entries:
                        here = (share, *path, entry.name)
                        if entry.name.startswith(RESERVED_PREFIX):
                            leftovers.add(here)
                            continue
                        is_collection = entry.is_dir(follow_symlinks=False)
                        content = None if is_collection else FilePath(entry.path).read_bytes()
                        things[here] = Thing(content, stored.pop(here, {}))
                        if is_collection:
                            pending.append(here[1:])
        return World(things, locks, frozenset(stored), frozenset(leftovers))

    def vanished(self) -> list[Path]:
        """What the script has removed."""
        return [
            (share, *real.relative_to(root.resolve()).parts)
            for real in self.script.vanished
            for share, root in self.roots.items()
            if real.is_relative_to(root.resolve())
        ]

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, fails: Fails
    ) -> Reply:
        """One request, in process, with the script running."""
        asked = environ.of(method, headers, body, REQUEST_URI=url)
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, fields: list[tuple[str, str]]) -> None:
            told.append((status, fields))

        with self.script.run(fails):
            content = b"".join(self._app(asked, start_response))
        ((status, fields),) = told
        failed: dict[Path, int] = {}
        if status.startswith("207") and method != "PROPPATCH":
            for one in multistatus.parse(content):
                path = parse(one.href).path
                assert path not in failed, f"twice in one 207: {path}"
                failed[path] = 0 if one.status is None else one.status.value
        return Reply(int(status[:3]), dict(fields), failed)

    def _path(self, parent: bytes, name: bytes) -> Path:
        found = tuple(part.decode() for part in (*parent.split(b"/"), name) if part)
        for share, root in self.roots.items():
            base = root.resolve().parts[1:]
            if found[: len(base)] == base:
                return (share, *found[len(base) :])
        raise AssertionError(f"a row outside of the shares: {found}")

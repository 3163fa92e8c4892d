"""Two shares that are served by one process after the other, and all that is there at rest."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from davserver import methods, wsgi
from davserver.protocol.locks import Lock
from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.share import Share
from davserver.shares import Shares
from davserver.state import keys
from davserver.state.sqlite import SqliteState
from davserver.tree import Directory, Tree, mounts
from tests import environ

START = 1_767_225_600 * 10**9
"""The time of the server, which stands still: two runs of one request date alike."""
LONG = 10_000_000


@dataclass(frozen=True)
class Thing:
    """A file, or without content a collection. ``time`` is when a file was modified, 0 where that
    does not matter.
    """

    content: bytes | None
    properties: Mapping[str, str] = field(default_factory=dict)
    time: int = 0


@dataclass(frozen=True)
class World:
    """All that a client can have stored, by paths that begin with the share, and what should not
    be there: ``lost`` rows without a resource, intents, and reserved names.
    """

    things: Mapping[Path, Thing]
    locks: Mapping[str, Path] = field(default_factory=dict)
    links: tuple[tuple[Path, Path], ...] = ()
    lost: frozenset[Path] = frozenset()
    intents: tuple[str, ...] = ()
    leftovers: frozenset[str] = frozenset()

    @property
    def stored(self) -> tuple[dict[Path, Thing], list[Path]]:
        """What the client has of it. Tokens are another each time."""
        return dict(self.things), sorted(self.locks.values())

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.intents or self.leftovers)


@dataclass(frozen=True)
class Way:
    """What a file system lacks: a ``trash`` at the root of a share, files without a name, flags
    of renameat2(2).
    """

    name: str
    trash: bool = True
    unnamed: bool = True
    flags: bool = True


class _Untrashed(Tree):
    """A tree whose root can hold no trash."""

    def trash(self) -> Directory | None:
        return None


class Ground:
    """The shares `one` and `two`; ``elsewhere`` is where the second one lies."""

    def __init__(self, folder: FilePath, elsewhere: FilePath, way: Way) -> None:
        self.roots = {"one": folder / "one", "two": elsewhere / "two"}
        for root in self.roots.values():
            root.mkdir()
        self.file = folder / "state.db"
        self.way = way

    @contextmanager
    def served(self, **options: Any) -> Iterator[Shares]:
        """The shares, over a store of their own."""
        state = SqliteState(self.file, durable=False)
        kind = Tree if self.way.trash else _Untrashed
        trees = [kind(str(root), unnamed=self.way.unnamed) for root in self.roots.values()]
        shares = [Share(name, tree) for name, tree in zip(self.roots, trees, strict=True)]
        try:
            yield Shares(shares, state, lambda: START, **options)
        finally:
            state.close()
            for tree in trees:
                tree.close()

    def key(self, path: Path) -> Path:
        return (*self.roots[path[0]].resolve().parts[1:], *path[1:])

    def real(self, path: Path) -> FilePath:
        return self.roots[path[0]].joinpath(*path[1:])

    def build(self, world: World) -> None:
        """Clear all and make a world."""
        for root in self.roots.values():
            clear(root)
        with closing(sqlite3.connect(self.file)) as database, database:
            tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for (table,) in tables.fetchall():
                if table in ("property", "lock", "intent"):
                    database.execute(f"DELETE FROM {table}")
        for path in sorted(world.things):
            thing, real = world.things[path], self.real(path)
            if thing.content is None:
                real.mkdir(exist_ok=True)
            else:
                real.write_bytes(thing.content)
                os.utime(real, ns=(thing.time or START, thing.time or START))
        for path, other in world.links:
            self.real(path).unlink()
            self.real(path).hardlink_to(self.real(other))
        with self.served() as shares, shares.state.write() as writer:
            for path, thing in world.things.items():
                stamp = self._stamp(shares, path)
                for name, value in thing.properties.items():
                    writer.set_property(self.key(path), name, value, stamp)
            for token, path in world.locks.items():
                expires = shares.now + LONG
                stamp = self._stamp(shares, path)
                writer.add_lock(
                    Lock(token, self.key(path), False, True, "", "", LONG, expires, stamp)
                )

    def recover(self) -> None:
        """What a start does, and an end."""
        with self.served() as shares:
            shares.recover()
            self.rest(shares)

    def rest(self, shares: Shares) -> None:
        shares.tend()
        shares.close()

    def seen(self) -> World:
        """What is there, looked at past the server."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT parent, name, property, value FROM property").fetchall()
            held = database.execute("SELECT token, parent, name FROM lock").fetchall()
            intents = database.execute("SELECT operation FROM intent ORDER BY id").fetchall()
        stored: dict[Path, dict[str, str]] = {}
        for parent, name, prop, value in rows:
            stored.setdefault(self._path(parent, name), {})[prop] = value
        locks = {token: self._path(parent, name) for token, parent, name in held}
        things: dict[Path, Thing] = {}
        leftovers: set[str] = set()
        for share, root in self.roots.items():
            for folder, collections, files in os.walk(root):
                inner = (share, *FilePath(folder).relative_to(root).parts)
                for name in [*collections, *files]:
                    if name.startswith(RESERVED_PREFIX):
                        leftovers.add("/".join((*inner, name)))
                        continue
                    path = (*inner, name)
                    real = FilePath(folder, name)
                    is_collection = name in collections
                    things[path] = Thing(
                        None if is_collection else real.read_bytes(),
                        stored.pop(path, {}),
                        0 if is_collection else real.stat().st_mtime_ns,
                    )
                collections[:] = [one for one in collections if not one.startswith(RESERVED_PREFIX)]
        lost = {*stored, *(path for path in locks.values() if path not in things)}
        return World(
            things,
            locks,
            lost=frozenset(lost),
            intents=tuple(one for (one,) in intents),
            leftovers=frozenset(leftovers),
        )

    def _stamp(self, shares: Shares, path: Path) -> Any:
        place = shares.resolve(path)
        assert place is not None
        return place.share.tree.stamp(place.local)

    def _path(self, parent: bytes, name: bytes) -> Path:
        found = keys.joined(parent, name)
        for share, root in self.roots.items():
            base = root.resolve().parts[1:]
            if found[: len(base)] == base:
                return (share, *found[len(base) :])
        raise AssertionError(f"a row outside of the shares: {found}")


def clear(folder: FilePath) -> None:
    """Remove all that is in a folder, but for mount points."""
    points = {mount.point for mount in mounts.table()}
    for path in folder.iterdir():
        if path.resolve() in points:
            clear(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def asking(shares: Shares) -> Callable[..., int]:
    """Gives what sends a request to shares, and gives the status."""

    def ask(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> int:
        asked = environ.of(method, headers, body, REQUEST_URI=url)
        told: list[str] = []

        def start_response(status: str, fields: list[tuple[str, str]]) -> None:
            del fields
            told.append(status)

        def answer() -> Iterable[bytes]:
            request = wsgi.request(asked, "", shares.prefix)
            return wsgi.respond(methods.run(request, shares), asked, start_response)

        for _ in wsgi.guard(asked, start_response, answer):
            pass
        return int(told[0][:3])

    return ask

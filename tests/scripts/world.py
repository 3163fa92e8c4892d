"""What a case is played on: a directory with neighbours, a state, a clock, and a server of them."""

import json
import logging
import os
import sqlite3
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

from davserver import app
from davserver.accounts import Account, Accounts
from davserver.middleware import Corridor
from davserver.protocol import paths, peers
from davserver.share import Share
from davserver.shares import Limits, Shares
from davserver.state.sqlite import SqliteState
from davserver.tree import Modes, Tree
from tests.scripts.language import ScriptError
from tests.scripts.ways import Way

START = 1_767_225_600
"""2026-01-01T00:00:00Z, when every case begins."""
OPTIONS = frozenset(
    ("infinite_depth", "lock_timeout", "follow_symlinks", "file_mode", "dir_mode", "state")
) | {"prefix", "trusted_proxies"}
TICK = 1_000_000
"""Nanoseconds that pass with every look at the clock."""

Snapshot = Mapping[str, object]


class Members(logging.Handler):
    """The hrefs of the failed members that the server has logged, one line each."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.hrefs.append(json.loads(message[message.index("{") :])["href"])


class World:
    """One directory, and the servers that one after the other serve it by a ``way``.

    Beside the served directory lie a file and a directory whose name begins like its name: no
    request may ever reach them.
    """

    def __init__(self, folder: Path, way: Way) -> None:
        self.folder = folder
        self.root = folder / "share"
        self.root.mkdir()
        (folder / "share_evil").mkdir()
        (folder / "share_evil" / "secret").write_text("canary")
        (folder / "secret").write_text("canary")
        self.way = way
        self.settings: dict[str, list[str]] = {}
        self.options: dict[str, str] = {}
        self._now = START * 10**9
        self._state: SqliteState | None = None
        self._shares: Shares | None = None
        self._trees: list[Tree] = []
        self.members = Members()
        logging.getLogger("davserver.members").addHandler(self.members)

    def clock(self) -> int:
        self._now += TICK
        return self._now

    def wait(self, seconds: int) -> None:
        self._now += seconds * 10**9

    @property
    def runs(self) -> bool:
        return self._state is not None

    def start(self) -> None:
        """Serve the directory as the lines before the first request have said."""
        names = self.settings.get("shares", [""])
        if unknown := self.options.keys() - OPTIONS:
            raise ScriptError(f"no such option: {unknown}")
        modes = Modes(*(self._mode(key) for key in ("file_mode", "dir_mode")))
        self._state = SqliteState(self._home() / "state.db")
        hidden = [str(self._home())] if "state" in self.options else []
        shares = []
        for name in names:
            (self.root / name).mkdir(exist_ok=True)
            follow = self.options.get("follow_symlinks") == "on"
            tree = Tree(str(self.root / name), modes=modes, follow=follow, hidden=hidden)
            self._trees.append(tree)
            shares.append(Share(name, tree, (name or "/") in self.settings.get("read-only", [])))
        limits = Limits(
            self.options.get("infinite_depth") != "off",
            int(self.options.get("lock_timeout", Limits().lock_timeout)),
        )
        people = accounts(*self.settings.get("users", []))
        hosts = frozenset(self.settings.get("hosts", []))
        prefix = paths.parse(self.options.get("prefix", "/")).path
        self._shares = Shares(shares, self._state, self.clock, limits=limits, prefix=prefix)
        proxies = self.options.get("trusted_proxies", "")
        trusted = peers.parse(proxies.split(",")) if proxies else peers.NOBODY
        self.way.serve(app.build(Corridor(self._shares, people, hosts, trusted=trusted)))

    def end(self) -> None:
        self.stop()
        logging.getLogger("davserver.members").removeHandler(self.members)

    def stop(self) -> None:
        self.way.close()
        self._shares = None
        while self._trees:
            self._trees.pop().close()
        if self._state is not None:
            self._state.close()
            self._state = None

    def path(self, path: str) -> Path:
        """Where a path of a script lies on the disk."""
        name = unquote_to_bytes(path.encode("utf-8", "surrogateescape"))
        return Path(os.fsdecode(os.path.join(os.fsencode(self.root), name.strip(b"/"))))

    def files(self) -> Snapshot:
        """Every entry of the served directory at rest, but for the state if that is in it."""
        if self._shares is not None:
            self._shares.tend()
            self._shares.close()
        found = _entries(self.root)
        return {path: facts for path, facts in found.items() if Path(path).parent != self._home()}

    def neighbours(self) -> Snapshot:
        """Every entry beside it but the state's."""
        return {
            **_entries(self.folder / "share_evil"),
            "secret": (self.folder / "secret").read_bytes(),
            "names": sorted(os.listdir(self.folder)),
        }

    def rows(self) -> Snapshot:
        """Every row of the state."""
        database = sqlite3.connect(self._home() / "state.db")
        try:
            return {
                table: sorted(database.execute(f"SELECT * FROM {table}").fetchall())
                for table in ("lock", "property", "intent")
            }
        finally:
            database.close()

    def _home(self) -> Path:
        """The directory of the state."""
        return (
            self.path(self.options["state"]) if "state" in self.options else self.folder / "state"
        )

    def _mode(self, key: str) -> int | None:
        return int(self.options[key], 8) if key in self.options else None


@cache
def accounts(*names: str) -> Accounts:
    """The accounts of some users; hashing their passwords takes longer than most cases."""
    known = (Account.with_password(name, password(name)) for name in names)
    return Accounts(tuple(known), lambda: 0.0)


def password(name: str) -> str:
    return f"{name}'s"


def _entries(folder: Path) -> Snapshot:
    found: dict[str, object] = {}
    for path, _, names in os.walk(folder):
        for name in [*names, "."]:
            entry = os.path.join(path, name)
            facts = os.lstat(entry)
            is_directory = stat.S_ISDIR(facts.st_mode)
            # The time of a directory tells of temporary names too, which may come and go.
            seen = () if is_directory else (facts.st_size, facts.st_mtime_ns, facts.st_nlink)
            found[entry] = (facts.st_mode, facts.st_ino, facts.st_uid, facts.st_gid, *seen)
    return found

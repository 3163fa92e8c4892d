"""The store in one SQLite file: WAL, one connection a thread, one writer at a time.

The writer is chosen by a mutex of a thread lock and a flock beside the file, which is fair enough
and dies with its holder; SQLite's own busy time-out makes waiters poll.
"""

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path as FilePath
from typing import Any

from davserver.protocol import faults
from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path

VERSION = 1
"""The schema that this server reads and writes."""

APPLICATION = 0x64617673
"""What marks a database as ours (`PRAGMA application_id`)."""

BUSY_SECONDS = 10.0

_LOCK = "token, parent, name, deep, exclusive, owner, principal, timeout, expires"
_AT_OR_BELOW = "(parent = ? AND name = ?) OR parent = ? OR (parent >= ? AND parent < ?)"
_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EMFILE,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class UnknownSchema(Exception):
    """The file is not a store of ours, or one of a newer version."""


class SqliteState:
    """The store in ``file``, which is made if missing, with its folder.

    Raises OSError where it cannot be made, UnknownSchema where it cannot be understood.
    """

    def __init__(self, file: FilePath) -> None:
        self.file = file
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._mutex = threading.Lock()
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        self._gate = os.open(f"{file}-gate", flags, 0o600)
        os.close(os.open(file, flags, 0o600))
        try:
            with _translated(), self._exclusive():
                self._prepare()
        except sqlite3.DatabaseError as error:
            self.close()
            raise UnknownSchema("it is no database, or a damaged one") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        while self._connections:
            self._connections.pop().close()
        os.close(self._gate)

    def read(self) -> "_Reader":
        return _Reader(self._connection())

    @contextmanager
    def write(self) -> Iterator["_Writer"]:
        connection = self._connection()
        with self._exclusive(), _translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Writer(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._mutex:
            fcntl.flock(self._gate, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._gate, fcntl.LOCK_UN)

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            with _translated():
                found = sqlite3.connect(
                    self.file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                found.execute("PRAGMA synchronous = NORMAL")
            self._connections.append(found)
            self._local.connection = found
        return found

    def _prepare(self) -> None:
        connection = self._connection()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        is_empty = not connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        if not is_empty and application != APPLICATION:
            raise UnknownSchema("it is a database of another program")
        if version > VERSION:
            raise UnknownSchema(
                f"it was written by a newer davserver (schema {version}, this one knows {VERSION})"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        if is_empty:
            schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
            connection.executescript(
                f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version = {VERSION};"
                f"PRAGMA application_id = {APPLICATION}; COMMIT;"
            )


class _Reader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def locks(self, path: Path, now: float, *, below: bool = False) -> tuple[Lock, ...]:
        values = _places(path)
        known = ",".join(["(?,?)"] * (len(path) + 1))
        query = f"SELECT {_LOCK} FROM lock WHERE (parent, name) IN (VALUES {known})"
        if below:
            query += " OR parent = ? OR (parent >= ? AND parent < ?)"
            values += _range(path)
        return tuple(self._locks(query, values, now))

    def locks_on_members(self, path: Path, now: float) -> dict[str, list[Lock]]:
        found: dict[str, list[Lock]] = {}
        for lock in self._locks(f"SELECT {_LOCK} FROM lock WHERE parent = ?", [_key(path)], now):
            if lock.root:
                found.setdefault(lock.root[-1], []).append(lock)
        return found

    def lock(self, token: str, now: float) -> Lock | None:
        found = self._locks(f"SELECT {_LOCK} FROM lock WHERE token = ?", [token], now)
        return next(found, None)

    def properties(self, path: Path) -> dict[str, str]:
        return dict(
            self._rows(
                "SELECT property, value FROM property WHERE parent = ? AND name = ?", _place(path)
            )
        )

    def properties_of_members(self, path: Path) -> dict[str, dict[str, str]]:
        found: dict[bytes, dict[str, str]] = {}
        query = "SELECT name, property, value FROM property WHERE parent = ?"
        for name, prop, value in self._rows(query, [_key(path)]):
            found.setdefault(name, {})[prop] = value
        return {_text(name): stored for name, stored in found.items() if name}

    def has_properties(self, path: Path) -> bool:
        query = f"SELECT 1 FROM property WHERE {_AT_OR_BELOW} LIMIT 1"
        return bool(self._rows(query, [*_place(path), *_range(path)]))

    def with_properties(self, path: Path) -> tuple[Path, ...]:
        query = f"SELECT DISTINCT parent, name FROM property WHERE {_AT_OR_BELOW}"
        rows = self._rows(query, [*_place(path), *_range(path)])
        return tuple(_path(parent, name) for parent, name in rows)

    def _locks(self, query: str, values: Iterable[object], now: float) -> Iterator[Lock]:
        for row in self._rows(query, values):
            lock = _lock(row)
            if lock.expires > now:
                yield lock

    def _rows(self, query: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        with _translated():
            return self._connection.execute(query, tuple(values)).fetchall()


class _Writer(_Reader):
    def add_lock(self, lock: Lock) -> None:
        self._run(
            f"INSERT INTO lock ({_LOCK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            lock.token,
            *_place(lock.root),
            lock.deep,
            lock.exclusive,
            lock.owner,
            lock.principal,
            lock.timeout,
            lock.expires,
        )

    def refresh_lock(self, token: str, timeout: int, expires: float) -> None:
        self._run(
            "UPDATE lock SET timeout = ?, expires = ? WHERE token = ?", timeout, expires, token
        )

    def remove_lock(self, token: str) -> None:
        self._run("DELETE FROM lock WHERE token = ?", token)

    def remove_ended_locks(self, now: float) -> None:
        self._run("DELETE FROM lock WHERE expires <= ?", now)

    def remove_locks(self, path: Path, *, at: bool = True) -> None:
        self._run(
            "DELETE FROM lock WHERE parent = ? OR (parent >= ? AND parent < ?)", *_range(path)
        )
        if at:
            self._run("DELETE FROM lock WHERE parent = ? AND name = ?", *_place(path))

    def set_property(self, path: Path, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO property VALUES (?, ?, ?, ?)", *_place(path), name, value)

    def remove_property(self, path: Path, name: str) -> None:
        query = "DELETE FROM property WHERE parent = ? AND name = ? AND property = ?"
        self._run(query, *_place(path), name)

    def remove_properties(self, path: Path) -> None:
        self._run("DELETE FROM property WHERE parent = ? AND name = ?", *_place(path))
        query = "DELETE FROM property WHERE parent = ? OR (parent >= ? AND parent < ?)"
        self._run(query, *_range(path))

    def move_properties(self, source: Path, target: Path) -> None:
        self._run(
            "UPDATE property SET parent = ?, name = ? WHERE parent = ? AND name = ?",
            *_place(target),
            *_place(source),
        )
        self._run(
            "UPDATE property SET parent = CAST(? || substr(parent, ?) AS BLOB)"
            " WHERE parent = ? OR (parent >= ? AND parent < ?)",
            _key(target),
            len(_key(source)) + 1,
            *_range(source),
        )

    def copy_properties(self, source: Path, target: Path) -> None:
        self._run(
            "INSERT INTO property SELECT ?, ?, property, value FROM property"
            " WHERE parent = ? AND name = ?",
            *_place(target),
            *_place(source),
        )

    def _run(self, query: str, *values: object) -> None:
        self._connection.execute(query, values)


def _key(path: Path) -> bytes:
    return b"".join(b"/" + name.encode("utf-8", "surrogateescape") for name in path)


def _place(path: Path) -> list[bytes]:
    """Parent and name; those of the root are both empty."""
    return [_key(path[:-1]), path[-1].encode("utf-8", "surrogateescape") if path else b""]


def _places(path: Path) -> list[bytes]:
    """Parent and name of everything from the root down to a path, one behind the other."""
    above, found = b"", [b"", b""]
    for name in path:
        own = name.encode("utf-8", "surrogateescape")
        found += (above, own)
        above += b"/" + own
    return found


def _range(path: Path) -> list[bytes]:
    """The parents of everything below: the path itself, and the bounds of those under it."""
    key = _key(path)
    return [key, key + b"/", key + b"0"]


def _path(parent: bytes, name: bytes) -> Path:
    return tuple(_text(part) for part in (*parent.split(b"/")[1:], name) if part)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _lock(row: tuple[Any, ...]) -> Lock:
    token, parent, name, deep, exclusive, owner, principal, timeout, expires = row
    return Lock(
        token,
        _path(parent, name),
        bool(deep),
        bool(exclusive),
        owner,
        principal,
        timeout,
        expires,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors in the words of the operating system, or as a Fault 503."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise faults.busy() from error
        number = _DISK.get(code, errno.EIO)
        raise OSError(number, os.strerror(number)) from error

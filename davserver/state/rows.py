"""What the SQLite store holds, row by row: the queries."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path, is_below
from davserver.protocol.properties import Stored
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.state import Intent, Operation, keys
from davserver.state.owners import Owners
from davserver.state.unchanged import Unchanged

_NOTHING = sqlite3.connect(":memory:", check_same_thread=False)
"""What nobody reads by who has not been asked for a row yet."""

Translate = Callable[[sqlite3.DatabaseError], Exception]
"""Gives what is to be raised instead: an error of the operating system, or a Fault."""

_STAMP = "inode, born, kind"
_LOCK = f"token, parent, name, deep, exclusive, owner, principal, timeout, expires, {_STAMP}"
_AT = "parent = ? AND name = ?"
_BELOW = "parent = ? OR (parent >= ? AND parent < ?)"
_AT_OR_BELOW = f"({_AT}) OR {_BELOW}"
_INTENT = (
    "owner, lasts, operation, source, target, staged, aside, displaced, moved, left_behind,"
    " replaced, old_time, new_time"
)

_TABLES = ("intent", "lock", "property")
_FILLED = "SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in _TABLES)


class Rows:
    """What a `Reader` gives, over the connection of one thread."""

    def __init__(self, connection: sqlite3.Connection, translate: Translate) -> None:
        self._connection = connection
        self._translate = translate

    def locks(self, path: Path, now: float, *, below: bool = False) -> tuple[Lock, ...]:
        if not self._is_filled("lock"):
            return ()
        values = keys.places(path)
        known = ",".join(["(?,?)"] * (len(path) + 1))
        # A pair that is IN some VALUES would be looked for in every row.
        found = (
            f"SELECT lock.rowid FROM (VALUES {known}) AS known"
            " CROSS JOIN lock ON parent = known.column1 AND name = known.column2"
        )
        if below:
            found += f" UNION SELECT rowid FROM lock WHERE {_BELOW}"
            values += keys.below(path)
        query = f"SELECT {_LOCK} FROM lock WHERE rowid IN ({found}) ORDER BY rowid"
        return tuple(self._locks(query, values, now))

    def locks_on_members(self, path: Path, now: float) -> dict[str, list[Lock]]:
        found: dict[str, list[Lock]] = {}
        if not self._is_filled("lock"):
            return found
        query = f"SELECT {_LOCK} FROM lock WHERE parent = ?"
        for lock in self._locks(query, [keys.key(path)], now):
            if lock.root:
                found.setdefault(lock.root[-1], []).append(lock)
        return found

    def lock(self, token: str, now: float) -> Lock | None:
        found = self._locks(f"SELECT {_LOCK} FROM lock WHERE token = ?", [token], now)
        return next(found, None)

    def count_locks(self, now: float) -> int:
        found = self._rows("SELECT count(*) FROM lock WHERE expires > ?", [now])
        return found[0][0] if found else 0

    def properties(self, path: Path) -> Stored:
        found = Stored()
        if not self._is_filled("property"):
            return found
        query = f"SELECT property, value, kind FROM property WHERE {_AT}"
        for name, value, kind in self._rows(query, keys.place(path)):
            found[name] = value
            found.kind = kind
        return found

    def properties_of_members(self, path: Path) -> dict[str, Stored]:
        found: dict[bytes, Stored] = {}
        if not self._is_filled("property"):
            return {}
        query = "SELECT name, property, value, kind FROM property WHERE parent = ?"
        for name, prop, value, kind in self._rows(query, [keys.key(path)]):
            stored = found.get(name)
            if stored is None:
                stored = found[name] = Stored()
                stored.kind = kind
            stored[prop] = value
        return {keys.text(name): stored for name, stored in found.items() if name}

    def has_rows(self, path: Path, *, below: bool = True) -> bool:
        if not (self._is_filled("property") or self._is_filled("lock")):
            return False
        where, values = (_AT_OR_BELOW, keys.below(path)) if below else (_AT, [])
        values = [*keys.place(path), *values]
        query = (
            f"SELECT EXISTS (SELECT 1 FROM property WHERE {where})"
            f" OR EXISTS (SELECT 1 FROM lock WHERE {where})"
        )
        found = self._rows(query, [*values, *values])
        return bool(found and found[0][0])

    def with_properties(self, path: Path) -> tuple[Path, ...]:
        query = f"SELECT DISTINCT parent, name FROM property WHERE {_AT_OR_BELOW}"
        rows = self._rows(query, [*keys.place(path), *keys.below(path)])
        return tuple(keys.joined(parent, name) for parent, name in rows)

    def stamps(self, path: Path) -> dict[Path, Stamp]:
        values = [*keys.place(path), *keys.below(path)]
        found: dict[Path, Stamp] = {}
        for table in ("lock", "property"):
            query = f"SELECT DISTINCT parent, name, {_STAMP} FROM {table} WHERE {_AT_OR_BELOW}"
            for parent, name, *stamp in self._rows(query, values):
                found[keys.joined(parent, name)] = Stamp(*stamp)
        return found

    def intents(self) -> tuple[Intent, ...]:
        if not self._is_filled("intent"):
            return ()
        query = f"SELECT id, {_INTENT} FROM intent ORDER BY id"
        return tuple(_intent(row) for row in self._rows(query, ()))

    def has_discards(self, path: Path) -> bool:
        return any(
            intent.operation is Operation.DISCARD and is_below(intent.source, path)
            for intent in self.intents()
        )

    def _is_filled(self, table: str) -> bool:
        """Whether a table has any rows: most requests meet none, and one query tells that of all
        tables and paths.
        """
        found = self._rows(_FILLED, ())
        return bool(found and found[0][_TABLES.index(table)])

    def _locks(self, query: str, values: Sequence[object], now: float) -> Iterator[Lock]:
        for row in self._rows(query, values):
            lock = _lock(row)
            if lock.expires > now:
                yield lock

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error


class Spared(Rows):
    """The rows for a look outside of a write transaction: files can be read however the store
    is, and what is damaged holds nothing.
    """

    def __init__(
        self,
        connection: Callable[[], sqlite3.Connection],
        translate: Translate,
        damage: Callable[[], str],
        unchanged: Unchanged,
    ) -> None:
        super().__init__(_NOTHING, translate)
        self._connect = connection
        self._damage = damage
        self._unchanged = unchanged

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if self._damage():
            return []
        key = (query, tuple(values))
        mark = self._unchanged.mark()
        found = self._unchanged.find(mark, key)
        if found is not None:
            return found
        try:
            self._connection = self._connect()
            found = super()._rows(query, values)
        except Fault:
            if self._damage():
                return []
            raise
        self._unchanged.keep(mark, key, found)
        return found


class WritableRows(Rows):
    """What a `Writer` gives to whoever holds the gate. SQLite's own transaction begins with the
    first change: most sections change no row.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        translate: Translate,
        owners: Owners,
        require_file: Callable[[], None],
    ) -> None:
        super().__init__(connection, translate)
        self._owners = owners
        self._require_file = require_file
        self._filled: tuple[int, ...] | None = None
        """What `_look` has found; None where nobody has looked since the last change."""
        self._seen: dict[tuple[Path, float, bool], tuple[Lock, ...]] = {}
        """Locks that were asked for since then: a request looks at the same ones several times."""
        self.has_intended = False
        """Whether an intent has been kept, so that a failure leaves something to settle."""
        self._is_writing = False
        self._is_trying = False

    def locks(self, path: Path, now: float, *, below: bool = False) -> tuple[Lock, ...]:
        key = (path, now, below)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = super().locks(path, now, below=below)
        return found

    def _is_filled(self, table: str) -> bool:
        # Within the transaction nobody else adds any rows.
        if self._filled is None:
            self._filled = self._look()
        return bool(self._filled[_TABLES.index(table)])

    def _look(self) -> tuple[int, ...]:
        """Of each of `_TABLES`, whether it has rows. SQLite is asked, though what is kept may tell
        it, too: it lets go of the interpreter. Without that a thread that comes back again and
        again passes those that wait for their turn by hundreds (`tests.bench.inside`).
        """
        (found,) = self._rows(_FILLED, ())
        return found

    def add_lock(self, lock: Lock) -> None:
        self._run(
            f"INSERT INTO lock ({_LOCK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            lock.token,
            *keys.place(lock.root),
            lock.deep,
            lock.exclusive,
            lock.owner,
            lock.principal,
            lock.timeout,
            lock.expires,
            *_stamp(lock.stamp),
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
        self._run(f"DELETE FROM lock WHERE {_BELOW}", *keys.below(path))
        if at:
            self._run(f"DELETE FROM lock WHERE {_AT}", *keys.place(path))

    def set_property(self, path: Path, name: str, value: str, stamp: Stamp = UNKNOWN) -> None:
        query = "INSERT OR REPLACE INTO property VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._run(query, *keys.place(path), name, value, *_stamp(stamp))

    def remove_property(self, path: Path, name: str) -> None:
        query = f"DELETE FROM property WHERE {_AT} AND property = ?"
        self._run(query, *keys.place(path), name)

    def remove_properties(self, path: Path) -> None:
        self._run(f"DELETE FROM property WHERE {_AT}", *keys.place(path))
        self._run(f"DELETE FROM property WHERE {_BELOW}", *keys.below(path))

    def move_properties(self, source: Path, target: Path) -> None:
        self._move("property", source, target)

    def move_locks(self, source: Path, target: Path) -> None:
        self._move("lock", source, target)

    def copy_properties(self, source: Path, target: Path, stamp: Stamp = UNKNOWN) -> None:
        self._run(
            "INSERT INTO property SELECT ?, ?, property, value, ?, ?, ? FROM property"
            f" WHERE {_AT} AND (? IN (0, kind) OR kind = 0)",
            *keys.place(target),
            *_stamp(stamp),
            *keys.place(source),
            stamp.kind,
        )

    def restamp(self, path: Path, stamp: Stamp, was: int = 0) -> None:
        for table in ("lock", "property"):
            query = f"DELETE FROM {table} WHERE {_AT} AND kind NOT IN (0, ?)"
            self._run(query, *keys.place(path), was or stamp.kind)
            query = f"UPDATE {table} SET inode = ?, born = ?, kind = ? WHERE {_AT}"
            self._run(query, *_stamp(stamp), *keys.place(path))

    def add_intent(self, intent: Intent) -> Intent:
        self.has_intended = True
        owner = self._owners.me
        query = f"INSERT INTO intent ({_INTENT}) VALUES ({', '.join('?' * 13)})"
        number = self._run(query, *_values(replace(intent, owner=owner))).lastrowid
        return replace(intent, owner=owner, id=number or 0)

    def change_intent(self, intent: Intent) -> None:
        self.has_intended = True
        query = f"UPDATE intent SET ({_INTENT}) = ({', '.join('?' * 13)}) WHERE id = ?"
        self._run(query, *_values(intent), intent.id)

    def move_discards(self, source: Path, target: Path) -> None:
        _, *bounds = keys.below(source)
        self._run(
            "UPDATE intent SET source = CAST(? || substr(source, ?) AS BLOB)"
            " WHERE operation = ? AND source >= ? AND source < ?",
            keys.key(target),
            len(keys.key(source)) + 1,
            Operation.DISCARD.value,
            *bounds,
        )

    def remove_intent(self, number: int) -> None:
        self._run("DELETE FROM intent WHERE id = ?", number)

    def end(self) -> None:
        """Keep what has been changed, and end the transaction."""
        if self._is_writing:
            self._run("COMMIT")
            self._is_writing = False

    def begin(self) -> None:
        self._forget()
        if self._is_writing:
            return
        self._require_file()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error
        self._is_writing = True

    def undo(self) -> None:
        """Take back what has been changed since the last commit, and end the transaction, if one
        has begun.
        """
        self._forget()
        self._is_writing = False
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def _forget(self) -> None:
        """What was read may be another thing now."""
        self._filled = None
        self._seen.clear()

    def commit(self) -> None:
        self.end()
        # More rows follow, behind a change of names that could not be taken back.
        self.begin()
        if self._is_trying:
            self._run("SAVEPOINT attempt")

    def is_orphan(self, intent: Intent) -> bool:
        return not intent.lasts or not self._owners.is_alive(intent.owner)

    def ahead(self, boot: str, seconds: float) -> float:
        """See `SqliteState.ahead`."""
        self._run("DELETE FROM clock WHERE boot != ?", boot)
        self._run("INSERT OR IGNORE INTO clock VALUES (?, ?)", boot, seconds)
        ((found,),) = self._rows("SELECT ahead FROM clock", ())
        return float(found)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        self._run("SAVEPOINT attempt")
        self._is_trying = True
        try:
            yield
        except BaseException:
            self._run("ROLLBACK TO attempt")
            self._run("RELEASE attempt")
            raise
        finally:
            self._is_trying = False
        self._run("RELEASE attempt")

    def _move(self, table: str, source: Path, target: Path) -> None:
        self._run(
            f"UPDATE {table} SET parent = ?, name = ? WHERE {_AT}",
            *keys.place(target),
            *keys.place(source),
        )
        self._run(
            f"UPDATE {table} SET parent = CAST(? || substr(parent, ?) AS BLOB) WHERE {_BELOW}",
            keys.key(target),
            len(keys.key(source)) + 1,
            *keys.below(source),
        )

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        self.begin()
        try:
            return self._connection.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error


def _stamp(stamp: Stamp) -> tuple[int, int, int]:
    return stamp.inode, stamp.born, stamp.kind


def _lock(row: tuple[Any, ...]) -> Lock:
    token, parent, name, deep, exclusive, owner, principal, timeout, expires, *stamp = row
    return Lock(
        token,
        keys.joined(parent, name),
        bool(deep),
        bool(exclusive),
        owner,
        principal,
        timeout,
        expires,
        Stamp(*stamp),
    )


def _values(intent: Intent) -> tuple[object, ...]:
    """An intent in the order of `_INTENT`."""
    paths = (intent.source, intent.target, intent.staged, intent.aside, intent.displaced)
    stamps = (intent.moved, intent.left, intent.replaced)
    return (
        intent.owner,
        intent.lasts,
        intent.operation.value,
        *map(keys.key, paths),
        *(" ".join(map(str, _stamp(stamp))) for stamp in stamps),
        # A file may be from a time that no integer of SQLite can hold.
        str(intent.old_time),
        str(intent.new_time),
    )


def _intent(row: tuple[Any, ...]) -> Intent:
    number, owner, lasts, operation, *rest = row
    source, target, staged, aside, displaced = map(keys.path, rest[:5])
    moved, left, replaced = (Stamp(*map(int, text.split())) for text in rest[5:8])
    return Intent(
        Operation(operation),
        source,
        target,
        staged,
        aside,
        displaced,
        moved,
        left,
        replaced,
        old_time=int(rest[8]),
        new_time=int(rest[9]),
        lasts=bool(lasts),
        owner=owner,
        id=number,
    )

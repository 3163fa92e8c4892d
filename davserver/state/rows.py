"""What the SQLite store holds, row by row: the queries, and the words that they are made of."""

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path, is_below
from davserver.protocol.properties import Stored
from davserver.protocol.resources import Stamp
from davserver.state import Intent, Operation, keys
from davserver.state.unchanged import Unchanged

_NOTHING = sqlite3.connect(":memory:", check_same_thread=False)
"""What nobody reads by who has not been asked for a row yet."""

Translate = Callable[[sqlite3.DatabaseError], Exception]
"""Gives what is to be raised instead: an error of the operating system, or a Fault."""

STAMP = "inode, born, kind"
LOCK = f"token, parent, name, deep, exclusive, owner, principal, timeout, expires, {STAMP}"
AT = "parent = ? AND name = ?"
BELOW = "parent = ? OR (parent >= ? AND parent < ?)"
AT_OR_BELOW = f"({AT}) OR {BELOW}"
INTENT = (
    "owner, lasts, operation, source, target, staged, aside, displaced, moved, left_behind,"
    " replaced, old_time, new_time"
)

TABLES = ("intent", "lock", "property")
FILLED = "SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in TABLES)


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
            found += f" UNION SELECT rowid FROM lock WHERE {BELOW}"
            values += keys.below(path)
        query = f"SELECT {LOCK} FROM lock WHERE rowid IN ({found}) ORDER BY rowid"
        return tuple(self._locks(query, values, now))

    def locks_on_members(self, path: Path, now: float) -> dict[str, list[Lock]]:
        found: dict[str, list[Lock]] = {}
        if not self._is_filled("lock"):
            return found
        query = f"SELECT {LOCK} FROM lock WHERE parent = ?"
        for lock in self._locks(query, [keys.key(path)], now):
            if lock.root:
                found.setdefault(lock.root[-1], []).append(lock)
        return found

    def lock(self, token: str, now: float) -> Lock | None:
        found = self._locks(f"SELECT {LOCK} FROM lock WHERE token = ?", [token], now)
        return next(found, None)

    def count_locks(self, now: float) -> int:
        found = self._rows("SELECT count(*) FROM lock WHERE expires > ?", [now])
        return found[0][0] if found else 0

    def first_end(self) -> float:
        found = self._rows("SELECT min(expires) FROM lock", ())
        end = found[0][0] if found else None
        return math.inf if end is None else float(end)

    def properties(self, path: Path) -> Stored:
        found = Stored()
        if not self._is_filled("property"):
            return found
        query = f"SELECT property, value, kind FROM property WHERE {AT}"
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
        where, values = (AT_OR_BELOW, keys.below(path)) if below else (AT, [])
        values = [*keys.place(path), *values]
        query = (
            f"SELECT EXISTS (SELECT 1 FROM property WHERE {where})"
            f" OR EXISTS (SELECT 1 FROM lock WHERE {where})"
        )
        found = self._rows(query, [*values, *values])
        return bool(found and found[0][0])

    def with_properties(self, path: Path) -> tuple[Path, ...]:
        query = f"SELECT DISTINCT parent, name FROM property WHERE {AT_OR_BELOW}"
        rows = self._rows(query, [*keys.place(path), *keys.below(path)])
        return tuple(keys.joined(parent, name) for parent, name in rows)

    def stamps(self, path: Path) -> dict[Path, Stamp]:
        values = [*keys.place(path), *keys.below(path)]
        found: dict[Path, Stamp] = {}
        for table in ("lock", "property"):
            query = f"SELECT DISTINCT parent, name, {STAMP} FROM {table} WHERE {AT_OR_BELOW}"
            for parent, name, *stamp in self._rows(query, values):
                found[keys.joined(parent, name)] = Stamp(*stamp)
        return found

    def intents(self) -> tuple[Intent, ...]:
        if not self._is_filled("intent"):
            return ()
        query = f"SELECT id, {INTENT} FROM intent ORDER BY id"
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
        found = self._rows(FILLED, ())
        return bool(found and found[0][TABLES.index(table)])

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

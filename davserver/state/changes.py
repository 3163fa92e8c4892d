"""What the commit section changes in the SQLite store, row by row."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.state import Intent, Operation, keys
from davserver.state.owners import Owners
from davserver.state.rows import AT, BELOW, FILLED, INTENT, LOCK, TABLES, Rows, Translate


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
        return bool(self._filled[TABLES.index(table)])

    def _look(self) -> tuple[int, ...]:
        """Of each of `TABLES`, whether it has rows. SQLite is asked, though what is kept may tell
        it, too: it lets go of the interpreter. Without that a thread that comes back again and
        again passes those that wait for their turn by hundreds (`tests.bench.inside`).
        """
        (found,) = self._rows(FILLED, ())
        return found

    def add_lock(self, lock: Lock) -> None:
        self._run(
            f"INSERT INTO lock ({LOCK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        self._run(f"DELETE FROM lock WHERE {BELOW}", *keys.below(path))
        if at:
            self._run(f"DELETE FROM lock WHERE {AT}", *keys.place(path))

    def set_property(self, path: Path, name: str, value: str, stamp: Stamp = UNKNOWN) -> None:
        query = "INSERT OR REPLACE INTO property VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._run(query, *keys.place(path), name, value, *_stamp(stamp))

    def remove_property(self, path: Path, name: str) -> None:
        query = f"DELETE FROM property WHERE {AT} AND property = ?"
        self._run(query, *keys.place(path), name)

    def remove_properties(self, path: Path) -> None:
        self._run(f"DELETE FROM property WHERE {AT}", *keys.place(path))
        self._run(f"DELETE FROM property WHERE {BELOW}", *keys.below(path))

    def move_properties(self, source: Path, target: Path) -> None:
        self._run(
            f"UPDATE property SET parent = ?, name = ? WHERE {AT}",
            *keys.place(target),
            *keys.place(source),
        )
        self._run(
            f"UPDATE property SET parent = CAST(? || substr(parent, ?) AS BLOB) WHERE {BELOW}",
            keys.key(target),
            len(keys.key(source)) + 1,
            *keys.below(source),
        )

    def copy_properties(self, source: Path, target: Path, stamp: Stamp = UNKNOWN) -> None:
        self._run(
            "INSERT INTO property SELECT ?, ?, property, value, ?, ?, ? FROM property"
            f" WHERE {AT} AND (? IN (0, kind) OR kind = 0)",
            *keys.place(target),
            *_stamp(stamp),
            *keys.place(source),
            stamp.kind,
        )

    def restamp(self, path: Path, stamp: Stamp, was: int = 0) -> None:
        # Asked before the first change: after it nothing is known of any table.
        for table in [one for one in ("lock", "property") if self._is_filled(one)]:
            query = f"DELETE FROM {table} WHERE {AT} AND kind NOT IN (0, ?)"
            self._run(query, *keys.place(path), was or stamp.kind)
            query = f"UPDATE {table} SET inode = ?, born = ?, kind = ? WHERE {AT}"
            self._run(query, *_stamp(stamp), *keys.place(path))

    def add_intent(self, intent: Intent) -> Intent:
        self.has_intended = True
        owner = self._owners.me
        query = f"INSERT INTO intent ({INTENT}) VALUES ({', '.join('?' * 13)})"
        number = self._run(query, *_values(replace(intent, owner=owner))).lastrowid
        return replace(intent, owner=owner, id=number or 0)

    def change_intent(self, intent: Intent) -> None:
        self.has_intended = True
        query = f"UPDATE intent SET ({INTENT}) = ({', '.join('?' * 13)}) WHERE id = ?"
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

    def keep(self) -> None:
        if self._is_trying:
            self.commit()
        else:
            self.end()

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

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        self.begin()
        try:
            return self._connection.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error


def _stamp(stamp: Stamp) -> tuple[int, int, int]:
    return stamp.inode, stamp.born, stamp.kind


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

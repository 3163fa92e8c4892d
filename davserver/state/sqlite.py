"""The store in one SQLite file: WAL, one connection a thread, one writer at a time.

The writer is whoever holds the gate beside the file; SQLite's own busy time-out makes waiters poll,
and counts only for programs that are not ours.
"""

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path as FilePath

from davserver.protocol import faults
from davserver.state import Settle
from davserver.state.gate import Gate
from davserver.state.owners import Owners
from davserver.state.rows import Spared, WritableRows

VERSION = 2
"""The schema that this server reads and writes; `migrations/N.sql` makes N from N - 1."""

APPLICATION = 0x64617673
"""What marks a database as ours (`PRAGMA application_id`)."""

BUSY_SECONDS = 10.0

_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EMFILE,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged beyond recognition",
}


_NOTHING = sqlite3.connect(":memory:", check_same_thread=False)
"""What a damaged store is read by."""


class UnknownSchema(Exception):
    """The file is a store of a newer version, or a database of another program."""


class SqliteState:
    """The store in ``file``, which is made if missing, with its folder.

    With ``durable`` a commit survives a loss of power, without it a kill. A store that is damaged
    opens all the same, for reading: see ``damage``.

    Raises OSError where it cannot be made, UnknownSchema where it cannot be understood.
    """

    def __init__(self, file: FilePath, *, durable: bool = True) -> None:
        self.file = file
        self._damage = ""
        self._synchronous = "FULL" if durable else "NORMAL"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._gate = Gate(FilePath(f"{file}-gate"))
        try:
            self._owners = Owners(FilePath(f"{file}-owners"))
        except BaseException:
            self._gate.close()
            raise
        try:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            try:
                with self._translated(), self._gate.held():
                    self._prepare()
            except faults.Fault:
                if not self._damage:
                    raise
        except BaseException:
            self.close()
            raise

    @property
    def damage(self) -> str:
        return self._damage

    def close(self) -> None:
        while self._connections:
            self._connections.pop().close()
        self._owners.close()
        self._gate.close()

    def read(self) -> Spared:
        connection = _NOTHING if self._damage else self._connection()
        return Spared(connection, self._translated, lambda: self._damage)

    @contextmanager
    def write(self, settle: Settle | None = None) -> Iterator[WritableRows]:
        if self._damage:
            raise faults.damaged_state(self._damage)
        connection = self._connection()
        with self._gate.held():
            writer = WritableRows(connection, self._translated, self._owners)
            try:
                with self._transaction(connection):
                    yield writer
            except BaseException:
                if writer.has_intended and settle is not None:
                    # Where this fails too, whoever holds the gate next finds the intent.
                    with suppress(OSError, faults.Fault), self._transaction(connection):
                        settle(writer)
                raise

    def bury_owners(self) -> None:
        """Forget the dead owners. To be called within a write transaction. Raises OSError."""
        self._owners.bury()

    def ahead(self, boot: str, seconds: float) -> float:
        """Seconds between the time of a boot and the epoch's: what was kept for this boot, else
        ``seconds``, which is kept. What was kept for other boots is forgotten.
        """
        with self.write() as writer:
            return writer.ahead(boot, seconds)

    def backup(self, file: FilePath) -> None:
        """Copy the store to a new file while it is in use. Raises OSError."""
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
        try:
            with self._translated(), closing(sqlite3.connect(file)) as target:
                self._connection().backup(target)
            os.fsync(descriptor)
        except BaseException:
            file.unlink()
            raise
        finally:
            os.close(descriptor)

    def complaints(self) -> list[str]:
        """What a whole examination of the database finds wrong. Raises OSError."""
        if self._damage:
            return [self._damage]
        with self._translated():
            rows = self._connection().execute("PRAGMA integrity_check(20)").fetchall()
        return [line for (line,) in rows if line != "ok"]

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        with self._translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            with self._translated():
                found = sqlite3.connect(
                    self.file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                found.execute(f"PRAGMA synchronous = {self._synchronous}")
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
                f"it was written by a newer davserver (schema {version}, this one knows "
                f"{VERSION}): start that one, or take what it exports into a new file with "
                "davserver import"
            )
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            self._damage = "damaged"
            return
        connection.execute("PRAGMA journal_mode = WAL")
        if version < VERSION:
            if not is_empty:
                self._keep_copy(version)
            self._migrate(connection, 0 if is_empty else version)

    def _keep_copy(self, version: int) -> None:
        """A store is migrated only when a copy of it is safe."""
        copy = FilePath(f"{self.file}.schema-{version}")
        with suppress(FileExistsError):
            self.backup(copy)

    def _migrate(self, connection: sqlite3.Connection, version: int) -> None:
        scripts = resources.files(__package__) / "migrations"
        steps = [
            (scripts / f"{number}.sql").read_text("utf-8")
            for number in range(version + 1, VERSION + 1)
        ]
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {''.join(steps)} PRAGMA user_version = {VERSION};"
                f"PRAGMA application_id = {APPLICATION}; COMMIT;"
            )
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors in the words of the operating system, or as a Fault."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                raise faults.busy() from error
            if code in _DAMAGED:
                self._damage = _DAMAGED[code]
                raise faults.damaged_state(self._damage) from error
            number = _ERRNO.get(code, errno.EIO)
            raise OSError(number, os.strerror(number)) from error

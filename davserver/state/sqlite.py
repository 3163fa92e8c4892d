"""The store in one SQLite file: WAL, one connection a thread, one writer at a time.

The writer is whoever holds the gate beside the file; SQLite's own busy time-out makes waiters poll,
and counts only for programs that are not ours.
"""

import errno
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path as FilePath
from types import TracebackType
from urllib.parse import quote

from davserver.protocol import faults
from davserver.state import Settle, copying, errors, schema
from davserver.state.changes import WritableRows
from davserver.state.gate import Gate, emptied
from davserver.state.lending import Lending
from davserver.state.owners import Owners
from davserver.state.rows import Spared
from davserver.state.unchanged import Unchanged

log = logging.getLogger("davserver.storage")

BUSY_SECONDS = 1.0
"""How long a program that is not ours may hold the file: whoever waits for it holds the gate."""

WANTED = 1 << 16
"""Bytes, about as many as a change of rows takes."""


class SqliteState:
    """The store in ``file``, which is made if missing, with its folder.

    With ``durable`` a commit survives a loss of power, without it a kill. A store that is damaged
    opens all the same, for reading: see ``damage``.

    Raises OSError where it cannot be made, `schema.UnknownSchema` where it cannot be understood.
    """

    def __init__(self, file: FilePath, *, durable: bool = True) -> None:
        self.file = file
        self._damage = ""
        self._synchronous = "FULL" if durable else "NORMAL"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connections = Lending(self._connected)
        self._unchanged = Unchanged(file)
        self._gate = Gate(FilePath(f"{file}-gate"))
        try:
            self._owners = Owners(FilePath(f"{file}-owners"))
        except BaseException:
            self._gate.close()
            raise
        try:
            is_new = not os.path.lexists(file)
            made = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                self._opened = os.fstat(made)
            finally:
                os.close(made)
            try:
                with self._translated(), self._gate.held():
                    if not is_new:
                        # SQLite would take it for a new one, and remove the log beside it.
                        self._note(emptied(file))
                    if not self._damage:
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
        for one in self._connections.withdraw():
            one.close()
        self._unchanged.close()
        self._owners.close()
        self._gate.close()

    def read(self) -> Spared:
        return Spared(self._connection, self._translate, lambda: self._damage, self._unchanged)

    def revision(self) -> bytes:
        return b"" if self._damage else self._unchanged.mark()

    def write(self, settle: Settle | None = None) -> "_Transaction":
        if self._damage:
            raise faults.damaged_state(self._damage)
        rows = WritableRows(self._connection(), self._translate, self._owners, self._require_file)
        return _Transaction(rows, self._gate, settle)

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
        with self._translated():
            copying.copy(self._connection(), file)

    def _connection(self) -> sqlite3.Connection:
        """That of the calling thread."""
        return self._connections.own()

    def _connected(self) -> sqlite3.Connection:
        with self._translated():
            found = self._connect()
            found.execute(f"PRAGMA synchronous = {self._synchronous}")
        return found

    def _connect(self) -> sqlite3.Connection:
        # It is never made here: an empty one would say that there are no locks.
        name = f"file:{quote(os.fsencode(self.file))}?mode=rw"
        return sqlite3.connect(
            name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )

    def _require_file(self) -> None:
        """What is written to a file without a name is lost. Raises Fault 403."""
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.file), self._opened):
                return
        self._note("gone")
        raise faults.damaged_state(self._damage)

    def _prepare(self) -> None:
        connection = self._connection()
        version = schema.version(connection)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            self._note("damaged")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        if version < schema.VERSION:
            if version:
                self._keep_copy(connection, version)
            schema.migrate(connection, version)
        self._gate.mark()

    def _keep_copy(self, connection: sqlite3.Connection, version: int) -> None:
        """A store is migrated only when a copy of it is safe. One that is there already may be of
        what was migrated at another time.
        """
        first = copy = FilePath(f"{self.file}.schema-{version}")
        number = 1
        while os.path.lexists(copy):
            # Starts whose migration fails again and again must not fill the disk.
            if copying.is_copied(connection, copy):
                return
            number += 1
            copy = FilePath(f"{first}-{number}")
        self.backup(copy)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors in the words of the operating system, or as a Fault."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._translate(error) from error

    def _translate(self, error: sqlite3.DatabaseError) -> Exception:
        damage = errors.damage(error)
        if errors.cannot_open(error):
            damage = self._hindrance()
        elif damage and self._is_sound():
            return OSError(errno.EIO, os.strerror(errno.EIO))
        self._note(damage)
        if damage:
            return faults.damaged_state(damage)
        return self._room_error(error) or errors.translated(error)

    def _room_error(self, error: sqlite3.DatabaseError) -> OSError | None:
        """Why there was no room for what SQLite could not write: it does not tell. To ask for such
        room at the same place does.
        """
        if not errors.cannot_write(error):
            return None
        try:
            size = os.path.getsize(f"{self.file}-wal")
            with tempfile.TemporaryFile(dir=self.file.parent) as tried:
                os.posix_fallocate(tried.fileno(), size, WANTED)
        except OSError as found:
            return found if found.errno in errors.NO_ROOM else None
        return None

    def _hindrance(self) -> str:
        """Why the file cannot be opened, or empty where it could be."""
        # Never by opening it: to close it again would drop SQLite's own locks on it.
        if not os.path.isfile(self.file):
            return "gone"
        return "" if os.access(self.file, os.R_OK | os.W_OK) else "not to be opened"

    def _is_sound(self) -> bool:
        """A disk that could not be read for a moment can look like damage: look again."""
        try:
            with closing(self._connect()) as again:
                schema.version(again)
                return bool(again.execute("PRAGMA quick_check").fetchone() == ("ok",))
        except sqlite3.DatabaseError as error:
            return not errors.damage(error)

    def _note(self, damage: str) -> None:
        """From now on nothing of it is read or written."""
        if damage and not self._damage:
            self._damage = damage
            log.error(
                "%s is %s: everything can be read, nothing can be changed. "
                "davserver check says what to do.",
                os.fsencode(self.file).decode("utf-8", "replace"),
                damage,
            )


class _Transaction:
    """A write transaction. A class, because every change passes here: a generator takes several
    times as long.
    """

    __slots__ = ("_gate", "_held", "_rows", "_settle")

    def __init__(self, rows: WritableRows, gate: Gate, settle: Settle | None) -> None:
        self._rows = rows
        self._gate = gate
        self._settle = settle
        self._held = (0, 0)

    def __enter__(self) -> WritableRows:
        self._held = self._gate.enter()
        return self._rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._rows.end()
        except BaseException as failed:
            error = failed
            raise
        finally:
            try:
                if error is not None:
                    self._fail()
            finally:
                # Of whoever holds this: a circle would be left for the garbage collector to find.
                self._settle = None
                self._gate.leave(*self._held)

    def _fail(self) -> None:
        rows = self._rows
        rows.undo()
        if rows.has_intended and self._settle is not None:
            # Where this fails too, whoever holds the gate next finds the intent.
            with suppress(OSError, faults.Fault):
                try:
                    self._settle(rows)
                    rows.end()
                except BaseException:
                    rows.undo()
                    raise

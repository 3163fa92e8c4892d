"""A look at a store that changes nothing, not even the files beside it.

SQLite writes beside a database in WAL mode where it opens one, even to read it. So a store that a
server has open is read through the files that are there; one that nobody has open is read as if
it could not change, or where a server was killed over it, from a copy.
"""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path as FilePath
from types import TracebackType
from typing import Self
from urllib.parse import quote

from davserver.state import Intent, copying, errors, schema
from davserver.state.gate import emptied
from davserver.state.owners import living
from davserver.state.rows import Rows


class Inspection:
    """What the store in ``file`` holds at one time; a context manager that closes it.

    ``rows`` are its rows, none where it is damaged: ``damage`` says so, or is empty. ``version`` is
    that of its schema, ``owners`` are the tokens of the servers that have it open.

    Raises OSError, FileNotFoundError where there is no store, or `schema.UnknownSchema`.
    """

    def __init__(self, file: FilePath) -> None:
        self.file = file
        self.damage = ""
        self.version = 0
        self._held = ExitStack()
        # SQLite would say of any of them that it cannot open the file.
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            self.owners = living(FilePath(f"{file}-owners"))
            self._connection = self._held.enter_context(_closing(self._connect()))
            self.rows = Rows(self._connection, errors.translated)
            self.damage = emptied(file)
            with suppress(_Damaged), self._noted():
                if self.damage:
                    raise _Damaged
                self.version = schema.version(self._connection)
                if self.version < schema.VERSION:
                    self._read_as_ours()
                self._connection.execute("BEGIN")
                (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
                self.damage = "" if found == "ok" else "damaged"
            if self.damage:
                self._read_nothing()
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def complaints(self) -> list[str]:
        """What a whole examination of the database finds wrong. Raises OSError."""
        if self.damage:
            return [f"the database is {self.damage}"]
        with suppress(_Damaged), self._noted():
            rows = self._connection.execute("PRAGMA integrity_check(20)").fetchall()
            return [line for (line,) in rows if line != "ok"]
        return [f"the database is {self.damage}"]

    def is_orphan(self, intent: Intent) -> bool:
        """Whether the owner of an intent is dead."""
        return intent.owner not in self.owners

    def copy(self, file: FilePath) -> None:
        """Copy the store to a new file. Raises OSError."""
        with self._translated():
            copying.copy(self._connection, file)

    def _connect(self) -> sqlite3.Connection:
        log = FilePath(f"{self.file}-wal")
        if self.owners:
            return _opened(self.file, "mode=ro")
        if not (log.exists() and log.stat().st_size):
            return _opened(self.file, "mode=ro&immutable=1")
        folder = FilePath(self._held.enter_context(tempfile.TemporaryDirectory()))
        shutil.copyfile(self.file, folder / "copy")
        shutil.copyfile(log, folder / "copy-wal")
        return _opened(folder / "copy", "mode=rw")

    def _read_as_ours(self) -> None:
        """An older store is looked at as the next start will have it."""
        memory = self._held.enter_context(_closing(_memory()))
        self._connection.backup(memory)
        schema.migrate(memory, self.version)
        self._connection = memory
        self.rows = Rows(memory, errors.translated)

    def _read_nothing(self) -> None:
        self.rows = self._held.enter_context(nothing())

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            with self._translated():
                yield
        except Exception as error:
            cause = error.__cause__
            if not isinstance(cause, sqlite3.Error) or not errors.damage(cause):
                raise
            self.damage = errors.damage(cause)
            raise _Damaged from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise errors.translated(error) from error


@contextmanager
def nothing() -> Iterator[Rows]:
    """The rows of a store that is not there."""
    with _closing(_memory()) as memory:
        schema.migrate(memory, 0)
        yield Rows(memory, errors.translated)


class _Damaged(Exception):
    """The database is damaged; `Inspection.damage` says how."""


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _opened(file: FilePath, how: str) -> sqlite3.Connection:
    path = quote(os.fsencode(os.path.abspath(file)))
    try:
        return sqlite3.connect(f"file:{path}?{how}", uri=True, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise errors.translated(error) from error

"""Makes a new store of what can still be read of a damaged one, which is set aside.

What SQLite itself still finds counts first, from both ends of each table; then what is in any page
that the tables no longer lead to.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path as FilePath

from davserver.state import Operation, copying, errors, schema
from davserver.state.gate import Gate
from davserver.state.owners import living
from davserver.state.pages import Pages, Row, Value

_ORDER = {"property": "parent, name, property", "lock": "rowid", "intent": "id", "clock": "rowid"}
_INSERT = {
    "property": "INSERT OR IGNORE INTO property VALUES (?, ?, ?, ?, ?, ?, ?)",
    "lock": "INSERT OR IGNORE INTO lock VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "intent": f"INSERT OR IGNORE INTO intent VALUES ({', '.join('?' * 14)})",
    "clock": "INSERT OR IGNORE INTO clock VALUES (?, ?)",
}


class InUse(Exception):
    """A server has the store open."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """How many rows were saved, and the file that the damaged store is in now."""

    properties: int
    locks: int
    intents: int
    aside: FilePath


def salvage(file: FilePath) -> Salvage:
    """Put a new store with all readable rows in the place of a damaged one. Raises OSError, or
    InUse: nothing is changed then.
    """
    gate = Gate(FilePath(f"{file}-gate"))
    try:
        with gate.held():
            if living(FilePath(f"{file}-owners")):
                raise InUse
            return _salvage(file)
    finally:
        gate.close()


def _salvage(file: FilePath) -> Salvage:
    part = copying.beside(file)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        try:
            counts = _fill(part, file)
        except sqlite3.Error as error:
            raise errors.translated(error) from error
        copying.sync(part)
        aside = _aside(file)
        # The log first: beside the new store it would be taken for that one's.
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.rename(f"{file}{end}", f"{aside}{end}")
        try:
            os.link(file, aside)
        except OSError:
            os.rename(file, aside)
        os.rename(part, file)
        copying.sync(file.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return Salvage(counts["property"], counts["lock"], counts["intent"], aside)


def _aside(file: FilePath) -> FilePath:
    number = 1
    while os.path.lexists(f"{file}.damaged-{number}"):
        number += 1
    return FilePath(f"{file}.damaged-{number}")


def _fill(part: FilePath, file: FilePath) -> dict[str, int]:
    """Gives how many rows each table has."""
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        schema.migrate(target, 0)
        target.execute("BEGIN")
        for table, values in (*_found(file), *_read(file)):
            with suppress(sqlite3.IntegrityError):
                target.execute(_INSERT[table], values)
        target.execute("COMMIT")
        return {
            table: target.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _ORDER
        }


def _found(file: FilePath) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """What SQLite finds, in a copy: it writes to what it opens."""
    with tempfile.TemporaryDirectory() as folder:
        copy = FilePath(folder, "copy")
        shutil.copyfile(file, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}-wal", f"{copy}-wal")
        with closing(sqlite3.connect(copy, isolation_level=None)) as source:
            for table, order in _ORDER.items():
                for way in ("", " DESC"):
                    columns = ", ".join(f"{name}{way}" for name in order.split(", "))
                    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                        for row in source.execute(f"SELECT * FROM {table} ORDER BY {columns}"):
                            values = _fitting(table, tuple(row))
                            if values is not None:
                                yield table, values


def _read(file: FilePath) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """What is in the pages."""
    for row in Pages(file).rows():
        for table in _ORDER:
            values = _fitting(table, _whole(table, row))
            if values is not None:
                yield table, values


def _whole(table: str, row: Row) -> tuple[Value, ...]:
    """The number of an intent is that of its row."""
    number, values = row
    return (number, *values[1:]) if table == "intent" and values[:1] == (None,) else values


_SHAPES: dict[str, tuple[type, ...]] = {
    "property": (bytes, bytes, str, str, int, int, int),
    "lock": (str, bytes, bytes, int, int, str, str, int, float, int, int, int),
    "intent": (int, str, int, str, *[bytes] * 5, *[str] * 5),
    "clock": (str, float),
}
_LEAST = {"property": 4, "lock": 9, "intent": 14, "clock": 2}
"""How many columns a row has that was written before there were more."""


def _fitting(table: str, values: tuple[Value, ...]) -> tuple[Value, ...] | None:
    """The values as a row of a table, or None where they are none."""
    shape = _SHAPES[table]
    if not _LEAST[table] <= len(values) <= len(shape):
        return None
    whole: list[Value] = [*values, *[0] * (len(shape) - len(values))]
    for number, (value, kind) in enumerate(zip(whole, shape, strict=True)):
        if kind is float and table == "lock" and isinstance(value, int):
            # SQLite keeps a whole number as one.
            whole[number] = float(value)
        elif not isinstance(value, kind):
            return None
    if table == "intent" and whole[3] not in set(Operation):
        return None
    return tuple(whole)

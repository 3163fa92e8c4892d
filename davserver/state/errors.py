"""SQLite's errors in the words of the operating system, or as Faults."""

import errno
import os
import sqlite3

from davserver.protocol import faults

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
_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)

_UNWRITTEN = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
)
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def damage(error: sqlite3.Error) -> str:
    """What an error says is wrong with the whole database, or empty."""
    if getattr(error, "sqlite_errorcode", 0) in _UNREADABLE:
        return "not to be read"
    return _DAMAGED.get(_code(error), "")


def cannot_write(error: sqlite3.Error) -> bool:
    """Whether the system refused to store something, for a reason that SQLite does not tell."""
    return getattr(error, "sqlite_errorcode", 0) in _UNWRITTEN


def cannot_open(error: sqlite3.Error) -> bool:
    """Whether the file, or one of those beside it, could not be opened."""
    return _code(error) == sqlite3.SQLITE_CANTOPEN


def translated(error: sqlite3.Error) -> faults.Fault | OSError:
    """What is to be raised instead."""
    code = _code(error)
    if code in _BUSY:
        return faults.busy()
    if code in _DAMAGED:
        return faults.damaged_state(_DAMAGED[code])
    number = _ERRNO.get(code, errno.EIO)
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
        # There is no room for the index of the log.
        number = errno.ENOSPC
    return OSError(number, os.strerror(number))


def _code(error: sqlite3.Error) -> int:
    found: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return found

"""A copy of a store that is in use, under a name that nothing has yet."""

import errno
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from itertools import zip_longest
from pathlib import Path as FilePath
from urllib.parse import quote


def copy(connection: sqlite3.Connection, file: FilePath) -> None:
    """Copy the database of a connection to a new file, which appears whole or not at all.

    Raises OSError, FileExistsError where there is a file already, or sqlite3.Error.
    """
    if os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    part = beside(file)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(part)) as target:
            connection.backup(target)
        publish(part, file)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def is_copied(connection: sqlite3.Connection, file: FilePath) -> bool:
    """Whether a file is a copy of all that the database of a connection holds now."""
    path = quote(os.fsencode(os.path.abspath(file)))
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as kept,
    ):
        lines = zip_longest(connection.iterdump(), kept.iterdump())
        return all(ours == theirs for ours, theirs in lines)
    return False


def beside(file: FilePath) -> FilePath:
    """A new name beside a file."""
    return file.with_name(f"{file.name}.{secrets.token_hex(4)}")


def publish(part: FilePath, file: FilePath) -> None:
    """Give a file its name, for good, if nothing has it. Raises OSError."""
    sync(part)
    try:
        os.link(part, file)
        part.unlink()
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: look first.
        if os.path.lexists(file):
            raise
        part.rename(file)
    sync(file.parent)


def sync(path: FilePath) -> None:
    """Let a file or a folder survive a loss of power. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

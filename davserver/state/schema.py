"""The versions of the store's schema: which one a database has, and how it gets to ours."""

import sqlite3
from contextlib import suppress
from importlib import resources

VERSION = 2
"""The schema that this server reads and writes; `migrations/N.sql` makes N from N - 1."""

APPLICATION = 0x64617673
"""What marks a database as ours (`PRAGMA application_id`)."""


_TABLES = frozenset({"lock", "property"})
"""What a store of any version has."""
_IMPOSSIBLE = 100
"""A version that no store has."""


class UnknownSchema(Exception):
    """The file is a store of a newer version, or a database of another program."""


def version(connection: sqlite3.Connection) -> int:
    """The version of a database, 0 for an empty one. Raises UnknownSchema where it is not ours, or
    newer than this server, and sqlite3.Error: where it is ours and its marks are damaged, too.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    is_ours = application == APPLICATION
    if tables and not is_ours and not tables >= _TABLES:
        raise UnknownSchema("it is a database of another program")
    if tables and (not is_ours or not 0 < found < _IMPOSSIBLE):
        spoiled = sqlite3.DatabaseError("the marks of the store are damaged")
        spoiled.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise spoiled
    if found > VERSION:
        raise UnknownSchema(
            f"it was written by a newer davserver (schema {found}, this one knows "
            f"{VERSION}): start that one, or take what it exports into a new file with "
            "davserver import"
        )
    return int(found) if tables else 0


def migrate(connection: sqlite3.Connection, start: int) -> None:
    """Bring a database from a version to ours, all of it or nothing. Raises sqlite3.Error."""
    scripts = resources.files(__package__) / "migrations"
    steps = [
        (scripts / f"{number}.sql").read_text("utf-8") for number in range(start + 1, VERSION + 1)
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

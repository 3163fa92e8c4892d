"""Stores of every schema there has been are opened by today's server, and lose nothing."""

import re
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path as FilePath

import pytest

from davserver.state import schema
from davserver.state.inspection import Inspection
from davserver.state.rows import Rows
from davserver.state.sqlite import SqliteState
from tests.running import lacking, run
from tests.state import stores

FOLDER = FilePath(__file__).parent / "fixtures"
VERSIONS = range(1, schema.VERSION + 1)


@pytest.fixture(params=VERSIONS)
def file(request: pytest.FixtureRequest, tmp_path: FilePath) -> FilePath:
    """A copy of the store of a schema."""
    shutil.copyfile(FOLDER / f"schema-{request.param}.db", tmp_path / "state.db")
    return tmp_path / "state.db"


def version(file: FilePath) -> int:
    with closing(sqlite3.connect(file)) as opened:
        (found,) = opened.execute("PRAGMA user_version").fetchone()
    return int(found)


def require_all(rows: Rows, old: int) -> None:
    """Raises AssertionError where a row of the store of a schema is not there."""
    assert set(rows.with_properties(())) == set(stores.PROPERTIES)
    for path, stored in stores.PROPERTIES.items():
        assert rows.properties(path) == stored
    for lock in stores.LOCKS:
        found = rows.lock(lock.token, 0)
        assert found == lock
    stamps = rows.stamps(())
    intents = rows.intents()
    if old < 2:
        assert all(stamp.inode == stamp.kind == 0 for stamp in stamps.values())
        assert not intents
    else:
        assert [one.operation for one in intents] == [one.operation for one in stores.intents()]
        assert intents[0].target == stores.intents()[0].target
        assert intents[0].old_time == stores.intents()[0].old_time
        assert intents[0].moved == stores.stamp(intents[0].source)


def test_there_is_one_for_every_schema() -> None:
    """The next schema cannot be released without its own."""
    assert {path.name for path in FOLDER.iterdir()} == {f"schema-{n}.db" for n in VERSIONS}
    for number in VERSIONS:
        assert version(FOLDER / f"schema-{number}.db") == number


def test_it_is_opened_and_keeps_every_row(file: FilePath) -> None:
    old = version(file)
    state = SqliteState(file)
    rows = state.read()
    if old < 2:
        require_all(rows, old)
    else:
        # The locks have the stamps that the script has given to all rows of a path.
        assert {one.token for one in stores.LOCKS} == {
            one.token for one in rows.locks((), 0, below=True)
        }
        for path, stored in stores.PROPERTIES.items():
            assert rows.properties(path) == stored
            assert rows.stamps(path)[path] == stores.stamp(path)
    state.close()
    assert version(file) == schema.VERSION


@pytest.mark.parametrize("old", VERSIONS[:-1])
def test_what_it_was_is_kept(tmp_path: FilePath, old: int) -> None:
    """The copy is a store that can be started with again."""
    file = tmp_path / "state.db"
    shutil.copyfile(FOLDER / f"schema-{old}.db", file)
    SqliteState(file).close()
    copy = FilePath(f"{file}.schema-{old}")
    assert copy.stat().st_mode & 0o077 == 0
    assert version(copy) == old
    copy.rename(file)
    state = SqliteState(file)
    assert set(state.read().with_properties(())) == set(stores.PROPERTIES)
    state.close()


def test_what_was_restored_is_kept_beside_what_was_kept_before(tmp_path: FilePath) -> None:
    """Each time with other rows, and with names that are taken by what is no store."""
    file = tmp_path / "state.db"
    FilePath(f"{file}.schema-1-3").write_text("no store")
    FilePath(f"{file}.schema-1-4").mkdir()
    counts = {"": 6, "-2": 5, "-5": 4}
    for count in counts.values():
        for path in tmp_path.glob("state.db-[ws]*"):
            path.unlink()
        shutil.copyfile(FOLDER / "schema-1.db", file)
        with closing(sqlite3.connect(file)) as opened, opened:
            names = opened.execute("SELECT DISTINCT property FROM property").fetchall()
            opened.executemany("DELETE FROM property WHERE property = ?", names[: 6 - count])
        SqliteState(file).close()
    for end, count in counts.items():
        copy = FilePath(f"{file}.schema-1{end}")
        assert version(copy) == 1
        assert copy.stat().st_mode & 0o077 == 0
        with closing(sqlite3.connect(copy)) as opened:
            assert opened.execute("SELECT count(*) FROM property").fetchone() == (count,)


def test_what_is_kept_already_is_not_kept_again(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration fails at each of some starts."""
    file = tmp_path / "state.db"
    shutil.copyfile(FOLDER / "schema-1.db", file)

    def fail(connection: sqlite3.Connection, start: int) -> None:
        del connection, start
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "migrate", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="error"):
                SqliteState(file)
    SqliteState(file).close()
    assert [path.name for path in tmp_path.glob("*.schema-*")] == ["state.db.schema-1"]


def test_a_look_at_it_changes_nothing(file: FilePath) -> None:
    old, before = version(file), file.read_bytes()
    with Inspection(file) as found:
        assert found.version == old
        assert not found.complaints()
        assert set(found.rows.with_properties(())) == set(stores.PROPERTIES)
        assert len(found.rows.intents()) == (0 if old < 2 else len(stores.intents()))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["state.db"]


@pytest.mark.parametrize("statement", [1, 3, 7, 8])
def test_a_migration_that_fails_half_way_changes_nothing(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    """A statement of it fails; the next start, of a whole server, goes through."""
    file = tmp_path / "state.db"
    shutil.copyfile(FOLDER / "schema-1.db", file)
    scripts = tmp_path / "migrations"
    scripts.mkdir()
    text = (FilePath(schema.__file__).parent / "migrations" / "2.sql").read_text()
    parts = re.split(r"(?<=;)\n", text)
    parts.insert(statement, "INSERT INTO no_such_table VALUES (1);")
    (scripts / "2.sql").write_text("\n".join(parts))
    with monkeypatch.context() as patched:
        patched.setattr("davserver.state.schema.resources.files", lambda _: tmp_path)
        with pytest.raises(OSError, match="error"):
            SqliteState(file)
    assert version(file) == 1
    with closing(sqlite3.connect(file)) as opened:
        names = {name for (name,) in opened.execute("SELECT name FROM sqlite_schema")}
        assert "intent" not in names
        assert opened.execute("SELECT count(*) FROM property").fetchone() == (6,)
        columns = opened.execute("PRAGMA table_info(lock)").fetchall()
    assert len(columns) == 9
    state = SqliteState(file)
    require_all(state.read(), 1)
    state.close()


def test_no_migration_without_its_copy(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.db"
    shutil.copyfile(FOLDER / "schema-1.db", file)

    def full(self: SqliteState, copy: FilePath) -> None:
        del self, copy
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteState, "backup", full)
        with pytest.raises(OSError, match="space"):
            SqliteState(file)
    assert version(file) == 1
    assert not FilePath(f"{file}.schema-1").exists()


def test_a_full_disk_loses_nothing(tmp_path: FilePath) -> None:
    """However far it gets: what was there is there, in the one schema or the other."""
    point = tmp_path / "small"
    point.mkdir()
    outcomes = set()
    for kilobytes in range(36, 200, 12):
        options = f"size={kilobytes}k"
        if run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", point]).returncode:
            lacking("this user may not mount a tmpfs")
        try:
            file = point / "state.db"
            shutil.copyfile(FOLDER / "schema-1.db", file)
            with suppress(OSError):
                SqliteState(file).close()
            run(["mount", "-o", "remount,size=1m", point])
            outcomes.add(version(file))
            assert version(file) == 1 or FilePath(f"{file}.schema-1").exists()
            with Inspection(file) as found:
                assert not found.complaints()
                require_all(found.rows, 1)
        finally:
            run(["umount", point])
    assert outcomes == {1, 2}

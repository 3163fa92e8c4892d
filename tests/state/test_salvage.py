"""What can be read of a damaged store is saved, and the store itself is kept."""

import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path as FilePath

import pytest

from davserver.protocol.locks import Lock
from davserver.protocol.resources import Stamp
from davserver.state import Intent, Operation
from davserver.state.inspection import Inspection
from davserver.state.pages import Pages
from davserver.state.salvage import InUse, Salvage, salvage
from davserver.state.sqlite import SqliteState
from tests.running import lacking

PAGE = 4096
MANY = 600
"""Resources: enough for trees of several levels."""


def fill(file: FilePath, *, close: bool = True) -> SqliteState:
    state = SqliteState(file)
    with state.write() as writer:
        for number in range(MANY):
            path = ("srv", f"folder{number % 7}", f"file{number:04}\udcff")
            stamp = Stamp(number + 1, number * 10**15, 0o100000)
            writer.set_property(path, "{urn:x}p", f"<p xmlns='urn:x'>{number} é</p>", stamp)
            if number % 50 == 0:
                value = f"<q xmlns='urn:x'>{str(number) * 9000}</q>"
                writer.set_property(path, "{urn:x}q", value, stamp)
            if number % 3 == 0:
                writer.add_lock(
                    Lock(f"urn:{number}", path, True, False, "<o/>" * 50, "me", 9, number, stamp)
                )
        writer.add_intent(Intent(Operation.MOVE, ("srv", "a"), ("srv", "b"), new_time=1 << 80))
    state.ahead("boot", 1.5)
    if close:
        state.close()
    return state


def contents(file: FilePath) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
        return {
            table: set(opened.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("property", "lock", "intent", "clock")
        }


def spoil(file: FilePath, page: int, data: bytes = b"\0" * PAGE) -> None:
    with file.open("r+b") as opened:
        opened.seek((page - 1) * PAGE)
        opened.write(data)


def pages_of(file: FilePath, name: str, kind: str = "leaf") -> list[int]:
    """The pages of a table, in the order of its rows."""
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path"
    with closing(sqlite3.connect(file)) as opened:
        try:
            return [number for (number,) in opened.execute(query, (name, kind))]
        except sqlite3.OperationalError:
            lacking("this SQLite was built without dbstat")


def require_sound(file: FilePath) -> None:
    with Inspection(file) as found:
        assert not found.complaints()
        assert not found.owners


@pytest.fixture
def file(tmp_path: FilePath) -> FilePath:
    fill(tmp_path / "state.db")
    return tmp_path / "state.db"


def test_of_a_sound_store_everything_is_saved(file: FilePath) -> None:
    before = contents(file)
    saved = salvage(file)
    assert contents(file) == before
    assert saved == Salvage(MANY + 12, MANY // 3, 1, FilePath(f"{file}.damaged-1"))
    assert salvage(file).aside.name == "state.db.damaged-2"
    require_sound(file)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("property", "leaf"), ("property", "internal"), ("lock", "leaf"), ("lock", "internal")],
)
def test_a_lost_page_takes_its_own_rows_alone(file: FilePath, name: str, kind: str) -> None:
    """Also the page from which the others are reached, and several of them."""
    before = contents(file)
    pages = pages_of(file, name, kind)
    lost = pages if kind == "internal" else pages[1::3]
    assert lost
    for page in lost:
        spoil(file, page)
    with Inspection(file) as found:
        assert found.complaints()
    saved = salvage(file)
    after = contents(file)
    for table, rows in before.items():
        assert after[table] <= rows, "nothing is made up"
        if table != name:
            assert after[table] == rows
    if kind == "leaf":
        gone = len(before[name]) - len(after[name])
        assert 0 < gone <= len(lost) * 60
    else:
        # An inner page of a table without row numbers holds a few rows itself.
        assert len(before[name]) - len(after[name]) <= len(lost) * 60
    assert saved.properties == len(after["property"])
    require_sound(file)


def test_a_lost_schema_loses_no_row(file: FilePath) -> None:
    before = contents(file)
    data = bytearray(file.read_bytes()[:PAGE])
    data[100:] = bytes(PAGE - 100)
    spoil(file, 1, bytes(data))
    salvage(file)
    assert contents(file) == before
    require_sound(file)


def test_a_header_of_garbage_loses_no_row(file: FilePath) -> None:
    before = contents(file)
    spoil(file, 1, b"garbage!" * (PAGE // 8))
    with Inspection(file) as found:
        assert found.damage
    salvage(file)
    assert contents(file) == before
    require_sound(file)


def test_a_truncated_store(file: FilePath) -> None:
    before = contents(file)
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.truncate(size // 2 + 100)
    saved = salvage(file)
    after = contents(file)
    assert all(after[table] <= before[table] for table in before)
    assert saved.properties + saved.locks > 0
    require_sound(file)


def test_an_empty_and_a_foreign_file_save_nothing(tmp_path: FilePath) -> None:
    for content in (b"", b"x", b"no database" * 1000):
        file = tmp_path / "state.db"
        file.write_bytes(content)
        saved = salvage(file)
        assert (saved.properties, saved.locks, saved.intents) == (0, 0, 0)
        assert saved.aside.read_bytes() == content
        require_sound(file)


@pytest.mark.parametrize("breaks_header", [False, True])
def test_what_was_committed_to_the_log_alone_is_saved(
    tmp_path: FilePath, breaks_header: bool
) -> None:
    """A server was killed: the newest rows are in the write-ahead log, and nowhere else."""
    file = tmp_path / "state.db"
    state = fill(tmp_path / "live.db", close=False)
    with state.write() as writer:
        writer.remove_properties(("srv", "folder0"))
        writer.set_property(("new",), "p", "<p/>")
    for end in ("", "-wal"):
        (tmp_path / f"state.db{end}").write_bytes((tmp_path / f"live.db{end}").read_bytes())
    before = contents(tmp_path / "live.db")
    state.close()
    # A frame that was never committed, or is torn, does not count.
    with (tmp_path / "state.db-wal").open("ab") as log:
        log.write(b"\1" * 5000)
    if breaks_header:
        spoil(file, 1, b"garbage!" * (PAGE // 8))
    saved = salvage(file)
    after = contents(file)
    assert ("p", "<p/>") in {row[2:4] for row in after["property"]}
    if not breaks_header:
        assert after == before
    assert FilePath(f"{saved.aside}-wal").exists()
    assert not FilePath(f"{file}-wal").exists()
    require_sound(file)


def test_rows_of_an_older_schema_are_saved_too(tmp_path: FilePath) -> None:
    fixture = FilePath(__file__).parent / "fixtures" / "schema-1.db"
    file = tmp_path / "state.db"
    file.write_bytes(fixture.read_bytes())
    spoil(file, 1, b"garbage!" * (PAGE // 8))
    saved = salvage(file)
    assert (saved.properties, saved.locks) == (6, 3)
    require_sound(file)


def test_a_store_in_use_is_left_alone(file: FilePath) -> None:
    state = SqliteState(file)
    before = file.read_bytes()
    with pytest.raises(InUse):
        salvage(file)
    assert file.read_bytes() == before
    state.close()
    assert not list(file.parent.glob("*.damaged*"))


def test_where_it_fails_nothing_is_changed(file: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(file, pages_of(file, "property")[0])
    before = {path.name: path.read_bytes() for path in file.parent.iterdir() if path.is_file()}

    def full(path: FilePath) -> None:
        del path
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("davserver.state.copying.sync", full)
    with pytest.raises(OSError, match="space"):
        salvage(file)
    after = {path.name: path.read_bytes() for path in file.parent.iterdir() if path.is_file()}
    assert after.keys() == before.keys()
    assert after["state.db"] == before["state.db"]


def flip(data: bytearray, drawn: random.Random) -> None:
    data[drawn.randrange(len(data))] = drawn.randrange(256)


def zero(data: bytearray, drawn: random.Random) -> None:
    start = drawn.randrange(len(data))
    data[start : start + 700] = bytes(len(data[start : start + 700]))


def mix(data: bytearray, drawn: random.Random) -> None:
    one, other = (drawn.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[other : other + PAGE] = (
        data[other : other + PAGE],
        data[one : one + PAGE],
    )


@pytest.mark.parametrize("harm", [flip, zero, mix])
def test_no_harm_makes_it_fail(
    file: FilePath, tmp_path: FilePath, harm: Callable[[bytearray, random.Random], None]
) -> None:
    sound = file.read_bytes()
    for seed in range(12):
        drawn = random.Random(seed)
        data = bytearray(sound)
        for _ in range(20):
            harm(data, drawn)
        spoilt = tmp_path / f"{harm.__name__}{seed}.db"
        spoilt.write_bytes(bytes(data))
        saved = salvage(spoilt)
        assert saved.aside.read_bytes() == bytes(data)
        require_sound(spoilt)
        state = SqliteState(spoilt)
        assert not state.damage
        state.read().intents()
        state.close()


def test_removed_rows_do_not_come_back(tmp_path: FilePath) -> None:
    """Pages that are free keep what was on them, unless SQLite was built to wipe it."""
    file = tmp_path / "state.db"
    state = fill(file, close=False)
    state._connection().execute("PRAGMA secure_delete = OFF")
    with state.write() as writer:
        writer.remove_properties(("srv", "folder3"))
    state.close()
    before = contents(file)
    spoil(file, pages_of(file, "lock")[0])
    salvage(file)
    assert contents(file)["property"] == before["property"]


def test_pages_alone_read_every_row(file: FilePath) -> None:
    """Without SQLite, and with rows that go over several pages."""
    found = {values for _, values in Pages(file).rows() if len(values) == 7}
    assert found == contents(file)["property"]
    (size,) = struct.unpack_from(">H", file.read_bytes(), 16)
    assert size == PAGE

"""The store in one SQLite file: its processes, its versions, its permissions."""

import errno
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import pytest

from davserver.protocol.faults import Fault
from davserver.state import State
from davserver.state.inspection import Inspection
from davserver.state.salvage import salvage
from davserver.state.schema import VERSION, UnknownSchema
from davserver.state.sqlite import SqliteState

A = ("a",)

WRITER = """
import sys
from pathlib import Path
from davserver.state.sqlite import SqliteState
state = SqliteState(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    with state.write() as writer:
        found = writer.properties(("counter",)).get("n", "0")
        writer.set_property(("counter",), "n", str(int(found) + 1))
state.close()
"""


def test_two_processes_write_one_after_the_other(tmp_path: FilePath) -> None:
    """Each reads what the other has written: no count is lost."""
    file = tmp_path / "state.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), "200"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in writers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in writers:
        one.communicate("go\n", timeout=60)
        assert one.returncode == 0
    state: State = SqliteState(file)
    assert state.read().properties(("counter",)) == {"n": "400"}
    state.close()


def test_a_killed_writer_holds_nobody_up(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    code = WRITER.replace('print("ready", flush=True)\nsys.stdin.readline()', "").replace(
        "        found =", '        print("inside", flush=True); sys.stdin.readline(); found ='
    )
    command = [sys.executable, "-c", code, str(file), "1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "inside\n"
        holder.kill()
        holder.wait()
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    assert state.read().with_properties(()) == (A,)
    state.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_commit_is_synced_where_that_was_promised(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, durable: bool, synchronous: int
) -> None:
    """Every connection that writes has asked for it: SQLite does not keep the setting."""
    asked: dict[int, int] = {}

    class Connection(sqlite3.Connection):
        def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
            if query == "COMMIT":
                ((found,),) = super().execute("PRAGMA synchronous").fetchall()
                asked[id(self)] = found
            return super().execute(query, *values)

    connect = partial(sqlite3.connect, factory=Connection)
    monkeypatch.setattr(sqlite3, "connect", connect)
    state = SqliteState(tmp_path / "state.db", durable=durable)

    def write() -> None:
        with state.write() as writer:
            writer.set_property(A, "p", "<p/>")

    write()
    other = threading.Thread(target=write)
    other.start()
    other.join()
    assert list(asked.values()) == [synchronous, synchronous]
    state.close()


def in_a_new_thread(do: Callable[[], object]) -> None:
    """A thread that has no connection yet."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as error:
            raised.append(error)

    other = threading.Thread(target=run)
    other.start()
    other.join()
    for error in raised:
        raise error


@pytest.mark.parametrize("lost", ["gone", "another", "a folder"])
def test_a_file_that_is_gone_blocks_no_reading(tmp_path: FilePath, lost: str) -> None:
    """What is written to a file without a name would be lost: nothing is acknowledged any more."""
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    file.unlink()
    if lost == "another":
        SqliteState(file).close()
    elif lost == "a folder":
        file.mkdir()
    with pytest.raises(Fault, match="403"), state.write() as writer:
        writer.set_property(A, "q", "<q/>")
    assert "gone" in state.damage
    in_a_new_thread(lambda: state.read().properties(A))
    assert dict(state.read().properties(A)) == {}
    assert lost != "gone" or not file.exists()
    state.close()


@pytest.mark.parametrize("first", ["read", "write"])
def test_a_thread_that_cannot_open_it_any_more_blocks_no_reading(
    tmp_path: FilePath, first: str
) -> None:
    state = SqliteState(tmp_path / "folder" / "state.db")
    shutil.rmtree(tmp_path / "folder")

    def write() -> None:
        with pytest.raises(Fault, match="403"), state.write() as writer:
            writer.remove_lock("urn:t:1")

    for _ in range(2):
        in_a_new_thread(write if first == "write" else lambda: state.read().properties(A))
    assert state.damage == "gone"
    state.close()


def test_without_descriptors_nothing_is_damaged(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SqliteState(tmp_path / "state.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        with suppress(OSError):
            for _ in range(soft):
                held.append(os.open("/", os.O_RDONLY))
                if len(held) == 1:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 8, hard))
        with pytest.raises(OSError, match="Too many open files"):
            in_a_new_thread(lambda: state.read().properties(A))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in held:
            os.close(one)
    assert state.damage == ""
    in_a_new_thread(lambda: state.read().properties(A))
    state.close()


@pytest.mark.parametrize("lasts", [True, False])
def test_what_cannot_be_read_blocks_no_reading(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, lasts: bool
) -> None:
    """An error that does not come again is told as it is, one that lasts is damage."""
    fails = [True]

    class Connection(sqlite3.Connection):
        def execute(self, query: str, values: Any = ()) -> sqlite3.Cursor:
            if fails and query.startswith(("SELECT", "PRAGMA quick_check")):
                if not lasts:
                    fails.clear()
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
                raise error
            return super().execute(query, values)

    fails.clear()
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
    state = SqliteState(tmp_path / "state.db")
    fails.append(True)
    if lasts:
        assert dict(state.read().properties(A)) == {}
        assert state.damage == "not to be read"
    else:
        with pytest.raises(OSError, match="Input/output error"):
            state.read().properties(A)
        assert state.damage == ""
        assert dict(state.read().properties(A)) == {}
    state.close()


def test_a_newer_schema_is_refused(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    SqliteState(file).close()
    with sqlite3.connect(file) as opened:
        opened.execute(f"PRAGMA user_version = {VERSION + 1}")
    opened.close()
    before = file.read_bytes()
    with pytest.raises(UnknownSchema, match="newer"):
        SqliteState(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("version", [0, VERSION])
def test_a_database_of_another_program_is_refused(tmp_path: FilePath, version: int) -> None:
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as opened:
        opened.execute("CREATE TABLE theirs (a)")
        opened.execute(f"PRAGMA user_version = {version}")
    opened.close()
    with pytest.raises(UnknownSchema):
        SqliteState(file)


def test_what_is_no_database_can_be_read_past_and_stays(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"no database at all" * 100)
    state = SqliteState(file)
    assert state.damage
    assert state.read().properties(A) == {}
    with pytest.raises(Fault, match="403"), state.write():
        pass
    state.close()
    assert file.read_bytes() == b"no database at all" * 100


def test_a_store_with_a_spoiled_page_is_not_written_to(tmp_path: FilePath) -> None:
    """Not even elsewhere in it: what is there can still be saved."""
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        for number in range(300):
            writer.set_property(("a", f"{number:03}"), "p", "<p/>" * 20)
    state.close()
    size = 4096
    last = file.stat().st_size // size - 1
    with file.open("r+b") as opened:
        opened.seek(last * size)
        opened.write(bytes(size))
    before = file.read_bytes()
    state = SqliteState(file)
    assert state.damage
    with pytest.raises(Fault, match="403"), state.write():
        pass
    state.close()
    assert file.read_bytes() == before


def test_the_file_is_for_its_owner_alone(tmp_path: FilePath) -> None:
    state = SqliteState(tmp_path / "new" / "state.db")
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    for path in (tmp_path / "new").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    state.close()


def test_a_store_that_is_busy_too_long_is_503(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("davserver.state.sqlite.BUSY_SECONDS", 0.05)
    state = SqliteState(tmp_path / "state.db")
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Fault, match="503"), state.write() as writer:
        writer.remove_lock("urn:t:1")
    with state.write() as writer:
        assert not writer.has_rows(A), "what changes no row needs nobody's leave"
    other.execute("ROLLBACK")
    other.close()
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    state.close()


@pytest.mark.parametrize(
    ("offset", "bit"), [(68, 0), (71, 7), (60, 0), (62, 1)], ids=["id", "id, low", "version", "low"]
)
def test_marks_that_are_damaged_block_no_reading(tmp_path: FilePath, offset: int, bit: int) -> None:
    """Of the header of a database (SQLite's file format, section 1.3)."""
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    state.close()
    octets = bytearray(file.read_bytes())
    octets[offset] ^= 1 << bit
    file.write_bytes(octets)
    state = SqliteState(file)
    assert state.damage == "damaged"
    assert state.read().with_properties(()) == ()
    with pytest.raises(Fault):
        state.write()
    state.close()
    with Inspection(file) as seen:
        assert seen.damage == "damaged"
    assert salvage(file).properties == 1
    state = SqliteState(file)
    assert state.read().with_properties(()) == (A,)
    state.close()


def test_a_file_that_was_emptied_is_no_new_one(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    file.touch()
    state = SqliteState(file)
    assert not state.damage
    state.close()
    file.write_bytes(b"")
    state = SqliteState(file)
    assert "empty" in state.damage
    with pytest.raises(Fault):
        state.write()
    state.close()
    with Inspection(file) as seen:
        assert "empty" in seen.damage
    salvage(file)
    state = SqliteState(file)
    assert not state.damage
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    state.close()


def test_a_limit_of_file_sizes_is_told_as_what_it_is(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FilePath(f"{file}-wal").stat().st_size, limits[1]))
    try:
        with pytest.raises(OSError, match="large") as raised, state.write() as writer:
            writer.set_property(A, "p", f"<p>{'x' * 100_000}</p>")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    with state.write() as writer:
        writer.set_property(A, "p", "<q/>")
    assert state.read().properties(A) == {"p": "<q/>"}
    state.close()

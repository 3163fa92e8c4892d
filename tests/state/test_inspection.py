"""A look at a store changes nothing: in use, at rest, and after its server was killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path as FilePath

import pytest

from davserver.state.inspection import Inspection
from davserver.state.owners import living
from davserver.state.schema import UnknownSchema
from davserver.state.sqlite import SqliteState

A = ("a",)

HOLDER = """
import sys
from pathlib import Path
from davserver.state.sqlite import SqliteState
state = SqliteState(Path(sys.argv[1]))
with state.write() as writer:
    writer.set_property(("a",), "p", "<p/>")
print("ready", flush=True)
sys.stdin.readline()
"""


def digest(folder: FilePath) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


def kept(file: FilePath) -> dict[str, str]:
    with Inspection(file) as found:
        assert not found.complaints()
        return dict(found.rows.properties(A))


def test_at_rest(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    state.close()
    before = digest(tmp_path)
    assert kept(file) == {"p": "<p/>"}
    assert digest(tmp_path) == before


def test_in_use(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    before = digest(tmp_path)
    with Inspection(file) as found:
        assert len(found.owners) == 1
        assert found.rows.properties(A) == {"p": "<p/>"}
        with state.write() as writer:
            writer.set_property(A, "q", "<q/>")
        assert found.rows.properties(A) == {"p": "<p/>"}, "one look is one time"
    assert kept(file) == {"p": "<p/>", "q": "<q/>"}
    assert digest(tmp_path).keys() == before.keys()
    state.close()
    assert not living(tmp_path / "state.db-owners")


def test_after_a_kill(tmp_path: FilePath) -> None:
    file = tmp_path / "state.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        assert len(living(tmp_path / "state.db-owners")) == 1
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    before = digest(tmp_path)
    assert (tmp_path / "state.db-wal").stat().st_size
    assert kept(file) == {"p": "<p/>"}
    assert digest(tmp_path) == before


def test_what_is_not_there_is_not_made(tmp_path: FilePath) -> None:
    with pytest.raises(FileNotFoundError):
        Inspection(tmp_path / "none.db")
    assert not list(tmp_path.iterdir())


def test_a_database_of_another_program(tmp_path: FilePath) -> None:
    with closing(sqlite3.connect(tmp_path / "x")) as theirs:
        theirs.execute("CREATE TABLE theirs (a)")
    with pytest.raises(UnknownSchema):
        Inspection(tmp_path / "x")


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"\0" * 9000])
def test_what_is_no_database_is_damaged(tmp_path: FilePath, content: bytes) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(content)
    with Inspection(file) as found:
        assert found.damage
        assert found.complaints()
        assert found.rows.properties(A) == {}
        assert found.rows.intents() == ()
    assert os.listdir(tmp_path) == ["state.db"]


def test_an_odd_name(tmp_path: FilePath) -> None:
    file = tmp_path / "s?a#t%20\udcff é.db"
    state = SqliteState(file)
    with state.write() as writer:
        writer.set_property(A, "p", "<p/>")
    state.close()
    assert kept(file) == {"p": "<p/>"}

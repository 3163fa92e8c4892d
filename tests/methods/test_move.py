"""MOVE where one rename cannot do it (RFC 4918 section 9.9)."""

import errno
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from davserver.counts import STORAGE_ERRORS, Totals
from davserver.methods.outcome import FINAL
from davserver.protocol import multistatus
from davserver.protocol.paths import Path as PathOfState
from davserver.state import Intent, Operation
from davserver.state.changes import WritableRows
from davserver.tree import Directory, Opened
from tests.methods.conftest import Place
from tests.security.inside import Inside

TO = "Destination: /two/dst"


def plant(top: Path) -> None:
    """A private collection with a file, and a collection in it."""
    (top / "src" / "sub").mkdir(parents=True)
    (top / "src" / "f").write_text("first")
    (top / "src" / "sub" / "g").write_text("second")
    (top / "src" / "f").chmod(0o640)
    (top / "src" / "sub").chmod(0o750)
    (top / "src").chmod(0o700)
    for path in ("src/f", "src/sub/g", "src/sub", "src"):
        os.utime(top / path, ns=(10**18, 10**18 + len(path)))


def test_modes_and_times_go_along_to_another_file_system(across: Place) -> None:
    plant(across.one)
    assert across.app("MOVE", "/one/src", TO, user="alice").status == 201
    for path, mode in (("", 0o700), ("f", 0o640), ("sub", 0o750), ("sub/g", 0o644)):
        facts = (across.two / "dst" / path).stat()
        assert stat.S_IMODE(facts.st_mode) == mode, path
        assert facts.st_mtime_ns == 10**18 + len(f"src/{path}".rstrip("/")), path
    assert not (across.one / "src").exists()
    assert across.leftovers() == []


def test_a_file_takes_the_place_of_a_collection_on_another_file_system(across: Place) -> None:
    (across.one / "src").write_text("file")
    (across.two / "dst" / "deep").mkdir(parents=True)
    (across.two / "dst" / "deep" / "x").write_text("old")
    assert across.app("MOVE", "/one/src", TO, user="alice").status == 204
    assert (across.two / "dst").read_text() == "file"
    assert across.leftovers() == []


@pytest.mark.parametrize("share", ["one", "two"])
def test_nothing_is_replaced_by_half_a_tree(across: Place, share: str) -> None:
    """A member that somebody else has locked keeps both trees as they are."""
    plant(across.one)
    target = across.one if share == "one" else across.two
    (target / "dst").mkdir()
    (target / "dst" / "precious").write_text("precious")
    across.app.lock("/one/src/sub/g", user="bob")
    answer = across.app("MOVE", "/one/src", f"Destination: /{share}/dst", user="alice")
    assert answer.status == 207
    failed = multistatus.parse(answer.body)
    assert [(one.href, one.status) for one in failed] == [("/one/src/sub/g", 423)]
    assert (target / "dst" / "precious").read_text() == "precious"
    assert sorted(path.name for path in (across.one / "src").rglob("*")) == ["f", "g", "sub"]
    assert across.leftovers() == []


def test_a_source_that_is_written_meanwhile_is_not_lost(
    across: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (across.one / "src").write_text("old")
    carry = Directory.carry

    def carry_then_write(there: Directory, source: Opened, name: str) -> None:
        carry(there, source, name)
        (across.one / "src").write_text("new content")

    monkeypatch.setattr(Directory, "carry", carry_then_write)
    assert across.app("MOVE", "/one/src", TO, user="alice").status == 409
    assert (across.one / "src").read_text() == "new content"
    assert not (across.two / "dst").exists()
    assert across.leftovers() == []


def test_a_walk_goes_on_around_what_is_locked(across: Place) -> None:
    plant(across.one)
    across.app.lock("/one/src/sub/g", user="bob")
    assert across.app("MOVE", "/one/src", TO, user="alice").status == 207
    assert (across.two / "dst" / "f").read_text() == "first"
    assert (across.one / "src" / "sub" / "g").read_text() == "second"
    assert not (across.one / "src" / "f").exists()
    assert stat.S_IMODE((across.two / "dst").stat().st_mode) == 0o700


def test_what_is_still_to_be_discarded_goes_along_or_keeps_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing moves where the rows that have to follow cannot be written."""
    (tmp_path / "top" / "src").mkdir(parents=True)
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})
    left = tmp_path / "top" / "src" / ".~dav-00000000000000aa"
    left.mkdir()
    with app.shares.state.write() as writer:
        writer.add_intent(Intent(Operation.DISCARD, left.parts[1:], lasts=True))
    monkeypatch.setattr("davserver.state.sqlite.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    again = Inside(tmp_path / "state.db", {"": tmp_path / "top"})
    assert again("MOVE", "/src", "Destination: /dst").status == 503
    assert left.exists()
    other.execute("ROLLBACK")
    real = WritableRows.move_discards
    failing = [OSError(errno.EIO, "on purpose")]

    def move_discards(writer: WritableRows, source: PathOfState, target: PathOfState) -> None:
        if failing:
            raise failing.pop()
        real(writer, source, target)

    monkeypatch.setattr(WritableRows, "move_discards", move_discards)
    assert again("MOVE", "/src", "Destination: /dst").status == 500
    assert os.listdir(tmp_path / "top") == ["dst"]
    again.shares.tend()
    assert os.listdir(tmp_path / "top" / "dst") == []
    other.close()
    again.close()
    app.close()


def test_a_tree_without_rows_needs_no_leave_of_whoever_keeps_the_store_busy(
    tmp_path: Path,
) -> None:
    (tmp_path / "top" / "src").mkdir(parents=True)
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert app("MOVE", "/src", "Destination: /dst").status == 201
    other.close()
    app.close()
    assert os.listdir(tmp_path / "top") == ["dst"]


@pytest.mark.parametrize("method", ["MOVE", "DELETE"])
@pytest.mark.parametrize("number", sorted(FINAL))
def test_a_storage_that_fails_is_no_reason_for_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, number: int
) -> None:
    (tmp_path / "top" / "src").mkdir(parents=True)
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})

    def rename(*_: object) -> None:
        raise OSError(number, "on purpose")

    monkeypatch.setattr(Directory, "rename", rename)
    counted = Totals().of(STORAGE_ERRORS)[errno.errorcode[number]]
    answer = app(method, "/src", *(["Destination: /dst"] if method == "MOVE" else []))
    assert answer.status == (500 if number == errno.EIO else 503)
    assert Totals().of(STORAGE_ERRORS)[errno.errorcode[number]] == counted + 1
    assert "src" in os.listdir(tmp_path / "top")
    monkeypatch.undo()
    app.close()
    assert os.listdir(tmp_path / "top") == ["src"]

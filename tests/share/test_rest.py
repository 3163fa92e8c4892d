"""At rest a tree holds nothing of the server's own: a stop discards what it has the time for."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Never

import pytest

from davserver.protocol import faults
from davserver.protocol.locks import Lock
from davserver.share import leftovers
from davserver.tree import TRASH
from tests.running import Running
from tests.security.inside import Inside
from tests.wire import talk


def plant(top: Path, files: int) -> None:
    top.mkdir()
    for number in range(files):
        (top / f"{number}").touch()


def test_a_stop_right_after_a_delete_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    plant(root / "tree", 3000)
    server = Running(root, state=tmp_path / "state.db").start()
    try:
        assert talk.ask(server.port, "DELETE /tree/").status == 204
        assert os.listdir(root / TRASH), "or there is nothing to show"
    finally:
        assert server.stop() == 0
    assert os.listdir(root) == []


def test_a_stop_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GRACE", -1.0)
    root = tmp_path / "root"
    root.mkdir()
    plant(root / "tree", 10)
    app = Inside(tmp_path / "state.db", {"": root})
    assert app("DELETE", "/tree").status == 204
    app.shares.hurry()
    app.shares.tend()
    app.close()
    (left,) = os.listdir(root / TRASH)
    assert len(os.listdir(root / TRASH / left)) == 10
    again = Inside(tmp_path / "state.db", {"": root})
    again.shares.recover()
    again.shares.tend()
    again.close()
    assert os.listdir(root) == []


def test_a_lock_that_has_ended_leaves_no_row(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with closing(Inside(tmp_path / "state.db", {"": root})) as app:
        own, now = app.shares, app.shares.now
        with own.state.write() as writer:
            for token, seconds in (("ended", -1), ("lives", 60)):
                key = own.to_read((token,)).key
                writer.add_lock(Lock(token, key, False, True, "", "", 60, now + seconds))
        assert own.state.read().first_end() < now
        own.tend()
        assert own.state.read().first_end() == now + 60
        revision = own.state.revision()
        own.tend()
        assert own.state.revision() == revision


def test_a_store_that_cannot_be_read_once_is_tended_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with closing(Inside(tmp_path / "state.db", {"": root})) as app:
        plant(root / "tree", 3)
        assert app("DELETE", "/tree").status == 204
        with monkeypatch.context() as patched:
            patched.setattr(app.shares.state, "read", busy)
            app.shares.tend()
            assert os.listdir(root) == [TRASH]
        app.shares.tend()
        assert os.listdir(root) == []


def busy() -> Never:
    raise faults.busy()


def test_locks_that_cannot_be_forgotten_keep_nothing_from_being_discarded(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state.db"
    root.mkdir()
    with closing(Inside(state, {"": root})) as app, closing(sqlite3.connect(state)) as other:
        own, now = app.shares, app.shares.now
        with own.state.write() as writer:
            key = own.to_read(("ended",)).key
            writer.add_lock(Lock("ended", key, False, True, "", "", 60, now - 1))
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            plant(root / "tree", 3)
            assert app("DELETE", "/tree").status == 204
            own.tend()
            assert os.listdir(root) == []
        other.rollback()
        own.tend()
        assert own.state.read().first_end() < now, "it is tried again, but not at once"

"""`davserver backup`: a copy of locks and properties that a server can be started with."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from davserver.state.inspection import Inspection
from tests.commands.ground import COMMAND, Ground, digest, xml
from tests.running import Running, run
from tests.wire import talk


def test_a_backup_is_a_state(ground: Ground, tmp_path: Path) -> None:
    ground.give("a", "folder/b")
    before, rows = digest(ground.root, ground.file.parent), ground.rows()
    copy = tmp_path / "copy.db"
    said = ground.run("backup", "--output", copy)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{ground.file} is saved as {copy}\n"
    assert copy.stat().st_mode & 0o077 == 0
    assert digest(ground.root, ground.file.parent) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "root", "state"]
    ground.file = copy
    assert ground.rows() == rows
    assert ground.run("check").code == 0


def test_it_never_overwrites(ground: Ground, tmp_path: Path) -> None:
    ground.give("a")
    (tmp_path / "there").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("there", "dangling"):
        said = ground.run("backup", "--output", tmp_path / name)
        assert (said.code, said.out) == (1, "")
        assert "is there already" in said.err
    said = ground.run("backup", "--output", ground.file)
    assert said.code == 1
    assert (tmp_path / "there").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be(ground: Ground, tmp_path: Path) -> None:
    ground.give("a")
    before = digest(ground.root)
    said = ground.run("backup")
    assert (said.code, "--output FILE" in said.err) == (2, True)
    said = ground.run("backup", "--output", ground.root / "copy")
    assert (said.code, "must not lie in a served directory" in said.err) == (2, True)
    said = ground.run("backup", "--output", tmp_path / "none" / "copy")
    assert (said.code, "No such file or directory" in said.err) == (1, True)
    assert digest(ground.root) == before


def test_where_it_fails_nothing_stays(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.give("a")

    def full(path: Path) -> None:
        del path
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("davserver.state.copying.sync", full)
        said = ground.run("backup", "--output", tmp_path / "copy")
    assert said.code == 1
    assert "No space left" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "state"]


def test_file_and_name_are_synced(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.give("a")
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr("davserver.state.copying.os.fsync", fsync)
    assert ground.run("backup", "--output", tmp_path / "copy").code == 0
    assert str(tmp_path) in synced
    assert any(path.startswith(f"{tmp_path}/copy.") for path in synced)


def test_a_damaged_state_is_not_copied(ground: Ground, tmp_path: Path) -> None:
    ground.give(*(f"f{number}" for number in range(200)))
    with closing(sqlite3.connect(ground.file)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")
    data = bytearray(ground.file.read_bytes())
    data[4096 * 4 : 4096 * 5] = bytes(4096)
    ground.file.write_bytes(bytes(data))
    said = ground.run("backup", "--output", tmp_path / "copy")
    assert said.code == 1
    assert "not copied" in said.err
    assert not (tmp_path / "copy").exists()


def test_under_load_it_is_one_moment(ground: Ground, tmp_path: Path) -> None:
    """Threads change files and properties over HTTP. Each copy is whole: what it says of files
    that have stayed is true, and a server that starts with it is of one mind with the tree.
    """
    body = f"<propertyupdate xmlns='DAV:'><set><prop>{xml('v')}</prop></set></propertyupdate>"
    copies = [tmp_path / f"copy{number}.db" for number in range(3)]
    with Running(ground.root, state=ground.file) as server:
        for number in range(10):
            assert talk.ask(server.port, f"PUT /stays{number}", body=b"x").status == 201
            patched = talk.ask(server.port, f"PROPPATCH /stays{number}", body=body.encode())
            assert patched.status == 207
        over = threading.Event()
        failed: list[int] = []

        def load(own: int) -> None:
            number = 0
            while not over.is_set():
                number = (number + 1) % 10
                for ask, sent in (
                    (f"PUT /{own}-{number}", b"x"),
                    (f"PROPPATCH /{own}-{number}", body.encode()),
                    (f"MOVE /{own}-{number}", b""),
                    (f"DELETE /{own}-{number}-moved", b""),
                ):
                    header = f"Destination: /{own}-{number}-moved"
                    status = talk.ask(server.port, ask, header, body=sent).status
                    if status >= 400:
                        failed.append(status)

        threads = [threading.Thread(target=load, args=(own,)) for own in range(3)]
        for thread in threads:
            thread.start()
        try:
            for copy in copies:
                given = (ground.root, "--state", ground.file, "--output", copy)
                done = run([*COMMAND, "backup", *given])
                assert (done.returncode, done.stderr) == (0, "")
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not failed
    for copy in copies:
        with Inspection(copy) as found:
            assert not found.complaints()
            stays = [key for key in found.rows.with_properties(()) if key[-1].startswith("stays")]
            assert len(stays) == 10
    # The tree goes on after a copy was made: what has gone since is what the repair drops.
    ground.file = copies[-1]
    with Running(ground.root, state=ground.file) as server:
        listed = talk.ask(server.port, "PROPFIND /", "Depth: 1").body
        assert listed.count(b">v</x:p>") >= 10
        assert talk.ask(server.port, "PUT /stays0", body=b"y").status == 204
    assert ground.run("check", "--repair").code == 0
    said = ground.run("check")
    assert (said.code, said.findings) == (0, [])
    assert len(ground.rows()[0]) >= 10


def test_a_backup_of_files_and_state_together(ground: Ground, tmp_path: Path) -> None:
    """The state first, then the files: on another disk all inodes are others, and all rows stay."""
    ground.give("a", "folder/b")
    assert ground.run("backup", "--output", tmp_path / "copy.db").code == 0
    shutil.copytree(ground.root, tmp_path / "restored")
    shutil.rmtree(ground.root)
    (tmp_path / "restored").rename(ground.root)
    ground.file = tmp_path / "copy.db"
    said = ground.run("check")
    assert said.code == 0
    assert all("was replaced" in line for line in said.findings)
    assert ground.run("check", "--repair").code == 0
    assert ground.run("check").findings == []
    assert set(ground.rows()[0]) == {"a", "folder/b"}

"""`davserver check` finds what does not fit together, and with `--repair` mends it."""

import os
import signal
import subprocess
import threading
import tomllib
from pathlib import Path

import pytest

from davserver import cli
from davserver.protocol.paths import RESERVED_PREFIX
from davserver.protocol.resources import Stamp
from davserver.state import Intent, Operation
from davserver.state.sqlite import SqliteState
from davserver.tree import TRASH
from tests.commands.ground import COMMAND, Ground, digest, xml
from tests.running import Running, lacking, run
from tests.wire import talk

LEFT = f"{RESERVED_PREFIX}0123456789abcdef"


def test_without_a_state_it_says_so_and_makes_none(ground: Ground) -> None:
    for arguments in ((), ("--repair",)):
        said = ground.run("check", *arguments)
        assert (said.code, said.err) == (0, "")
        assert "is not there yet" in said.out
        assert tomllib.loads(said.out)["root"] == str(ground.root)
        assert not list(ground.file.parent.iterdir())


def test_without_a_state_leftovers_are_found_and_removed(ground: Ground) -> None:
    """Of a server whose state was lost, or was another one."""
    (ground.root / TRASH / LEFT).mkdir(parents=True)
    (ground.root / "folder").mkdir()
    (ground.root / "folder" / f"{RESERVED_PREFIX}00000000000000aa").write_text("")
    before = digest(ground.root)
    said = ground.run("check")
    assert said.code == 1
    assert "is not there yet" in said.out
    assert said.findings == [
        f"wrong: {ground.root}/{TRASH}/{LEFT}: was removed, and is still to be discarded",
        f"wrong: {ground.root}/folder/{RESERVED_PREFIX}00000000000000aa: "
        "is left over: it is to be removed",
    ]
    assert "davserver check --repair mends" in said.out
    assert digest(ground.root) == before
    assert not list(ground.file.parent.iterdir())
    said = ground.run("check", "--repair")
    assert said.code == 0, said.out
    assert "is not there yet" in said.out
    assert [line.split(":")[0] for line in said.findings] == ["mended", "mended"]
    assert [path.name for path in ground.root.rglob("*")] == ["folder"]
    assert ground.run("check").code == 0


def test_without_a_state_none_is_made_for_a_share_that_is_read_only(ground: Ground) -> None:
    (ground.root / LEFT).write_text("")
    before = digest(ground.root)
    said = ground.run("check", "--repair", "--read-only")
    assert said.code == 1
    assert any("its share is read-only" in line for line in said.findings)
    assert digest(ground.root) == before
    assert not list(ground.file.parent.iterdir())


def test_without_a_state_a_home_can_be_looked_at(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state will lie in the tree, and there is no folder yet that could be hidden."""
    monkeypatch.setenv("XDG_STATE_HOME", str(ground.root / "own"))
    (ground.root / LEFT).write_text("")
    assert cli.main(("check", str(ground.root))) == 1
    assert f"{LEFT}: is left over" in capsys.readouterr().out
    assert cli.main(("check", "--repair", str(ground.root))) == 0
    assert [path.name for path in ground.root.iterdir()] == ["own"]


def test_what_fits_together_is_sound(ground: Ground) -> None:
    ground.give("a", "folder/b", "é \n")
    before = digest(ground.root, ground.file.parent)
    said = ground.run("check")
    assert (said.code, said.findings, said.err) == (0, [], "")
    assert said.out.endswith("# sound\n")
    assert "schema 2, not in use" in said.out
    assert digest(ground.root, ground.file.parent) == before, "it only looks"
    assert ground.run("check", "--repair").code == 0
    assert len(ground.rows()[0]) == len(ground.rows()[1]) == 3


def test_it_tells_what_the_file_system_can_do(ground: Ground) -> None:
    said = ground.run("check")
    for expected in ("can: ", "hard links", "uploads: ", "moved files: "):
        assert expected in said.out
    assert not list(ground.root.iterdir())


def test_an_orphan_row_is_dropped_and_kept_for_import(ground: Ground) -> None:
    ground.give("a", "folder/b", "folder/c")
    (ground.root / "folder" / "b").unlink()
    before = digest(ground.root, ground.file.parent)
    said = ground.run("check")
    assert said.code == 1
    assert len(said.findings) == 1
    assert f"{ground.root}/folder/b: has locks or properties, and is not there" in said.findings[0]
    assert "davserver check --repair mends" in said.out
    assert digest(ground.root, ground.file.parent) == before
    said = ground.run("check", "--repair")
    assert said.code == 0
    assert [line.split(":")[0] for line in said.findings] == ["note", "mended"]
    assert set(ground.rows()[0]) == set(ground.rows()[1]) == {"a", "folder/c"}
    (dropped,) = ground.file.parent.glob("*.dropped-1.jsonl")
    assert dropped.stat().st_mode & 0o077 == 0
    assert xml("folder/b") in dropped.read_text().encode().decode("unicode_escape")
    assert ground.run("check").code == 0


def test_rows_of_a_tree_that_is_gone(ground: Ground) -> None:
    """More than are mended at once."""
    names = [f"gone/{number}" for number in range(150)]
    ground.give(*names, "stays")
    subprocess.run(["rm", "-r", ground.root / "gone"], check=True)
    said = ground.run("check")
    assert said.code == 1
    assert "and 50 more of the kind: orphan" in said.out
    assert ground.run("check", "--repair").code == 0
    assert set(ground.rows()[0]) == {"stays"}


def test_a_moved_file_keeps_its_rows(ground: Ground) -> None:
    ground.give("a", "folder/b", "folder/deep/c")
    (ground.root / "other").mkdir()
    (ground.root / "a").rename(ground.root / "other" / "a2")
    (ground.root / "folder").rename(ground.root / "folder2")
    said = ground.run("check")
    assert said.code == 1
    assert len(said.findings) == 3
    assert all("and is now" in line for line in said.findings)
    assert ground.run("check", "--repair").code == 0
    properties, locks = ground.rows()
    assert properties == {
        "other/a2": xml("a"),
        "folder2/b": xml("folder/b"),
        "folder2/deep/c": xml("folder/deep/c"),
    }
    assert properties.keys() == locks.keys()
    assert ground.run("check").code == 0
    assert not list(ground.file.parent.glob("*.jsonl"))


def test_two_files_that_have_changed_places_behind_the_server(ground: Ground) -> None:
    """Both are files still: that is an editor's save, for all that anybody can tell."""
    ground.give("a", "b")
    (ground.root / "a").rename(ground.root / "x")
    (ground.root / "b").rename(ground.root / "a")
    (ground.root / "x").rename(ground.root / "b")
    said = ground.run("check")
    assert said.code == 0
    assert len(said.findings) == 2
    assert ground.run("check", "--repair").code == 0
    assert ground.rows()[0] == {"a": xml("a"), "b": xml("b")}


def test_without_a_time_of_birth_nothing_is_taken_for_moved(ground: Ground) -> None:
    ground.give("a")
    stamp = ground.stamp("a")
    ground.give("gone", stamp=Stamp(stamp.inode + 1, 0, stamp.kind))
    (ground.root / "new").write_text("")
    number = (ground.root / "new").stat().st_ino
    ground.give("gone too", stamp=Stamp(number, 0, stamp.kind))
    ground.give("gone three", stamp=Stamp(number, 12345, stamp.kind))
    assert ground.run("check", "--repair").code == 0
    assert set(ground.rows()[0]) == {"a"}


def test_what_is_there_twice_is_not_taken_for_moved(ground: Ground) -> None:
    ground.give("a")
    os.link(ground.root / "a", ground.root / "b")
    (ground.root / "a").rename(ground.root / "c")
    said = ground.run("check", "--repair")
    assert said.code == 0
    assert ground.rows() == ({}, {})
    assert list(ground.file.parent.glob("*.jsonl"))


def test_rows_do_not_follow_onto_others(ground: Ground) -> None:
    ground.give("a", "b")
    (ground.root / "a").rename(ground.root / "b")
    assert ground.run("check", "--repair").code == 0
    assert ground.rows()[0] == {"b": xml("b")}


def test_a_replaced_file_keeps_its_rows(ground: Ground) -> None:
    ground.give("a")
    (ground.root / "new").write_text("new")
    (ground.root / "new").rename(ground.root / "a")
    said = ground.run("check")
    assert said.code == 0
    assert "was replaced by another program" in said.findings[0]
    assert ground.run("check", "--repair").code == 0
    assert ground.rows()[0] == {"a": xml("a")}
    assert ground.stored_stamp("a") == ground.stamp("a")
    assert ground.run("check").findings == []


def test_rows_of_another_kind_are_dropped(ground: Ground) -> None:
    ground.give("a", "b")
    (ground.root / "a").unlink()
    (ground.root / "a").mkdir()
    (ground.root / "b").rename(ground.root / "c")
    (ground.root / "b").mkdir()
    said = ground.run("check")
    assert said.code == 1
    assert "of another kind" in said.findings[0]
    assert "is now" in said.findings[1]
    assert ground.run("check", "--repair").code == 0
    assert ground.rows()[0] == {"c": xml("b")}


def test_rows_of_directories_that_are_not_served_are_left_alone(ground: Ground) -> None:
    ground.give("a")
    state = SqliteState(ground.file)
    with state.write() as writer:
        writer.set_property(("elsewhere", "x"), "p", "<p/>")
        writer.add_intent(Intent(Operation.MOVE, ("elsewhere", "x"), ("elsewhere", "y")))
    state.close()
    assert ground.run("check").code == 0
    assert ground.run("check", "--repair").code == 0
    state = SqliteState(ground.file)
    assert ("elsewhere", "x") in state.read().with_properties(())
    assert len(state.read().intents()) == 1
    state.close()


def test_what_cannot_be_looked_at_keeps_its_rows(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from davserver.tree import Tree

    ground.give("a", "b")
    (ground.root / "b").unlink()
    real = Tree.stamp

    def stamp(self: Tree, path: tuple[str, ...]) -> Stamp | None:
        if path == ("a",):
            raise OSError(5, "Input/output error")
        return real(self, path)

    monkeypatch.setattr(Tree, "stamp", stamp)
    said = ground.run("check", "--repair")
    assert said.code == 1
    assert any("cannot be looked at: Input/output error" in line for line in said.findings)
    assert set(ground.rows()[0]) == {"a"}


def test_leftovers_are_removed(ground: Ground) -> None:
    ground.give("a", "folder/b")
    (ground.root / LEFT).mkdir()
    (ground.root / LEFT / "x").write_text("")
    (ground.root / "folder" / LEFT).write_text("")
    (ground.root / TRASH).mkdir()
    (ground.root / TRASH / LEFT).mkdir()
    (ground.root / TRASH / LEFT / "x").write_text("")
    (ground.root / TRASH / f"{RESERVED_PREFIX}w12").write_text("")
    ground.give(LEFT, locked=False)
    before = digest(ground.root, ground.file.parent)
    said = ground.run("check")
    assert said.code == 1
    assert len([line for line in said.findings if "left over" in line]) == 2
    assert len([line for line in said.findings if "still to be discarded" in line]) == 2
    assert len([line for line in said.findings if "has locks or properties" in line]) == 1
    assert digest(ground.root, ground.file.parent) == before
    said = ground.run("check", "--repair")
    assert said.code == 0, said.out
    assert sorted(path.name for path in ground.root.rglob("*")) == ["a", "b", "folder"]
    assert set(ground.rows()[0]) == {"a", "folder/b"}


def test_what_cannot_be_removed_is_named_with_the_reason(ground: Ground) -> None:
    ground.give("a")
    point = ground.root / TRASH / LEFT
    point.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "tmpfs", str(point)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this user may not mount a tmpfs")
    try:
        said = ground.run("check", "--repair")
        assert said.code == 1
        assert any("cannot be removed: " in line and LEFT in line for line in said.findings)
    finally:
        subprocess.run(["umount", str(point)], check=True)
    assert ground.run("check", "--repair").code == 0


def test_nothing_is_removed_from_a_share_that_is_read_only(ground: Ground) -> None:
    ground.give("a")
    (ground.root / LEFT).write_text("")
    before = digest(ground.root)
    said = ground.run("check", "--repair", "--read-only")
    assert said.code == 1
    assert any("its share is read-only" in line for line in said.findings)
    assert digest(ground.root) == before


def test_what_a_dead_server_has_left_is_finished(ground: Ground) -> None:
    ground.give("a")
    state = SqliteState(ground.file)
    moved = ground.stamp("a")
    with state.write() as writer:
        writer.add_intent(
            Intent(Operation.MOVE, ground.key("a"), ground.key("b"), moved=moved, lasts=True)
        )
    state.close()
    (ground.root / "a").rename(ground.root / "b")
    said = ground.run("check")
    assert said.code == 1
    assert said.findings == [
        f"wrong: {ground.root}/a: a server has ended in the middle of an operation (move) here"
    ]
    said = ground.run("check", "--repair")
    assert said.code == 0
    assert ground.rows()[0] == {"b": xml("a")}
    assert ground.run("check").code == 0


def test_what_a_living_server_needs_stays(ground: Ground) -> None:
    ground.give("a")
    (ground.root / LEFT).mkdir()
    state = SqliteState(ground.file)
    with state.write() as writer:
        writer.add_intent(
            Intent(Operation.COPY, ground.key("a"), ground.key("b"), ground.key(LEFT), lasts=True)
        )
    for arguments in ((), ("--repair",)):
        said = ground.run("check", *arguments)
        assert (said.code, said.findings) == (0, [])
        assert (ground.root / LEFT).is_dir()
    state.close()
    assert ground.run("check").code == 1
    assert ground.run("check", "--repair").code == 0
    assert not (ground.root / LEFT).exists()


def test_it_mends_while_a_server_runs(ground: Ground) -> None:
    with Running(ground.root, state=ground.file) as server:
        for name in ("a", "b", "c"):
            assert talk.ask(server.port, f"PUT /{name}", body=b"x").status == 201
            patch = f"<propertyupdate xmlns='DAV:'><set><prop>{xml(name)}</prop></set>"
            body = f"{patch}</propertyupdate>".encode()
            assert talk.ask(server.port, f"PROPPATCH /{name}", body=body).status == 207
        (ground.root / "a").rename(ground.root / "a2")
        (ground.root / "b").unlink()
        (ground.root / LEFT).write_text("")
        said = ground.run("check")
        assert said.code == 1
        assert "in use by 2 processes" in said.out
        assert len(said.findings) == 3
        assert ground.run("check", "--repair").code == 0
        listed = talk.ask(server.port, "PROPFIND /", "Depth: 1").body
        assert b">a</x:p>" in listed
        assert b">b</x:p>" not in listed
        assert talk.ask(server.port, "PUT /d", body=b"x").status == 201
    assert ground.run("check").code == 0
    assert sorted(path.name for path in ground.root.iterdir()) == ["a2", "c", "d"]


def test_a_killed_server_leaves_nothing_that_repair_does_not_mend(ground: Ground) -> None:
    for number in range(8):
        (ground.root / f"tree{number}" / "below").mkdir(parents=True)
    server = Running(ground.root, state=ground.file).start()
    for number in range(8):
        talk.ask(server.port, f"DELETE /tree{number}/")
    server.stop(signal.SIGKILL)
    before = digest(ground.root, ground.file.parent)
    ground.run("check")
    assert digest(ground.root, ground.file.parent) == before
    assert ground.run("check", "--repair").code == 0
    assert ground.run("check").code == 0
    assert not list(ground.root.iterdir())


def test_a_state_that_is_read_only_can_be_looked_at(ground: Ground, tmp_path: Path) -> None:
    ground.give("a")
    (ground.root / "a").unlink()
    point = tmp_path / "fixed"
    point.mkdir()
    bind = ["mount", "--bind", str(ground.file.parent), str(point)]
    if os.geteuid() or subprocess.run(bind, capture_output=True, check=False).returncode:
        lacking("this user may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(point)], check=True)
        ground.file = point / ground.file.name
        said = ground.run("check")
        assert said.code == 1
        assert "is not there" in said.findings[0]
        said = ground.run("check", "--repair")
        assert said.code == 2
        assert "Read-only file system" in said.err
    finally:
        subprocess.run(["umount", str(point)], check=True)


def test_flags_of_other_commands_are_told(ground: Ground) -> None:
    for command, flag in (("export", "--repair"), ("check", "--output"), ("import", "--output")):
        said = ground.run(command, flag, "x")
        assert (said.code, said.out) == (2, "")
        owner = "check" if flag == "--repair" else "backup and cert"
        assert said.err == f"davserver: {flag} is an option of davserver {owner} alone.\n"
    said = ground.run("check", "--repare")
    assert said.err == "davserver: unknown option --repare: did you mean --repair?\n"


def test_a_newer_state_is_refused_by_every_command(ground: Ground, tmp_path: Path) -> None:
    import sqlite3

    ground.give("a")
    with sqlite3.connect(ground.file) as opened:
        opened.execute("PRAGMA user_version = 99")
    opened.close()
    before = digest(ground.file.parent)
    for command, *arguments in (
        ("check",),
        ("check", "--repair"),
        ("export",),
        ("backup", "--output", str(tmp_path / "out")),
    ):
        said = ground.run(command, *arguments)
        assert (said.code, said.out) == (2, "")
        assert "newer davserver" in said.err
    assert digest(ground.file.parent) == before


def test_the_findings_are_toml(ground: Ground) -> None:
    """Whatever the names are."""
    names = ["new\nline", "bell\a", "\u202eé", "\udcff", "#", "del\x7f"]
    ground.give(*names)
    for name in names:
        (ground.root / name).unlink()
    said = ground.run("check")
    assert len(said.findings) == len(names)
    assert tomllib.loads(said.out)["root"] == str(ground.root)


def test_repairs_under_load_harm_nothing(ground: Ground) -> None:
    """Trees are copied, moved and removed over HTTP meanwhile, and rows with them. What looks like
    an orphan, a moved file or a leftover for a moment is none.
    """
    body = f"<propertyupdate xmlns='DAV:'><set><prop>{xml('v')}</prop></set></propertyupdate>"
    wrong: list[str] = []
    over = threading.Event()

    def ask(port: int, asked: str, status: int, *headers: str, sent: bytes = b"") -> bytes:
        answer = talk.ask(port, asked, *headers, body=sent)
        if answer.status != status:
            wrong.append(f"{asked}: {answer.status} {answer.body!r}")
        return answer.body

    def load(port: int, own: int) -> None:
        while not over.is_set() and not wrong:
            ask(port, f"MKCOL /{own}", 201)
            for name in ("a", "b"):
                ask(port, f"PUT /{own}/{name}", 201, sent=b"x")
                ask(port, f"PROPPATCH /{own}/{name}", 207, sent=body.encode())
            ask(port, f"COPY /{own}", 201, f"Destination: /{own}-copy")
            ask(port, f"MOVE /{own}", 201, f"Destination: /{own}-moved")
            ask(port, f"MOVE /{own}-moved/a", 201, f"Destination: /{own}-copy/c")
            found = ask(port, f"PROPFIND /{own}-copy/", 207, "Depth: 1")
            if found.count(b">v</x:p>") != 3:
                wrong.append(f"lost: {found!r}")
            for name in (f"{own}-copy", f"{own}-moved"):
                ask(port, f"DELETE /{name}", 204)

    with Running(ground.root, state=ground.file) as server:
        threads = [threading.Thread(target=load, args=(server.port, own)) for own in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(6):
                (ground.root / f"{LEFT}{number}").mkdir()
                given = (ground.root, "--state", ground.file)
                done = run([*COMMAND, "check", "--repair", *given])
                assert done.returncode == 0, done.stdout + done.stderr
                assert f"{LEFT}{number}: was left over" in done.stdout
                assert "dropped" not in done.stdout
                done = run([*COMMAND, "check", *given])
                assert done.returncode == 0, done.stdout + done.stderr
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert not wrong
    assert ground.run("check").code == 0
    assert not list(ground.root.iterdir())

"""A damaged state never blocks reading: what is said, what works, and how it is mended."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from davserver.state.inspection import Inspection
from tests.commands.ground import Ground, digest, xml
from tests.running import Running, lacking
from tests.wire import talk

PAGE = 4096
MANY = 300


@pytest.fixture
def many(ground: Ground) -> Ground:
    """More rows than fit on a few pages, and all of them in the main file."""
    ground.give(*(f"folder/file{number:03}" for number in range(MANY)))
    return ground


def leaves(file: Path) -> list[int]:
    """The pages of the properties, in their order."""
    query = "SELECT pageno FROM dbstat WHERE name = 'property' AND pagetype = 'leaf' ORDER BY path"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
        try:
            return [number for (number,) in opened.execute(query)]
        except sqlite3.OperationalError:
            lacking("this SQLite was built without dbstat")


def spoil(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)


def truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 6 * PAGE)


def zero(file: Path) -> None:
    spoil(file, (leaves(file)[2] - 1) * PAGE, bytes(PAGE))


def garbage(file: Path) -> None:
    spoil(file, 0, b"garbage!" * 20)


def require_read_only(port: int) -> None:
    """Everything can be read, and nothing changed."""
    assert talk.ask(port, "GET /folder/file007").body == b"folder/file007"
    listed = talk.ask(port, "PROPFIND /folder/", "Depth: 1")
    assert listed.status == 207
    assert listed.body.count(b"<D:response>") == MANY + 1
    assert b"<D:lockentry>" not in listed.body
    said = talk.ask(port, "OPTIONS /folder/")
    assert said["dav"] == "1, 3"
    assert "PUT" not in said["allow"]
    for asked in ("PUT /new", "PUT /folder/file007", "DELETE /folder/file007", "MKCOL /new"):
        answer = talk.ask(port, asked)
        assert answer.status == 403, asked
        assert b"state database is damaged" in answer.body
        assert b"davserver check" in answer.body
    assert talk.ask(port, "MOVE /folder/file007", "Destination: /x").status == 403
    assert talk.ask(port, "COPY /folder/file007", "Destination: /x").status == 403


@pytest.mark.parametrize("harm", [truncate, zero, garbage])
def test_it_is_served_read_only_and_can_be_mended(
    many: Ground, harm: Callable[[Path], None]
) -> None:
    harm(many.file)
    before = digest(many.root)
    with Running(many.root, state=many.file) as server:
        require_read_only(server.port)
        assert digest(many.root) == before
        log = server.log.read_text()
        assert str(many.file) in log
        assert "everything can be read, nothing can be changed" in log
        assert "davserver check" in log
        assert "Traceback" not in log
        said = many.run("check", "--repair")
        assert said.code == 1
        assert "stop the server that uses it" in said.findings[0]
    still = digest(many.root, many.file.parent)
    said = many.run("check")
    assert said.code == 1
    assert f"wrong: {many.file}: " in said.findings[0]
    assert "put a backup in its place" in said.out
    assert "davserver check --repair save what can be read" in said.out
    assert digest(many.root, many.file.parent) == still
    said = many.run("export")
    assert (said.code, said.out) == (1, "")
    assert "davserver check says what to do" in said.err
    said = many.run("check", "--repair")
    assert said.code == 0, said.out
    assert "were saved into a new file" in said.findings[0]
    aside = Path(f"{many.file}.damaged-1")
    assert str(aside) in said.findings[0]
    assert aside.exists()
    properties, locks = many.rows()
    assert MANY - 60 < len(properties) <= MANY
    assert MANY - 120 < len(locks) <= MANY
    assert all(value == xml(path) for path, value in properties.items())
    saved = sorted(properties)[0]
    assert f"mended: {many.file}" in said.findings[0]
    with Running(many.root, state=many.file) as server:
        assert talk.ask(server.port, "OPTIONS /")["dav"] == "1, 2, 3"
        assert talk.ask(server.port, "PUT /new", body=b"x").status == 201
        listed = talk.ask(server.port, f"PROPFIND /{saved}", "Depth: 0").body
        assert f">{saved}</x:p>".encode() in listed
    assert many.run("check").code == 0


def test_damage_that_is_found_while_serving(many: Ground) -> None:
    """The page is lost after the start, which has looked at all of them."""
    with Running(many.root, state=many.file) as server:
        assert talk.ask(server.port, "OPTIONS /folder/")["dav"] == "1, 2, 3"
        assert talk.ask(server.port, "PUT /written", body=b"x").status == 201
        for page in leaves(many.file):
            spoil(many.file, (page - 1) * PAGE, bytes(PAGE))
        # What was read before may be known by heart.
        for number in range(MANY):
            talk.ask(server.port, f"PROPFIND /folder/file{number:03}", "Depth: 0")
        require_read_only(server.port)
        log = server.log.read_text()
        # Each worker that meets it says so.
        assert 1 <= log.count("is damaged: everything can be read, nothing can be changed") <= 2
        assert "Traceback" not in log
    assert many.run("check").code == 1
    assert many.run("check", "--repair").code == 0
    with Running(many.root, state=many.file) as server:
        assert talk.ask(server.port, "PUT /new", body=b"x").status == 201


def test_the_rows_of_a_server_that_was_killed_are_saved(many: Ground) -> None:
    """The newest of them are in the write-ahead log alone."""
    body = f"<propertyupdate xmlns='DAV:'><set><prop>{xml('new')}</prop></set></propertyupdate>"
    server = Running(many.root, state=many.file).start()
    assert talk.ask(server.port, "PUT /late", body=b"x").status == 201
    assert talk.ask(server.port, "PROPPATCH /late", body=body.encode()).status == 207
    server.stop(9)
    assert Path(f"{many.file}-wal").stat().st_size
    garbage(many.file)
    said = many.run("check", "--repair")
    assert said.code == 0, said.out
    assert ">new</x:p>" in many.rows()[0]["late"]
    assert many.run("check").code == 0


def test_a_backup_put_in_its_place(many: Ground, tmp_path: Path) -> None:
    """The other thing that may be done."""
    assert many.run("backup", "--output", tmp_path / "copy.db").code == 0
    rows = many.rows()
    garbage(many.file)
    assert many.run("check").code == 1
    (tmp_path / "copy.db").replace(many.file)
    assert many.run("check").code == 0
    assert many.rows() == rows


def test_a_sound_state_is_not_set_aside(many: Ground) -> None:
    """The control."""
    many.run("check", "--repair")
    assert not list(many.file.parent.glob("*.damaged*"))
    with Inspection(many.file) as found:
        assert not found.damage

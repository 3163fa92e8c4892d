"""`davserver ROOT`: what the start says, whom it lets in, and where it keeps its state."""

import base64
import re
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import URL, Running, lacking, run
from tests.wire import talk

COMMAND = (sys.executable, "-m", "davserver")


class Standing(Running):
    """A server that keeps its state where it does by default."""

    def __init__(self, *arguments: str | Path, log: Path, home: Path, **given: str) -> None:
        environment = {"XDG_STATE_HOME": str(home), **given}
        super().__init__(*arguments, state=log, environment=environment)
        self.command = [*COMMAND, *map(str, arguments), "--port", "0"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def said_by(server: Running) -> str:
    """All that it says, once it has stopped."""
    assert server.stop() == 0
    return server.said


def login(name: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_the_greeting_says_what_a_new_user_needs(tmp_path: Path, root: Path) -> None:
    (tmp_path / "mu sic").mkdir()
    server = Running(
        *(f"docs={root}", f"mu sic={tmp_path}/mu sic", "--read-only"), state=tmp_path / "state.db"
    ).start()
    url = server.url
    said = said_by(server)
    for expected in (
        f"{url}/",
        f"{url}/docs/",
        f"{url}/mu%20sic/",
        str(root),
        str(tmp_path / "mu sic"),
        "everybody on this machine, without a login",
        "may read",
        str(tmp_path / "state.db"),
        "mount",
        "Ctrl-C",
    ):
        assert expected in said
    assert "write" not in said


def test_a_new_password_is_printed_once_and_works(tmp_path: Path, root: Path) -> None:
    server = Running(root, "--user", "me", state=tmp_path / "state.db").start()
    port = server.port
    # The line with the URL is the first: the rest comes with it.
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.said += line
        if "Ctrl-C" in line:
            break
    found = re.findall(r"password of me is (\S+)", server.said)
    assert len(found) == 1
    assert len(found[0]) >= 16
    assert talk.ask(port, "GET /", login("me", found[0])).status == 200
    assert talk.ask(port, "GET /", login("me", found[0] + "x")).status == 401
    assert talk.ask(port, "GET /").status == 401
    assert said_by(server).count(found[0]) == 1
    again = Running(root, "--user", "me", state=tmp_path / "state.db").start()
    assert found[0] not in said_by(again)


def test_a_given_password_works_and_is_not_printed(tmp_path: Path, root: Path) -> None:
    given = {"DAVSERVER_PASSWORD": "öpen: sesame"}
    server = Running(root, "--user", "mé", state=tmp_path / "state.db", environment=given).start()
    assert talk.ask(server.port, "GET /", login("mé", "öpen: sesame")).status == 200
    assert talk.ask(server.port, "GET /", login("mé", "")).status == 401
    said = said_by(server)
    assert "sesame" not in said
    assert "user mé may read and write" in said


def test_it_listens_at_loopback_alone(tmp_path: Path, root: Path) -> None:
    with Running(root, state=tmp_path / "state.db") as server:
        table = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening = [
            line.split()[1] for line in table.splitlines()[1:] if f":{server.port:04X} " in line
        ]
        assert listening
        assert {address.split(":")[0] for address in listening if address} == {"0100007F"}


def test_ipv6(tmp_path: Path, root: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        lacking("this machine has no IPv6")
    server = Running(root, "--host", "::1", state=tmp_path / "state.db").start()
    assert re.search(r"http://\[::1\]:\d+/", said_by(server))


def refused(*arguments: str | Path, home: Path) -> str:
    """The one sentence that it says instead of starting."""
    ended = run([*COMMAND, *arguments], environment={"XDG_STATE_HOME": str(home)}, seconds=30)
    assert ended.returncode == 2
    assert not URL.search(ended.stdout)
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(root, "--port", str(port), home=tmp_path)
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


def test_an_address_that_is_not_ours_is_one_sentence(tmp_path: Path, root: Path) -> None:
    given = ("--host", "192.0.2.1", "--user", "me", "--insecure-http", "--port", "0")
    assert "192.0.2.1:0: cannot listen there" in refused(root, *given, home=tmp_path)
    given = ("--host", "no.such.host.invalid", "--user", "me", "--insecure-http", "--port", "0")
    assert "no.such.host.invalid" in refused(root, *given, home=tmp_path)


def test_a_state_that_cannot_be_is_one_sentence(tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with closing(sqlite3.connect(tmp_path / "theirs")) as theirs:
        theirs.execute("CREATE TABLE theirs (a)")
    for state in (tmp_path / "file" / "x.db", tmp_path, tmp_path / "theirs"):
        said = refused(root, "--state", state, "--port", "0", home=tmp_path)
        assert str(state) in said


def test_the_state_lies_in_the_users_directory(tmp_path: Path, root: Path) -> None:
    home = tmp_path / "home"
    first = Standing(root, log=tmp_path / "one", home=home).start()
    said = said_by(first)
    (file,) = (home / "davserver").glob("*.db")
    assert str(file) in said
    assert file.stat().st_mode & 0o077 == 0
    (tmp_path / "way").symlink_to(root)
    said_by(Standing(tmp_path / "way", log=tmp_path / "two", home=home).start())
    assert len(list((home / "davserver").glob("*.db"))) == 1
    (root / "below").mkdir()
    said_by(Standing(root / "below", log=tmp_path / "three", home=home).start())
    assert len(list((home / "davserver").glob("*.db"))) == 2


@pytest.fixture
def within(tmp_path: Path, root: Path) -> Iterator[Standing]:
    """A server whose state lies, by default, within its share."""
    (root / "home" / "files").mkdir(parents=True)
    (root / "home" / "files" / "file").write_bytes(b"x")
    server = Standing(root, log=tmp_path / "log", home=root / "home" / ".state").start()
    yield server
    server.stop()


def test_a_state_within_a_share_is_not_to_be_reached(within: Standing, root: Path) -> None:
    folder = root / "home" / ".state" / "davserver"
    (file,) = folder.glob("*.db")
    port = within.port
    before = {path.name for path in folder.iterdir()}
    listed = talk.ask(port, "PROPFIND /", "Depth: infinity").body
    assert b"/home/.state/" in listed
    assert b"davserver/" not in listed
    assert b"davserver" not in talk.ask(port, "GET /home/.state/").body
    base = "/home/.state/davserver"
    for path in (base, f"{base}/", f"{base}/{file.name}", f"{base}/new", f"//{base}/x/y"):
        for method in ("GET", "PUT", "DELETE", "MKCOL", "PROPFIND", "COPY", "MOVE", "LOCK"):
            answer = talk.ask(port, f"{method} {path}", "Destination: /got")
            assert answer.status in (400, 403), (method, path)
        for method in ("COPY", "MOVE"):
            answer = talk.ask(port, f"{method} /home/files/file", f"Destination: {path}")
            assert answer.status == 403
    for source, target in (("/home/", "/moved/"), ("/home/.state/", "/moved/")):
        answer = talk.ask(port, f"MOVE {source}", f"Destination: {target}")
        assert answer.status in (403, 207)
    assert talk.ask(port, "COPY /home/files/", "Destination: /home/.state/").status == 403
    assert talk.ask(port, "COPY /home/", "Destination: /copy/").status == 201
    assert not (root / "copy" / ".state" / "davserver").exists()
    assert {path.name for path in folder.iterdir()} == before
    assert (root / "home" / "files" / "file").read_bytes() == b"x"


def test_a_state_within_a_share_outlives_what_is_around_it(within: Standing, root: Path) -> None:
    port = within.port
    patch = (
        b"<propertyupdate xmlns='DAV:'><set><prop><x xmlns='urn:x'>1</x></prop></set>"
        b"</propertyupdate>"
    )
    talk.ask(port, "PUT /kept", body=b"x")
    assert talk.ask(port, "PROPPATCH /kept", body=patch).status == 207
    answer = talk.ask(port, "DELETE /home/")
    assert answer.status == 207
    assert answer.body.count(b"<D:response>") == 1
    assert b"403" in answer.body
    assert not (root / "home" / "files").exists()
    assert list((root / "home" / ".state" / "davserver").glob("*.db"))
    assert b"urn:x" in talk.ask(port, "PROPFIND /kept", "Depth: 0").body
    assert within.stop() == 0
    within.start()
    assert b"urn:x" in talk.ask(within.port, "PROPFIND /kept", "Depth: 0").body


def test_what_a_file_system_cannot_promise_is_said_at_the_start(tmp_path: Path, root: Path) -> None:
    """One line for each mount, below a share too; it serves all the same."""
    below = root / "below"
    below.mkdir()
    mounted = run(["mount", "-t", "tmpfs", "tmpfs", below])
    if mounted.returncode:
        lacking("this user may not mount a tmpfs")
    try:
        with Running(root, state=tmp_path / "state.db") as server:
            assert talk.ask(server.port, "PUT /below/file", body=b"x").status == 201
            log = server.log.read_text()
        lines = [line for line in log.splitlines() if f" {below} (tmpfs) cannot keep" in line]
        assert len(lines) == 1
        assert "it keeps everything in memory" in lines[0]
        assert "serve from another disk" in lines[0]
        assert "--durability rename" in lines[0]
        assert "--state" not in lines[0]
        for given in (("--durability", "rename"), ("--read-only",)):
            server.log.unlink()
            with Running(root, *given, state=tmp_path / "state.db") as server:
                pass
            assert f"{below} (tmpfs)" not in server.log.read_text()
        server.log.unlink()
        with Running(root, "--verbose", state=tmp_path / "state.db") as server:
            pass
        assert re.search(rf"INFO .*{below} \(tmpfs\): uploads: ", server.log.read_text())
        assert sorted(path.name for path in below.iterdir()) == ["file"]
    finally:
        run(["umount", below])


def test_a_state_in_memory_is_said_at_the_start(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    if run(["mount", "-t", "tmpfs", "tmpfs", folder]).returncode:
        lacking("this user may not mount a tmpfs")
    try:
        server = Running(root, "--state", folder / "state.db", state=tmp_path / "log.db")
        # The last one counts.
        server.command[-1] = str(folder / "state.db")
        with server:
            assert talk.ask(server.port, "PUT /file", body=b"x").status == 201
            log = server.log.read_text()
        (line,) = [line for line in log.splitlines() if f"{folder} (tmpfs)" in line]
        assert "keep the state on another disk (--state)" in line
        assert "serve from" not in line
    finally:
        run(["umount", folder])


def test_a_state_of_an_older_version_is_brought_up_to_date(tmp_path: Path, root: Path) -> None:
    fixture = Path(__file__).parents[1] / "state" / "fixtures" / "schema-1.db"
    file = tmp_path / "state.db"
    file.write_bytes(fixture.read_bytes())
    checked = run([*COMMAND, "check", root, "--state", file])
    assert checked.returncode == 0
    assert "the next start brings it to schema 2, and keeps a copy" in checked.stdout
    assert file.read_bytes() == fixture.read_bytes()
    with Running(root, state=file) as server:
        assert talk.ask(server.port, "PUT /file", body=b"x").status == 201
    assert (tmp_path / "state.db.schema-1").exists()
    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (2,)
        assert opened.execute("SELECT count(*) FROM property").fetchone() == (6,)


def test_a_state_of_a_newer_version_is_one_sentence(tmp_path: Path, root: Path) -> None:
    fixture = Path(__file__).parents[1] / "state" / "fixtures" / "schema-2.db"
    file = tmp_path / "state.db"
    file.write_bytes(fixture.read_bytes())
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    said = refused(root, "--state", file, "--port", "0", home=tmp_path)
    assert "it was written by a newer davserver (schema 99, this one knows 2)" in said
    assert file.read_bytes() == before

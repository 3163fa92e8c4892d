"""Passwords, credentials and lock tokens are in no log and in nothing that is told to others."""

import base64
from pathlib import Path

from tests.running import Running
from tests.wire import talk

USER, PASSWORD = "alice", "canary-Passw0rd-ü"
WRONG = "canary-wrong-password"
QUERY = "canary-in-a-query"
USERINFO = "canary-in-a-destination"


def login(password: str) -> tuple[str, str]:
    text = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return text, f"Authorization: Basic {text}"


def test_no_secret_is_logged_or_printed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    server = Running(
        root,
        *("--user", USER, "--verbose"),
        state=tmp_path / "state.db",
        environment={"DAVSERVER_PASSWORD": PASSWORD},
    ).start()
    right, given = login(PASSWORD)
    wrong, mistaken = login(WRONG)
    port = server.port
    lock = (
        b"<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype>"
        b"</lockinfo>"
    )
    for target in ("/", "/file", f"/?{QUERY}", "/%zz", "//["):
        talk.ask(port, f"GET {target}", mistaken)
        talk.ask(port, f"GET {target}", given)
    token = talk.ask(port, "LOCK /file", given, body=lock)["lock-token"]
    secret = token.strip("<>").removeprefix("urn:uuid:")
    assert talk.ask(port, "PUT /file", given, f"If: ({token})", body=b"x").status == 204
    assert talk.ask(port, "DELETE /file", given, "If: (<urn:uuid:no>)").status == 412
    assert talk.ask(port, "DELETE /", given, f"If: ({token})").status in (403, 412)
    destination = f"Destination: http://{USER}:{USERINFO}@localhost/none/x"
    assert talk.ask(port, "COPY /file", given, destination).status == 409
    assert talk.ask(port, "LOCK /file", given, f"If: ({token})").status == 200
    assert talk.ask(port, "MKCOL /dir", given).status == 201
    assert (
        talk.ask(port, "MOVE /file", given, f"If: ({token})", "Destination: /dir/f").status == 201
    )
    deep = talk.ask(port, "LOCK /dir/f", given, body=lock)["lock-token"]
    assert talk.ask(port, "DELETE /dir/", given).status == 207
    assert talk.ask(port, "UNLOCK /dir/f", given, f"Lock-Token: {deep}").status == 204
    assert server.stop() == 0
    said = server.said + server.log.read_text()
    assert "DELETE" in said
    secrets = (PASSWORD, WRONG, right, wrong, QUERY, USERINFO, secret)
    for canary in (*secrets, deep.strip("<>").removeprefix("urn:uuid:"), "Traceback"):
        assert canary not in said


def test_no_path_of_the_servers_disk_is_told(tmp_path: Path) -> None:
    root = tmp_path / "a-canary-directory"
    root.mkdir()
    (root / "file").write_bytes(b"")
    state = tmp_path / "a-canary-state" / "state.db"
    state.parent.mkdir()
    with Running(root, state=state) as server:
        for method in ("GET", "PUT", "MKCOL", "DELETE", "COPY", "PROPFIND", "LOCK", "FROB"):
            for target in ("/", "/file/x", "/none/x", "/%00", "/" + "n" * 300, "/.~dav-x", "*"):
                answer = talk.ask(server.port, f"{method} {target}", "Destination: /file/x/y")
                told = str(answer.headers) + answer.body.decode()
                assert "a-canary" not in told
                assert str(tmp_path) not in told


def test_the_password_is_not_to_be_read_from_outside(tmp_path: Path) -> None:
    """Other users of the machine see command lines: the password is no option."""
    (tmp_path / "root").mkdir()
    with Running(
        tmp_path / "root",
        *("--user", USER),
        state=tmp_path / "state.db",
        environment={"DAVSERVER_PASSWORD": PASSWORD},
    ) as server:
        line = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert PASSWORD.encode() not in line
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()

"""Each request is counted and logged, by a real server and by any other one."""

import base64
import gc
import json
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from davserver import app, counts
from davserver.access_log import FORMS, AccessLog
from davserver.accounts import Accounts
from davserver.middleware import Corridor
from davserver.wsgi import FINISHED, Environ, Finished, StartResponse
from tests.running import Running
from tests.security.inside import LOCKINFO, Inside
from tests.wire import talk
from tests.wire.talk import Talk

LINE = re.compile(
    r"(?P<remote>\S+) - (?P<user>\S+) \[(?P<time>[^]]+)\] "
    r'"(?P<method>\S+) (?P<target>\S+) (?P<protocol>\S+)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
USER, PASSWORD = "alice", "canary-password"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    found.mkdir()
    (found / "file").write_bytes(b"x" * 1000)
    return found


def login(password: str, user: str = USER) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def parsed(text: str) -> list[dict[str, str]]:
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    return [match.groupdict() for match in found if match is not None or pytest.fail(text)]


@pytest.mark.parametrize("form", FORMS)
def test_each_request_is_one_line(form: str, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    asked = [
        ("GET /file?a=b", (), b"", "200", 1000),
        ("HEAD /file", ("User-Agent: x",), b"", "200", 0),
        ("GET /none", ("Referer: http://h/x?y",), b"", "404", None),
        ("PUT /new", ('User-Agent: a "b" \\c',), b"12345", "201", 0),
        ("GET http://localhost/file", (), b"", "200", 1000),
        ("OPTIONS *", (), b"", "200", 0),
        ("FROB /file", (), b"", "501", None),
        ("PROPFIND /", ("Depth: 1",), b"", "207", None),
        ("GET /%0a%22%5c", (), b"", "404", None),
        ("DELETE /new", (), b"", "204", 0),
    ]
    with Running(
        root,
        *("--access-log", file, "--access-log-format", form),
        state=tmp_path / "state.db",
    ) as server:
        sizes = []
        # On one connection: a line is written behind its answer.
        with Talk(server.port) as client:
            for line, fields, body, status, _ in asked:
                client.send(talk.request(line, *fields, body=body))
                answer = client.reply(head=line.startswith("HEAD "))
                assert answer.status == int(status)
                sizes.append(len(answer.body))
    lines = file.read_text().splitlines()
    assert len(lines) == len(asked)
    for line, (first, fields, _, status, size), sent in zip(lines, asked, sizes, strict=True):
        method, _, target = first.partition(" ")
        wanted = sent if size is None else size
        shown = target.replace("?a=b", "?")
        if form == "json":
            found = json.loads(line)
            assert (found["remote"], found["user"]) == ("127.0.0.1", None)
            assert (found["method"], found["target"]) == (method, shown)
            assert (found["status"], found["bytes"]) == (int(status), wanted)
            assert 0 < found["seconds"] < 20
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
            agent = found["agent"]
        else:
            (told,) = parsed(line)
            assert (told["remote"], told["user"]) == ("127.0.0.1", "-")
            assert (told["method"], told["target"]) == (method, shown)
            assert (told["status"], told["bytes"]) == (status, str(wanted or "-"))
            assert (told["agent"] is None) == (form == "common")
            assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", told["time"])
            agent = (told["agent"] or "").replace('\\"', '"').replace("\\\\", "\\")
        if fields and fields[0].startswith("User-Agent: ") and form != "common":
            assert agent == fields[0].removeprefix("User-Agent: ")
        if fields and fields[0].startswith("Referer") and form != "common":
            assert "http://h/x?" in line
            assert "y" not in line.partition("http://h/x?")[2].partition('"')[0]


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_is_in_a_log(form: str, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    with Running(
        root,
        *("--access-log", file, "--access-log-format", form, "--user", USER, "--verbose"),
        state=tmp_path / "state.db",
        environment={"DAVSERVER_PASSWORD": PASSWORD},
    ) as server:
        given = login(PASSWORD)
        token = talk.ask(server.port, "LOCK /file", given, body=LOCKINFO)["lock-token"]
        secret = token.strip("<>").removeprefix("urn:uuid:")
        everywhere = (
            given,
            f"If: ({token})",
            f"Lock-Token: {token}",
            "Referer: https://canary:canary@h/x?canary=canary#canary",
            "Cookie: canary",
            "Proxy-Authorization: Basic canary",
            "X-Forwarded-For: canary",
            "Destination: http://canary:canary@localhost/x?canary",
            "Timeout: Second-100",
        )
        for method in ("GET", "PUT", "COPY", "PROPFIND", "LOCK", "UNLOCK", "DELETE", "FROB"):
            for target in ("/file?canary=canary", "/file?canary", "http://c:canary@localhost/x"):
                talk.ask(server.port, f"{method} {target}", *everywhere, body=b"canary")
        talk.ask(server.port, "GET /?canary", login("canary", "canary"), *everywhere[1:])
        talk.ask(server.port, "GET /?canary", "Authorization: Bearer canary")
        talk.ask(server.port, "GET /.~dav-status/metrics?canary", given)
        talk.ask(server.port, "GET /.~dav-status/healthz?canary")
    logged = file.read_text()
    # A target with a user in it is 400 before it is a request.
    assert logged.count("\n") == 1 + 2 * 8 + 4
    for text in (logged, server.log.read_text(), server.said):
        for canary in ("canary", secret, PASSWORD, given.split()[-1]):
            assert canary not in text
    assert USER in logged


def test_who_has_logged_in_is_named_and_who_has_not_is_not(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    name = 'Zoë "the" cat'
    with (
        Running(
            root,
            *("--access-log", file, "--access-log-format", "json", "--user", name),
            state=tmp_path / "state.db",
            environment={"DAVSERVER_PASSWORD": PASSWORD},
        ) as server,
        Talk(server.port) as client,
    ):
        for fields in ([login(PASSWORD, name)], [login("wrong", name)], []):
            client.send(talk.request("GET /file", *fields))
            client.reply()
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["user"], one["status"]) for one in found] == [
        (name, 200),
        (None, 401),
        (None, 401),
    ]


def test_an_answer_that_is_broken_off_tells_what_was_sent(root: Path, tmp_path: Path) -> None:
    size = 64 << 20
    with (root / "large").open("wb") as large:
        large.truncate(size)
    file = tmp_path / "access.log"
    with Running(
        root,
        *("--access-log", file, "--access-log-format", "json"),
        state=tmp_path / "state.db",
    ) as server:
        with Talk(server.port, receive_buffer=4096) as client:
            client.send(talk.request("GET /large"))
            assert client.begin()[0] == 200
            client.take(100_000)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert talk.ask(server.port, "GET /file").status == 200
    found = [json.loads(line) for line in file.read_text().splitlines()]
    (large_one,) = [one for one in found if one["target"] == "/large"]
    assert 0 < large_one["bytes"] < size
    assert large_one["status"] == 200


def test_verbose_logs_requests_to_the_standard_error_unless_told_otherwise(
    root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    for number, (given, is_said) in enumerate(
        (
            ((), False),
            (("--verbose",), True),
            (("--access-log", "-"), True),
            (("--verbose", "--access-log", "none"), False),
            (("--verbose", "--access-log", file), False),
        )
    ):
        with Running(root, *given, state=tmp_path / f"state{number}.db") as server:
            talk.ask(server.port, "GET /file")
        assert ('"GET /file HTTP/1.1" 200 1000' in server.log.read_text()) is is_said
    assert file.read_text().count("\n") == 1


def test_a_log_that_cannot_be_opened_stops_the_start(root: Path, tmp_path: Path) -> None:
    server = Running(root, "--access-log", tmp_path / "no" / "a", state=tmp_path / "state.db")
    with pytest.raises(AssertionError, match="cannot be opened for the access log: No such file"):
        server.start()
    assert server.stop() == 2


def test_a_full_disk_keeps_nobody_from_an_answer(root: Path, tmp_path: Path) -> None:
    with Running(root, "--access-log", "/dev/full", state=tmp_path / "state.db") as server:
        with Talk(server.port) as client:
            for _ in range(3):
                client.send(talk.request("GET /file"))
                assert client.reply().status == 200
            client.send(talk.request("GET /.~dav-status/metrics"))
            said = client.reply().body.decode()
        assert "davserver_access_log_failures_total 3.0" in said
    log = server.log.read_text()
    assert log.count("the access log cannot be written: No space left on device") == 1
    assert "Traceback" not in log


@pytest.fixture
def inside(root: Path, tmp_path: Path) -> Iterator[Inside]:
    found = Inside(tmp_path / "state.db", {"": root})
    yield found
    found.close()


def test_another_server_is_watched_too(inside: Inside, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    log = AccessLog(str(file), "json")
    anonymous = Accounts((), time.monotonic)
    inside.app = app.build(Corridor(inside.shares, anonymous, access_log=log))
    sent = counts.Totals().of(counts.SENT)[""]
    assert inside("GET", "/file").status == 200
    assert inside("GET", "/none").status == 404
    log.close()
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["status"], one["bytes"]) for one in found] == [
        (200, 1000),
        (404, len(inside("GET", "/none").body)),
    ]
    assert all(one["seconds"] > 0 for one in found)
    assert counts.Totals().of(counts.SENT)[""] > sent + 1000


@pytest.mark.parametrize("tells", [True, False], ids=["our server", "another one"])
def test_a_request_leaves_no_circle(tells: bool, inside: Inside, tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "access.log"), "common")
    anonymous = Accounts((), time.monotonic)
    asked = app.build(Corridor(inside.shares, anonymous, access_log=log))

    def telling(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        finished: list[Finished] = []
        environ[FINISHED] = finished
        answer = asked(environ, start_response)
        while finished:
            finished.pop()(0, 0.1)
        return answer

    inside.app = telling if tells else asked  # type: ignore[assignment] # it is called, no more
    inside("GET", "/file")
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            inside("GET", "/file")
        assert gc.collect() == 0
    finally:
        gc.enable()
        log.close()
    assert (tmp_path / "access.log").read_text().count("\n") == 6

"""Health, readiness and metrics: where they are, who may see them, and what they say."""

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from davserver import app
from davserver.accounts import Account, Accounts
from davserver.middleware import HEALTHZ, METRICS, READYZ, Corridor, Life
from davserver.state import Intent, Operation
from davserver.wsgi import IS_STATUS, Environ, StartResponse
from tests.certificates import pairs
from tests.running import Running
from tests.security.inside import LOCKINFO, Inside, Reply
from tests.wire import talk
from tests.wire.talk import Talk

BELOW = "/.~dav-status"
EVERYTHING = (HEALTHZ, READYZ, METRICS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    found.mkdir()
    (found / "file").write_bytes(b"content")
    return found


class Local(Talk):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(talk.SECONDS)
        self.socket.connect(str(path))
        self._read = self.socket.makefile("rb")


Build = Callable[..., Inside]


@pytest.fixture
def build(root: Path, tmp_path: Path) -> Iterator[Build]:
    """An application that tells what is asked for, on connections ``alone`` for that or not."""
    made = []

    def build(
        *told: str,
        users: tuple[str, ...] = (),
        below: str | None = BELOW,
        life: Life | None = None,
        alone: bool = False,
    ) -> Inside:
        inside = Inside(tmp_path / "state.db", {"": root})
        made.append(inside)
        found = tuple(Account.with_password(name, name) for name in users)
        corridor = Corridor(
            inside.shares,
            Accounts(found, time.monotonic),
            told=frozenset(told),
            status_below=below,
            life=life or Life(),
        )
        built = app.build(corridor)

        def called(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            path = environ["REQUEST_URI"].partition("?")[0]
            return built({**environ, "PATH_INFO": path, IS_STATUS: alone}, start_response)

        inside.app = called  # type: ignore[assignment] # it is called, no more
        return inside

    yield build
    for inside in made:
        inside.close()


def values(text: bytes) -> dict[tuple[str, ...], float]:
    """The metrics of a scrape, by name and label values."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_health_and_readiness_need_no_login_and_metrics_do(build: Build) -> None:
    ask = build(*EVERYTHING, users=("alice",))
    for name, said in ((HEALTHZ, b"ok\n"), (READYZ, b"ready\n")):
        answer = ask("GET", f"{BELOW}/{name}", "Host: anything.example")
        assert (answer.status, answer.body) == (200, said)
        assert answer.headers["cache-control"] == "no-store"
    assert ask("GET", f"{BELOW}/{METRICS}").status == 401
    answer = ask("GET", f"{BELOW}/{METRICS}", user="alice")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    assert values(answer.body)["davserver_locks",] == 0


def test_without_users_metrics_are_for_our_host_names_alone(build: Build) -> None:
    ask = build(*EVERYTHING)
    assert ask("GET", f"{BELOW}/{METRICS}").status == 200
    assert ask("GET", f"{BELOW}/{METRICS}", "Host: evil.example").status == 403


def test_an_address_of_its_own_has_nothing_else_and_no_login(build: Build) -> None:
    ask = build(*EVERYTHING, users=("alice",), below=None, alone=True)
    for name in EVERYTHING:
        assert ask("GET", f"/{name}", "Host: anything.example").status == 200
        assert ask("GET", f"/{name}?x=y").status == 200
    for target in ("/", "/file", f"{BELOW}/{HEALTHZ}", f"/{HEALTHZ}/", "*", "//healthz"):
        for method in ("GET", "PUT", "PROPFIND", "OPTIONS"):
            answer = ask(method, target, user="alice")
            assert answer.status == 404, (method, target)
    others = build(*EVERYTHING, below=None)
    assert others("GET", f"/{HEALTHZ}").status == 404
    assert others("GET", f"{BELOW}/{HEALTHZ}").status == 403


def test_requests_at_an_address_of_its_own_are_not_counted(build: Build) -> None:
    def gets(answer: Reply) -> float:
        found = values(answer.body)
        return sum(
            count
            for key, count in found.items()
            if key[0] == "davserver_requests_total" and "GET" in key
        )

    ask = build(*EVERYTHING, below=None, alone=True)
    first, second = (ask("GET", f"/{METRICS}") for _ in range(2))
    assert gets(first) == gets(second)
    beside = build(*EVERYTHING)
    first, second = (beside("GET", f"{BELOW}/{METRICS}") for _ in range(2))
    assert gets(second) == gets(first) + 1


@pytest.mark.parametrize("alone", [False, True], ids=["beside the shares", "alone"])
@pytest.mark.parametrize("off", EVERYTHING)
def test_each_can_be_turned_off(off: str, alone: bool, build: Build) -> None:
    ask = build(*(set(EVERYTHING) - {off}), alone=alone)
    for name in EVERYTHING:
        answer = ask("GET", f"/{name}" if alone else f"{BELOW}/{name}")
        assert (answer.status == 200) is (name != off)
        assert answer.status in (200, 404 if alone else 403)


def test_at_the_top_names_of_files_are_hidden(build: Build, root: Path) -> None:
    (root / HEALTHZ).write_bytes(b"mine")
    ask = build(*EVERYTHING, below="")
    assert ask("GET", f"/{HEALTHZ}").body == b"ok\n"
    assert ask("GET", f"/{METRICS}").status == 200
    assert ask("GET", "/file").body == b"content"
    assert build(*EVERYTHING)("GET", f"/{HEALTHZ}").body == b"mine"


@pytest.mark.parametrize("name", EVERYTHING)
def test_they_are_read_and_nothing_else(name: str, build: Build, root: Path) -> None:
    ask = build(*EVERYTHING)
    head = ask("HEAD", f"{BELOW}/{name}")
    assert (head.status, head.body) == (200, b"")
    for method in ("PUT", "POST", "DELETE", "PROPFIND", "OPTIONS", "LOCK", "MKCOL", "FROB"):
        answer = ask(method, f"{BELOW}/{name}", body=b"x")
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
    assert [path.name for path in root.iterdir()] == ["file"]


def test_who_drains_is_not_ready_and_lives(build: Build) -> None:
    life = Life()
    ask = build(*EVERYTHING, life=life)
    assert ask("GET", f"{BELOW}/{READYZ}").status == 200
    life.is_draining = True
    answer = ask("GET", f"{BELOW}/{READYZ}")
    assert (answer.status, answer.body) == (503, b"The server is about to stop.\n")
    assert ask("GET", f"{BELOW}/{HEALTHZ}").status == 200
    assert ask("GET", "/file").status == 200


def test_who_has_lost_a_root_is_not_ready(build: Build, root: Path) -> None:
    ask = build(*EVERYTHING)
    shutil.rmtree(root)
    answer = ask("GET", f"{BELOW}/{READYZ}")
    assert (answer.status, answer.body) == (503, b"What is served cannot be read.\n")


def test_a_root_that_fails_is_told_without_its_path(
    build: Build, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    ask = build(*EVERYTHING)

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "on purpose", str(root))

    monkeypatch.setattr(ask.trees[""], "directory", fails)
    answer = ask("GET", f"{BELOW}/{READYZ}")
    assert (answer.status, answer.body) == (503, b"What is served cannot be read.\n")


def test_a_damaged_state_is_not_ready_and_has_no_locks_to_tell(root: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with Running(root, state=state) as server:
        assert talk.ask(server.port, f"GET {BELOW}/{READYZ}").status == 200
    state.write_bytes(b"no database at all" * 1000)
    with Running(root, state=state) as server:
        answer = talk.ask(server.port, f"GET {BELOW}/{READYZ}")
        assert (answer.status, answer.body) == (
            503,
            b"Locks and properties are damaged: nothing can be changed.\n",
        )
        assert talk.ask(server.port, f"GET {BELOW}/{HEALTHZ}").status == 200
        assert talk.ask(server.port, f"GET {BELOW}/{METRICS}").status == 200


def test_what_happens_is_in_the_metrics(root: Path, tmp_path: Path) -> None:
    with Running(
        root,
        *("--user", "me"),
        state=tmp_path / "state.db",
        environment={"DAVSERVER_PASSWORD": "pw"},
    ) as server:
        right, wrong = "Authorization: Basic bWU6cHc=", "Authorization: Basic bWU6bm8="
        with Talk(server.port) as client:

            def ask(line: str, *fields: str, body: bytes = b"") -> talk.Reply:
                client.send(talk.request(line, *fields, body=body))
                return client.reply(head=line.startswith("HEAD "))

            token = ask("LOCK /file", right, body=LOCKINFO)["lock-token"]
            assert ask("LOCK /file", right, f"If: ({token})").status == 200
            assert ask("LOCK /file", right, body=LOCKINFO).status == 423
            assert ask("LOCK /other", right, body=LOCKINFO).status == 201
            assert ask("LOCK /", right, body=LOCKINFO).status == 207
            assert ask("UNLOCK /file", right, f"Lock-Token: {token}").status == 204
            assert ask("GET /file", wrong).status == 401
            assert ask("GET /file").status == 401
            assert ask("PUT /new", right, body=b"12345").status == 201
            chunked = "Transfer-Encoding: chunked"
            body = talk.chunked(b"123", b"4567")
            assert ask("PUT /newer", right, chunked, body=body).status == 201
            assert ask("FROB /x", right).status == 501
            before = values(ask(f"GET {BELOW}/{METRICS}", right).body)
            assert ask("GET /file", right).body == b"content"
            after = values(ask(f"GET {BELOW}/{METRICS}", right).body)
        assert talk.ask(server.port, "GET /file", "X Y: z").status == 400
        malformed = values(talk.ask(server.port, f"GET {BELOW}/{METRICS}", right).body)
    outcomes = ("granted", "refreshed", "removed", "refused")
    assert [after["davserver_lock_requests_total", one] for one in outcomes] == [2, 1, 1, 2]
    assert after["davserver_locks",] == 1
    assert after["davserver_authentication_failures_total",] == 1
    assert after["davserver_requests_total", "LOCK", "423"] == 1
    assert after["davserver_requests_total", "PUT", "201"] == 2
    assert after["davserver_requests_total", "GET", "401"] == 2
    assert after["davserver_requests_total", "other", "501"] == 1
    assert after["davserver_received_bytes_total",] == 12 + 4 * len(LOCKINFO)
    sent = "davserver_sent_bytes_total"
    assert after[sent,] > before[sent,] + len(b"content") + 2000
    count = "davserver_request_duration_seconds_count"
    assert after[count, "PUT"] == 2
    assert 0 < after["davserver_request_duration_seconds_sum", "PUT"] < 60
    assert after[count, "GET"] == before[count, "GET"] + 2
    assert malformed["davserver_malformed_requests_total", "400"] == 1


def test_recoveries_are_in_the_metrics(build: Build, root: Path) -> None:
    def recoveries() -> list[float]:
        found = values(ask("GET", f"{BELOW}/{METRICS}").body)
        return [found["davserver_recoveries_total", one] for one in ("finished", "dropped")]

    ask = build(*EVERYTHING)
    finished, dropped = recoveries()
    base = ask.shares.all[""].base
    with ask.state.write() as writer:
        writer.add_intent(Intent(Operation.REMOVE, (*base, "gone")))
        writer.add_intent(Intent(Operation.CREATE, (), (*base, "never")))
    ask.shares.tend()
    assert recoveries() == [finished + 1, dropped + 1]
    ask.shares.tend()
    assert recoveries() == [finished + 1, dropped + 1]


@pytest.mark.parametrize(
    ("given", "there"),
    [
        (("--status", "none"), ()),
        (("--no-metrics",), (HEALTHZ, READYZ)),
        (("--no-healthz", "--no-readyz"), (METRICS,)),
        (("--status", "127.0.0.1:0"), ()),
    ],
)
def test_the_operator_turns_them_off(
    given: tuple[str, ...], there: tuple[str, ...], root: Path, tmp_path: Path
) -> None:
    with Running(root, *given, state=tmp_path / "state.db") as server:
        found = {name: talk.ask(server.port, f"GET {BELOW}/{name}").status for name in EVERYTHING}
        assert talk.ask(server.port, "GET /file").status == 200
    assert found == {name: 200 if name in there else 403 for name in EVERYTHING}


def test_a_unix_socket_for_nothing_else(root: Path, tmp_path: Path) -> None:
    path, login = tmp_path / "status.sock", "Authorization: Basic bWU6cHc="
    with (
        Running(
            root,
            *("--status", f"unix:{path}", "--user", "me"),
            state=tmp_path / "state.db",
            environment={"DAVSERVER_PASSWORD": "pw"},
        ) as server,
        Local(path) as watcher,
    ):

        def ask(line: str, *fields: str, body: bytes = b"") -> talk.Reply:
            watcher.send(talk.request(line, *fields, body=body, host="anything.example"))
            return watcher.reply()

        assert ask(f"GET /{HEALTHZ}").body == b"ok\n"
        assert ask(f"GET /{READYZ}").body == b"ready\n"
        assert values(ask(f"GET /{METRICS}").body)["davserver_locks",] == 0
        for line in ("GET /file", "GET /", "PUT /file", "DELETE /file", f"GET {BELOW}/{HEALTHZ}"):
            assert ask(line, login, body=b"x").status == 404
        assert talk.ask(server.port, "GET /file", login).body == b"content"
        for name in EVERYTHING:
            assert talk.ask(server.port, f"GET /{name}", login).status == 404
            assert talk.ask(server.port, f"GET {BELOW}/{name}", login).status == 403
    assert not path.exists()


def test_an_address_for_nothing_else_speaks_no_tls(root: Path, tmp_path: Path) -> None:
    pair = pairs.written(tmp_path)
    given = ("--status", "127.0.0.1:0", "--cert", pair.cert, "--key", pair.key)
    with Running(root, *given, state=tmp_path / "state.db") as server:
        assert server.process.stdout is not None
        lines = (
            re.search(r"told at http://127\.0\.0\.1:(\d+)/", one) for one in server.process.stdout
        )
        port = next(int(found[1]) for found in lines if found)
        assert talk.ask(port, f"GET /{HEALTHZ}").body == b"ok\n"
        assert talk.ask(port, "GET /file").status == 404
        assert talk.ask(server.port, f"GET /{HEALTHZ}").status == 400


def test_another_path_is_the_operators(root: Path, tmp_path: Path) -> None:
    with Running(root, "--status", "/", state=tmp_path / "state.db") as server:
        for target in ("/healthz", "/health%7A", f"http://localhost:{server.port}/healthz?x"):
            assert talk.ask(server.port, f"GET {target}").body == b"ok\n"
        assert talk.ask(server.port, "GET /file").body == b"content"

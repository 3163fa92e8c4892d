"""Whose turn it is: quick requests are served by one worker, long ones hold nobody up."""

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from davserver.serving import DavServer, bind, workers
from davserver.wsgi import Environ, StartResponse
from tests.bench import processes
from tests.running import Running
from tests.wire import talk
from tests.wire.talk import Talk

CONNECTIONS, ROUNDS = 8, 50
QUICK = talk.request("GET /quick")


class Serving:
    """A server whose application knows which thread it runs in. ``/slow`` waits until it may
    ``go``, and ``before`` is called at the beginning of each request.
    """

    def __init__(self, threads: int) -> None:
        self.threads: list[int] = []
        self.go = threading.Event()
        self.before: Callable[[], object] = lambda: None
        self.listener = bind("127.0.0.1", 0)
        self.server = DavServer(self._answer, [self.listener], threads)
        self.server.prepare()
        self.port = self.listener.port

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.threads.append(threading.get_ident())
        self.before()
        if environ["PATH_INFO"] == "/slow":
            assert self.go.wait(talk.SECONDS)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def exchanges(self) -> int:
        """How often another thread has served than the time before, of many quick requests."""
        with ExitStack() as held:
            crowd = [held.enter_context(Talk(self.port)) for _ in range(CONNECTIONS)]
            for _ in range(ROUNDS):
                for one in crowd:
                    one.send(QUICK)
                assert [one.reply().status for one in crowd] == [200] * CONNECTIONS
        return sum(one != other for one, other in pairwise(self.threads))


@contextmanager
def serving(threads: int = 4) -> Iterator[Serving]:
    found = Serving(threads)
    thread = threading.Thread(target=found.server.serve)
    thread.start()
    try:
        yield found
    finally:
        found.go.set()
        found.server.stop()
        thread.join()
        found.listener.close()


def test_quick_requests_are_served_by_one_worker() -> None:
    with serving() as served:
        assert served.exchanges() < CONNECTIONS * ROUNDS / 4


def test_who_steps_aside_lets_another_one_lead() -> None:
    """And the control of the test before."""
    with serving() as served:

        def wait() -> None:
            served.server.step_aside()
            time.sleep(0.001)

        served.before = wait
        assert served.exchanges() > CONNECTIONS * ROUNDS / 4


@pytest.mark.parametrize("calm", [0.0, 5 * workers.CALM_SECONDS])
def test_a_request_that_takes_long_holds_nobody_up(calm: float) -> None:
    with serving(3) as served, Talk(served.port) as first, Talk(served.port) as second:
        time.sleep(calm)
        for one in (first, second):
            one.send(talk.request("GET /slow"))
        for _ in range(3):
            assert talk.ask(served.port, "GET /quick").body == b"ok"
        assert not served.go.is_set()
        served.go.set()
        assert (first.reply().body, second.reply().body) == (b"ok", b"ok")


@pytest.mark.parametrize(("number", "pauses"), [(10, [2, 4, 4, 4]), (1, [1, 1, 1, 1])])
def test_who_serves_quickly_is_looked_at_less_often(
    monkeypatch: pytest.MonkeyPatch, number: int, pauses: list[int]
) -> None:
    found: list[float] = []
    looked_at = workers.Workers(None, 4, 4)

    def serve(seconds: float) -> None:
        found.append(seconds)
        looked_at._served += number

    monkeypatch.setattr(workers, "sleep", serve)
    looked_at._served += number
    for _ in pauses:
        looked_at.look(0.0)
    assert found == [pause * workers.LONG_SECONDS for pause in pauses]


def test_one_that_takes_long_after_many_quick_ones_holds_nobody_up() -> None:
    with serving() as served, Talk(served.port) as client:
        for _ in range(200):
            client.send(QUICK * 3)
            assert [client.reply().status for _ in range(3)] == [200] * 3
        client.send(talk.request("GET /slow"))
        assert talk.ask(served.port, "GET /quick").body == b"ok"
        served.go.set()
        assert client.reply().body == b"ok"


@pytest.mark.parametrize("aside", [True, False])
def test_who_waits_for_a_disk_says_so_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, aside: bool
) -> None:
    """Nobody looks how long the leader takes: what it does not say itself holds others up."""
    monkeypatch.setattr(workers.Workers, "_relieve", lambda _: None)
    with serving(2) as served, Talk(served.port) as slow, Talk(served.port) as quick:
        if aside:
            served.before = served.server.step_aside
        slow.send(talk.request("GET /slow"))
        while not served.threads:
            time.sleep(0.001)
        quick.send(QUICK)
        is_answered = bool(select.select([quick.socket], [], [], 20 if aside else 0.3)[0])
        assert is_answered == aside
        served.go.set()
        assert (slow.reply().body, quick.reply().body) == (b"ok", b"ok")


def test_all_workers_may_be_busy_and_are_free_again() -> None:
    with serving(2) as served, ExitStack() as held:
        crowd = [held.enter_context(Talk(served.port)) for _ in range(6)]
        for one in crowd:
            one.send(talk.request("GET /slow"))
        time.sleep(0.2)
        assert len(served.threads) == 2
        served.go.set()
        assert [one.reply().body for one in crowd] == [b"ok"] * 6
        assert talk.ask(served.port, "GET /quick").body == b"ok"


def test_requests_that_come_together_are_answered_in_order() -> None:
    with serving() as served, Talk(served.port) as connection:
        connection.send(QUICK * 5 + talk.request("GET /slow") + QUICK)
        assert [connection.reply().status for _ in range(5)] == [200] * 5
        served.go.set()
        assert [connection.reply().status for _ in range(2)] == [200] * 2


def test_a_connection_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davserver.serving.server.IDLE_SECONDS", 1)
    with serving() as served, Talk(served.port) as used, Talk(served.port) as new:
        for _ in range(4):
            time.sleep(0.5)
            used.send(QUICK)
            assert used.reply().body == b"ok"
        assert new.is_ended()
        assert used.is_ended()


@pytest.mark.parametrize("_", range(20))
def test_it_can_be_stopped_while_it_starts(_: int) -> None:
    with serving(8):
        pass


def test_nobody_is_awake_while_nothing_comes(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with Running(tmp_path / "root", state=tmp_path / "state.db") as server:
        assert talk.ask(server.port, "GET /").status == 200
        time.sleep(2 * workers.CALM_SECONDS)
        before = switches(server.process.pid)
        time.sleep(2)
        assert switches(server.process.pid) - before < 40


def switches(pid: int) -> int:
    """How often the threads of a process and of its children have gone to sleep."""
    found = 0
    for one in processes.below(pid, processes.stats()):
        for status in Path(f"/proc/{one.pid}/task").glob("*/status"):
            said = status.read_text().splitlines()
            (line,) = (each for each in said if each.startswith("voluntary"))
            found += int(line.split()[1])
    return found

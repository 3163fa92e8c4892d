"""Workers are killed, stand still and cannot begin: the others go on, and successors come."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from davserver.commands.serve import MOST_WORKERS
from davserver.processes import cores, crew
from tests.bench import processes
from tests.faults.altered import Altered
from tests.processes.ground import Load, ask, connections, until
from tests.running import Running
from tests.wire import talk

IMPATIENT = "from davserver.processes import crew; crew.STUCK_SECONDS = 1.5"
FAILING = """
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from davserver import worker
begin = worker.Work._serve
def serve(self, seat, held):
    with Path({log!r}).open("a") as log:
        log.write("one\\n")
    if seat.number == 1 and seat.is_successor:
        os._exit(7)
    return begin(self, seat, held)
worker.Work._serve = serve
"""
BROKEN = """
from davserver import worker
def serve(self, seat, held):
    raise RuntimeError("broken")
worker.Work._serve = serve
"""
REFUSING = """
from davserver import worker
from davserver.config import ConfigError
def serve(self, seat, held):
    raise ConfigError("It cannot be: say --otherwise.")
worker.Work._serve = serve
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def server(tmp_path: Path, root: Path) -> Iterator[Running]:
    """One whose workers may be killed."""
    with Running(root, "--durability", "rename", state=tmp_path / "state.db") as running:
        running.may_die = True
        yield running


def test_as_many_workers_as_are_asked_for(tmp_path: Path, root: Path) -> None:
    with Running(root, "--workers", "3", state=tmp_path / "state.db") as running:
        assert len(running.workers) == 3
        with connections(running) as each:
            assert len(each) == 3


@pytest.mark.parametrize("is_pinned", [False, True], ids=["all cores", "one core"])
def test_there_are_as_many_workers_as_cores(tmp_path: Path, root: Path, is_pinned: bool) -> None:
    """Where nothing else is said."""
    may = os.sched_getaffinity(0)
    try:
        # The server inherits it.
        os.sched_setaffinity(0, {min(may)} if is_pinned else may)
        with Running(root, state=tmp_path / "state.db", settings=()) as running:
            assert len(running.workers) == min(cores.available(), MOST_WORKERS)
            assert talk.ask(running.port, "OPTIONS /").status == 200
    finally:
        os.sched_setaffinity(0, may)


def test_a_killed_worker_holds_nobody_up_and_loses_nothing(server: Running, root: Path) -> None:
    """Under load: connections to the other worker stay, and another one comes."""
    with connections(server) as each, Load(server, 6) as load:
        load.goes_on()
        (victim, _), (other, connection) = each.items()
        os.kill(victim, signal.SIGKILL)
        for number in range(20):
            assert ask(connection, f"PUT /other-{number}", body=b"x").status == 201
        until(lambda: len(server.workers) == 2 and victim not in server.workers)
        assert other in server.workers
        load.goes_on()
        with connections(server) as after:
            assert set(after) == set(server.workers)
    assert load.wrong == []
    assert load.refused == 0
    assert load.written
    for url, body in load.written.items():
        assert (root / url[1:]).read_bytes() == body
    log = server.log.read_text()
    assert f"(process {victim}) was ended by SIGKILL; another one starts now" in log


def test_every_worker_is_killed_and_comes_again(server: Running) -> None:
    """Clients wait meanwhile: the port stays open."""
    for pid in server.workers:
        os.kill(pid, signal.SIGKILL)
    assert talk.ask(server.port, "OPTIONS /").status == 200


def test_workers_share_locks(server: Running) -> None:
    body = (
        b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
        b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
    with connections(server) as each:
        one, two = each.values()
        locked = ask(one, "LOCK /file", body=body)
        assert locked.status == 201
        token = locked["lock-token"]
        assert ask(two, "PUT /file", body=b"x").status == 423
        assert ask(two, "PUT /file", f"If: ({token})", body=b"x").status == 204
        assert ask(two, "UNLOCK /file", f"Lock-Token: {token}").status == 204
        assert ask(one, "PUT /file", body=b"y").status == 204
        assert ask(two, "GET /file").body == b"y"


def test_trash_that_any_worker_makes_is_emptied(server: Running, root: Path) -> None:
    with connections(server) as each:
        for number, connection in enumerate(each.values()):
            (root / f"folder{number}").mkdir()
            (root / f"folder{number}" / "file").touch()
            assert ask(connection, f"DELETE /folder{number}/").status == 204
            until(lambda: not list(root.iterdir()))


def test_workers_end_when_their_master_is_killed(server: Running) -> None:
    """They end in good order, and let go of the port."""
    workers = server.workers
    server.process.kill()
    server.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() and _lives(pid) for pid in workers))
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", server.port))


def _lives(pid: int) -> bool:
    """Whether it is more than an entry that nobody has asked for."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_stands_still_is_replaced(tmp_path: Path, root: Path) -> None:
    with Altered(root, state=tmp_path / "state.db", change=IMPATIENT) as running:
        running.may_die = True
        victim, other = running.workers
        os.kill(victim, signal.SIGSTOP)
        until(lambda: victim not in running.workers and len(running.workers) == 2)
        assert other in running.workers
        until(lambda: talk.ask(running.port, "OPTIONS /").status == 200)
        assert f"(process {victim}) stands still, and is ended" in running.log.read_text()


def test_a_worker_that_never_becomes_ready_is_replaced(tmp_path: Path, root: Path) -> None:
    hung = tmp_path / "hung"
    change = (
        "from pathlib import Path; import time; from davserver import worker"
        "\nfrom davserver.processes import crew; crew.START_SECONDS = 2.0"
        "\nserve = worker.Work._serve"
        "\ndef slow(self, seat, held):"
        f"\n    if seat.number == 1 and not Path({str(hung)!r}).exists():"
        f"\n        Path({str(hung)!r}).touch(); time.sleep(60)"
        "\n    return serve(self, seat, held)"
        "\nworker.Work._serve = slow"
    )
    running = Altered(root, state=tmp_path / "state.db", change=change)
    running.may_die = True
    with running:
        assert hung.exists()
        assert "stands still, and is ended" in running.log.read_text()
        assert talk.ask(running.port, "OPTIONS /").status == 200


def test_an_end_by_a_signal_without_a_name_is_an_end_like_others(
    tmp_path: Path, root: Path
) -> None:
    with Running(root, state=tmp_path / "state.db") as running:
        running.may_die = True
        victim = running.workers[0]
        os.kill(victim, signal.SIGRTMIN + 6)
        until(lambda: victim not in running.workers and len(running.workers) == 2)
        assert talk.ask(running.port, "OPTIONS /").status == 200
        assert f"was ended by signal {signal.SIGRTMIN + 6}" in running.log.read_text()


def test_a_worker_that_waits_for_long_does_not_stand_still(tmp_path: Path, root: Path) -> None:
    """Only the thread that looks after connections counts."""
    change = IMPATIENT + (
        "\nimport time; from davserver.methods import TABLE; run = TABLE['MKCOL']"
        "\ndef slow(*given):\n    time.sleep(4)\n    return run(*given)"
        "\nTABLE['MKCOL'] = slow"
    )
    with Altered(root, state=tmp_path / "state.db", change=change) as running:
        assert talk.ask(running.port, "MKCOL /folder").status == 201
        assert running.is_whole


def test_who_dies_again_and_again_is_not_started_all_the_time(tmp_path: Path, root: Path) -> None:
    starts = tmp_path / "starts"
    change = FAILING.format(log=str(starts))
    with Altered(root, state=tmp_path / "state.db", change=change) as running:
        running.may_die = True
        os.kill(running.workers[1], signal.SIGKILL)
        said = "ended with code 7; another one starts in 2 seconds"
        until(lambda: said in running.log.read_text())
        assert len(starts.read_text().splitlines()) <= 5
        assert talk.ask(running.port, "OPTIONS /").status == 200


def started(root: Path, folder: Path, change: str) -> subprocess.CompletedProcess[str]:
    """A start that fails, with all that it says."""
    running = Altered(root, state=folder / "state.db", change=change)
    return subprocess.run(running.command, capture_output=True, text=True, timeout=60, check=False)


def test_a_start_that_no_worker_survives_ends(tmp_path: Path, root: Path) -> None:
    ended = started(root, tmp_path, BROKEN)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "RuntimeError: broken" in ended.stderr


def test_what_a_worker_refuses_is_one_sentence(tmp_path: Path, root: Path) -> None:
    ended = started(root, tmp_path, REFUSING)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if "cannot keep what" not in line]
    assert lines == ["davserver: It cannot be: say --otherwise."]


def test_a_crew_pauses_for_longer_and_longer() -> None:
    assert crew.PAUSES[0] == 0
    assert list(crew.PAUSES) == sorted(crew.PAUSES)
    assert crew.PAUSES[-1] == 30


def test_nothing_is_left_running(tmp_path: Path, root: Path) -> None:
    """A master has no children but its workers, and they have none."""
    with Running(root, state=tmp_path / "state.db") as running:
        tree = processes.below(running.process.pid, processes.stats())
        assert sorted(one.pid for one in tree)[1:] == running.workers
        pids = [one.pid for one in tree]
    assert not any(_lives(pid) for pid in pids)


def sockets(pid: int) -> int:
    """How many sockets one process has open."""
    found = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(each).startswith("socket:")
    return found


def test_connections_that_come_together_are_shared(tmp_path: Path, root: Path) -> None:
    with Running(root, state=tmp_path / "state.db") as running, ExitStack() as held:
        before = [sockets(pid) for pid in running.workers]
        crowd = [held.enter_context(talk.Talk(running.port)) for _ in range(20)]
        for one in crowd:
            assert ask(one, "OPTIONS /").status == 200
        taken = [sockets(pid) - least for pid, least in zip(running.workers, before, strict=True)]
        assert sum(taken) == 20
        assert max(taken) - min(taken) <= 4


def test_a_worker_that_stands_still_is_not_waited_for(tmp_path: Path, root: Path) -> None:
    """However few connections it has."""
    with Running(root, state=tmp_path / "state.db") as running, ExitStack() as held:
        os.kill(running.workers[0], signal.SIGSTOP)
        try:
            for _ in range(10):
                one = held.enter_context(talk.Talk(running.port))
                assert ask(one, "OPTIONS /").status == 200
        finally:
            os.kill(running.workers[0], signal.SIGCONT)

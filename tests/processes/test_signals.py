"""What signals do: the server drains, takes new settings and opens its logs again."""

import errno
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.altered import Altered
from tests.processes.ground import Load, ask, connections, until
from tests.running import ENDED, Running, states
from tests.wire import talk
from tests.wire.talk import Talk

MEBIBYTE = 1 << 20
NOTING = """
import os, signal
from pathlib import Path
from davserver import worker
def note(name):
    with Path({log!r}).open("a") as log:
        log.write(f"{{name}} {{os.getpid()}}\\n")
worker.Work._hooks = lambda self: {{
    signal.SIGHUP: lambda: note("HUP"),
    signal.SIGUSR1: lambda: note("USR1"),
}}
"""


@pytest.fixture(autouse=True)
def unignored() -> Iterator[None]:
    """Who runs the tests in the background may have let them ignore Ctrl-C, and what they start."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def server(tmp_path: Path, root: Path) -> Iterator[Running]:
    with Running(root, state=tmp_path / "state.db") as running:
        yield running


class Ending:
    """A stop that is waited for elsewhere."""

    def __init__(self, server: Running, how: int = signal.SIGTERM) -> None:
        self.code = -1
        self._server = server
        self._how = how
        self._thread = threading.Thread(target=self._stop)

    def __enter__(self) -> "Ending":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _stop(self) -> None:
        self.code = self._server.stop(self._how)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_under_way_is_finished(server: Running, root: Path, how: int) -> None:
    """Clients that have nothing under way do not hold it up."""
    with connections(server) as each, Talk(server.port) as upload:
        upload.send(talk.request("PUT /file", "Content-Length: 4", body=b"ab"))
        upload.send(b"c")
        idle = next(iter(each.values()))
        with Ending(server, how) as ending:
            # Whoever is idle is let go: so it has begun to end.
            assert idle.is_ended()
            upload.send(b"d")
            assert upload.reply().status == 201
    assert ending.code == 0
    assert (root / "file").read_bytes() == b"abcd"


def test_ctrl_c_reaches_every_process(server: Running, root: Path) -> None:
    """As a terminal does it; what is under way is finished all the same."""
    server.may_die = True
    with Talk(server.port) as upload:
        upload.send(talk.request("PUT /file", "Content-Length: 2", "Expect: 100-continue"))
        assert upload.begin()[0] == 100
        os.killpg(server.process.pid, signal.SIGINT)
        upload.send(b"ab")
        assert upload.reply().status == 201
    assert server.stop() == 0
    assert (root / "file").read_bytes() == b"ab"


def test_who_has_just_come_is_answered(server: Running, root: Path) -> None:
    """The sockets that clients connect to are closed by then."""
    (root / "file").write_bytes(b"content")
    with Talk(server.port) as upload, Talk(server.port) as idle:
        upload.send(talk.request("PUT /other", "Content-Length: 2", "Expect: 100-continue"))
        assert upload.begin()[0] == 100
        assert ask(idle, "OPTIONS /").status == 200
        with Talk(server.port) as new, Ending(server):
            assert idle.is_ended()
            new.send(talk.request("GET /file"))
            answer = new.reply()
            assert (answer.status, answer["connection"]) == (200, "close")
            upload.send(b"ab")
            assert upload.reply().status == 201


def test_who_does_not_read_is_cut_at_the_limit(tmp_path: Path, root: Path) -> None:
    (root / "file").write_bytes(bytes(64 * MEBIBYTE))
    options = ("--drain-timeout", "1")
    server = Running(root, *options, state=tmp_path / "state.db").start()
    with Talk(server.port, receive_buffer=4096) as slow:
        slow.send(talk.request("GET /file"))
        assert slow.begin()[0] == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began > 0.9
        with pytest.raises((talk.Ended, ConnectionResetError)):
            slow.take(64 * MEBIBYTE)


def test_the_second_signal_ends_it_at_once(tmp_path: Path, root: Path) -> None:
    options = ("--drain-timeout", "3600")
    server = Running(root, *options, state=tmp_path / "state.db").start()
    server.may_die = True
    with Talk(server.port) as upload:
        upload.send(talk.request("PUT /file", "Content-Length: 4", "Expect: 100-continue"))
        assert upload.begin()[0] == 100
        server.process.terminate()
        time.sleep(0.2)
        assert server.process.poll() is None
        assert server.stop() == 0
    assert not list(root.iterdir())


def test_new_settings_are_taken_without_a_refusal(tmp_path: Path, root: Path) -> None:
    """New workers come, the old ones finish; keep-alive connections end between two requests."""
    file = tmp_path / "davserver.toml"
    file.write_text(f'root = "{root}"\n')
    with Running("--config", file, state=tmp_path / "state.db") as server:
        server.may_die = True
        old = server.workers
        with connections(server), Load(server, 4) as load:
            load.goes_on()
            file.write_text(f'root = "{root}"\ninfinite_depth = false\nworkers = 3\n')
            server.process.send_signal(signal.SIGHUP)
            # The flag of the test wins over the file: two again.
            until(lambda: len(server.workers) == 2 and not set(old) & set(server.workers))
            load.goes_on()
        assert talk.ask(server.port, "PROPFIND /", "Depth: infinity").status == 403
        assert (load.wrong, load.refused) == ([], 0)
        for url, body in load.written.items():
            assert (root / url[1:]).read_bytes() == body


WRONG = {
    "no TOML": ("root = ", "is not valid TOML"),
    "an unknown key": ('root = "{root}"\nrot = 1', "unknown key rot"),
    "no such folder": ('root = "{root}/none"', "there is no such directory"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_wrong_settings_change_nothing(tmp_path: Path, root: Path, text: str, said: str) -> None:
    file = tmp_path / "davserver.toml"
    file.write_text(f'root = "{root}"\n')
    with Running("--config", file, state=tmp_path / "state.db") as server:
        file.write_text(text.format(root=root))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: said in server.log.read_text())
        assert "the settings stay as they were: " in server.log.read_text()
        assert server.is_whole
        assert talk.ask(server.port, "PUT /file", body=b"x").status == 201


BAD = {
    "a refusal": ("raise ConfigError('Not that.')", "Not that."),
    "a failure": ("1 / 0", "the new workers do not become ready"),
    "no word": ("time.sleep(3600)", "the new workers do not become ready"),
}


@pytest.mark.parametrize(("does", "said"), BAD.values(), ids=BAD)
def test_settings_that_no_worker_can_serve_change_nothing(
    tmp_path: Path, root: Path, does: str, said: str
) -> None:
    """They look right, and only those who are to serve by them find out."""
    change = (
        "import time; from davserver import worker; from davserver.config import ConfigError"
        "\nfrom davserver.processes import master; master.RENEWAL_SECONDS = 2"
        "\nbegin = worker.Work._serve"
        "\ndef serve(self, seat, held):"
        f"\n    if not self.settings.infinite_depth: {does}"
        "\n    return begin(self, seat, held)"
        "\nworker.Work._serve = serve"
    )
    file = tmp_path / "davserver.toml"
    file.write_text(f'root = "{root}"\n')
    with Altered("--config", file, state=tmp_path / "state.db", change=change) as server:
        file.write_text(f'root = "{root}"\ninfinite_depth = false\n')
        server.process.send_signal(signal.SIGHUP)
        until(lambda: f"stay as they were: {said}" in server.log.read_text())
        until(lambda: server.is_whole)
        assert talk.ask(server.port, "PROPFIND /", "Depth: infinity").status == 207


def test_settings_that_need_a_restart_are_named(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "davserver.toml"
    file.write_text(f'root = "{root}"\n')
    with Running("--config", file, state=tmp_path / "state.db") as server:
        server.may_die = True
        file.write_text(f'root = "{root}"\nhost = "127.0.0.2"\nread_only = true\n')
        old = server.workers
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "host has changed: that needs a restart" in server.log.read_text())
        until(lambda: len(server.workers) == 2 and not set(old) & set(server.workers))
        assert talk.ask(server.port, "PUT /file", body=b"x").status == 403


def noted(log: Path) -> list[str]:
    return sorted(log.read_text().splitlines()) if log.exists() else []


def has_noted(log: Path, wanted: list[str]) -> bool:
    return noted(log) == wanted


def test_workers_are_told_to_read_certificates_and_to_open_logs(tmp_path: Path, root: Path) -> None:
    """Where no setting has changed, no connection ends."""
    log = tmp_path / "noted"
    change = NOTING.format(log=str(log))
    with (
        Altered(root, state=tmp_path / "state.db", change=change) as server,
        connections(server) as each,
    ):
        for name in ("HUP", "USR1"):
            server.process.send_signal(getattr(signal, f"SIG{name}"))
            wanted = sorted(f"{name} {pid}" for pid in server.workers)
            until(partial(has_noted, log, wanted))
            log.unlink()
        for connection in each.values():
            assert ask(connection, "OPTIONS /").status == 200
        assert server.is_whole


@contextmanager
def at_a_terminal(
    tmp_path: Path, root: Path, *before: str
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A server, its port, and the other end of the terminal that it was started at."""
    ours, theirs = pty.openpty()
    command = Running(root, state=tmp_path / "state.db").command
    with subprocess.Popen(
        ["setsid", "--ctty", *before, *command], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while not (found := re.search(rb"http://[^\s/]+:(\d+)/", said)):
            said += os.read(ours, 1 << 10)
        try:
            yield process, int(found[1]), ours
        finally:
            process.terminate()
            process.wait(30)


def test_the_end_of_its_terminal_is_its_end(tmp_path: Path, root: Path) -> None:
    """SIGHUP means new settings where nobody has hung up."""
    with at_a_terminal(tmp_path, root) as (process, port, terminal):
        os.kill(process.pid, signal.SIGHUP)
        assert talk.ask(port, "OPTIONS /").status == 200
        os.close(terminal)
        assert process.wait(30) == 0
        assert all(found <= ENDED for found in states(process.pid))


def test_a_terminal_may_end_before_who_asked_to_outlive_it(tmp_path: Path, root: Path) -> None:
    before = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    with at_a_terminal(tmp_path, root, *before) as (process, port, terminal):
        os.close(terminal)
        for _ in range(5):
            os.kill(process.pid, signal.SIGHUP)
            assert talk.ask(port, "OPTIONS /").status == 200
        assert process.poll() is None


def test_a_signal_to_the_whole_group_is_one(tmp_path: Path, root: Path) -> None:
    """As systemd and others stop a service: the worker hears of it twice."""
    with Running(root, state=tmp_path / "state.db") as server, Talk(server.port) as one:
        one.send(talk.request("PUT /file", "Content-Length: 10") + b"01234")
        until(lambda: any(root.parent.glob("state.db*")))
        time.sleep(0.2)
        server.may_die = True
        os.killpg(server.process.pid, signal.SIGTERM)
        time.sleep(0.5)
        one.send(b"56789")
        assert one.reply().status == 201
        assert server.process.wait(20) == 0


def test_who_comes_when_all_ends_hears_it_at_once(tmp_path: Path, root: Path) -> None:
    (root / "large").write_bytes(bytes(1 << 24))
    with (
        Running(root, state=tmp_path / "state.db") as server,
        Talk(server.port, receive_buffer=4096) as slow,
    ):
        slow.send(talk.request("GET /large"))
        assert slow.begin()[0] == 200
        server.may_die = True
        server.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(server.port))
        assert server.process.poll() is None
        assert len(slow.take(1 << 24)) == 1 << 24


def is_refused(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_settings_that_workers_cannot_take_are_taken_when_they_can(
    tmp_path: Path, root: Path
) -> None:
    file, log, state = tmp_path / "davserver.toml", tmp_path / "access.log", tmp_path / "state.db"
    settings = f'root = "{root}"\naccess_log = "{log}"\n'
    file.write_text(settings)
    with Running("--config", file, state=state) as server:
        server.may_die = True
        old = server.workers
        obstacle = Path(f"{state}-owners")
        obstacle.rename(f"{obstacle}-aside")
        obstacle.write_text("no folder")
        file.write_text(settings + "threads = 5\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the settings stay as they were" in server.log.read_text())
        obstacle.unlink()
        Path(f"{obstacle}-aside").rename(obstacle)
        until(lambda: server.workers == old)
        lines = len(log.read_text().splitlines())
        os.kill(old[0], signal.SIGKILL)
        until(lambda: len(server.workers) == 2 and old[0] not in server.workers)
        for _ in range(10):
            assert talk.ask(server.port, "OPTIONS /").status == 200
        # The successor of an old worker logs where the old ones do.
        until(lambda: len(log.read_text().splitlines()) == lines + 10)
        before = server.workers
        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(server.workers) == 2 and not set(before) & set(server.workers))
        assert talk.ask(server.port, "OPTIONS /").status == 200


def test_an_access_log_that_was_moved_away_is_begun_anew(tmp_path: Path, root: Path) -> None:
    """As logrotate does it, by each worker."""
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with (
        Running(root, "--access-log", log, state=tmp_path / "state.db") as server,
        connections(server) as clients,
    ):
        log.rename(old)
        server.process.send_signal(signal.SIGUSR1)
        until(log.exists)
        for client in clients.values():
            lines = -1
            while len(log.read_text().splitlines()) <= lines or lines < 0:
                lines = len(log.read_text().splitlines())
                assert ask(client, "OPTIONS /").status == 200
                time.sleep(0.05)
        moved = old.read_text()
        for client in clients.values():
            assert ask(client, "GET /none").status == 404
        until(lambda: log.read_text().count("GET /none") == len(clients))
        assert old.read_text() == moved


def test_whatever_fails_at_new_settings_ends_nobody(tmp_path: Path, root: Path) -> None:
    change = "from davserver import renewal; renewal.renewed = lambda *given: 1 / 0"
    with Altered(root, state=tmp_path / "state.db", change=change) as server:
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "stay as they were: they cannot be read" in server.log.read_text())
        assert "ZeroDivisionError" in server.log.read_text()
        assert server.is_whole
        assert talk.ask(server.port, "OPTIONS /").status == 200


def tells_of_a_break(running: Running) -> bool:
    """Whether the log tells of a connection that breaks, which only some want to know."""
    with Talk(running.port) as client:
        client.send(b"GET")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.1)
    return "a connection broke" in running.log.read_text()


def test_new_workers_log_as_much_as_the_new_settings_want(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "davserver.toml"
    file.write_text(f'root = "{root}"\n')

    with Running("--config", file, state=tmp_path / "state.db") as running:
        running.may_die = True
        assert not tells_of_a_break(running)
        old = running.workers
        file.write_text(f'root = "{root}"\nverbose = true\naccess_log = "none"\n')
        running.process.send_signal(signal.SIGHUP)
        until(lambda: len(running.workers) == 2 and not set(old) & set(running.workers))
        until(lambda: tells_of_a_break(running))

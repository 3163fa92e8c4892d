"""What the service manager is told, by a real socket."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from davserver.processes import Notifier
from tests.processes.ground import SECONDS, until
from tests.running import Running


class Manager:
    """Listens at an address, as a service manager does."""

    def __init__(self, address: str) -> None:
        self.said: list[tuple[float, dict[str, str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while data := self._socket.recv(1 << 12):
            lines = (line.partition("=") for line in data.decode().splitlines())
            self.said.append((time.monotonic(), {key: value for key, _, value in lines}))

    def heard(self, key: str) -> list[tuple[float, str]]:
        """The values of a key so far, with the time of each."""
        return [(when, said[key]) for when, said in self.said if key in said]

    def wait(self, key: str, times: int = 1) -> str:
        """The last value of a key, once there have been so many."""
        until(lambda: len(self.heard(key)) >= times)
        return self.heard(key)[-1][1]

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.connect(self._socket.getsockname())
            last.send(b"")
        self._thread.join(SECONDS)
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@davserver-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    found = Manager(address)
    yield found
    found.close()


def test_ready_reloading_and_stopping(tmp_path: Path, address: str, manager: Manager) -> None:
    (tmp_path / "root").mkdir()
    server = Running(
        tmp_path / "root", state=tmp_path / "state.db", environment={"NOTIFY_SOCKET": address}
    ).start()
    assert manager.wait("READY") == "1"
    assert manager.wait("MAINPID") == str(server.process.pid)
    assert manager.wait("STATUS") == f"2 workers at {server.url}/"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    server.process.send_signal(signal.SIGHUP)
    assert manager.wait("RELOADING") == "1"
    assert int(manager.wait("MONOTONIC_USEC")) > before
    manager.wait("READY", 2)
    assert server.stop() == 0
    assert manager.wait("STOPPING") == "1"
    assert not manager.heard("WATCHDOG")


def test_a_sign_of_life_comes_while_the_workers_live(
    tmp_path: Path, address: str, manager: Manager
) -> None:
    (tmp_path / "root").mkdir()
    given = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    options = ("--workers", "1")
    with Running(
        tmp_path / "root", *options, state=tmp_path / "state.db", environment=given
    ) as server:
        server.may_die = True
        manager.wait("WATCHDOG", 3)
        (victim,) = server.workers
        os.kill(victim, signal.SIGSTOP)
        stopped = time.monotonic()
        until(lambda: server.workers not in ([], [victim]))
        came = time.monotonic()
        quiet = [when for when, _ in manager.heard("WATCHDOG") if stopped + 2.5 < when < came]
        assert not quiet
        seen = len(manager.heard("WATCHDOG"))
        manager.wait("WATCHDOG", seen + 2)
        assert "0 of 1 worker" in {
            value.partition(" at")[0] for _, value in manager.heard("STATUS")
        }


def test_what_the_environment_says_is_not_handed_on() -> None:
    given = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7", "OTHER": "1"}
    assert Notifier.of(given, 7).watchdog_seconds == 3.0
    assert given == {"OTHER": "1"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": ""},
    ],
)
def test_nobody_watches(given: dict[str, str]) -> None:
    assert Notifier.of(given, 7).watchdog_seconds == 0.0


@pytest.mark.parametrize("nowhere", ["", "/none/at/all", "@none-at-all", "/" + "x" * 200])
def test_nobody_listens(nowhere: str) -> None:
    notifier = Notifier(nowhere)
    notifier.ready("x")
    notifier.alive()

"""Servers that are killed: ours and those beside it, each a group of processes of its own.

What a server keeps lies in one place: ``root`` is what it serves at `/`, ``state.db`` or ``home``
what it needs to know. So a place can be a mounted image, and a dead server starts again on it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench import configurations, peers, processes
from tests.running import ENDED, URL, kill, states, states_of

DEADLINE = 30.0
"""Seconds for a server to start, to stop and to stand still."""
GROWN = 2.5
"""Seconds after its start from which a worker does not die soon, as its master sees it."""

Command = Callable[[Path, int], Sequence[str | Path]]


class NotStarted(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server. ``command`` starts it in a place at a port.

    ``lacks`` are kinds of operations and of questions that it does not know. ``passing`` is what
    names of its temporary files look like, ``own`` what those of its directories do that clients
    do not see: trash, or with ``has_notes`` a file for each name that has properties. ``scratch``
    is a folder beside the root for temporary files. ``has_state`` says that it is ours.
    """

    name: str
    command: Command
    lacks: frozenset[str] = frozenset()
    passing: re.Pattern[str] = re.compile(r"\.~dav-(?!trash$)")
    own: re.Pattern[str] = re.compile(r"\.~dav-")
    missing: Callable[[], str] = lambda: ""
    user: str | None = None
    has_state: bool = False
    has_notes: bool = False
    scratch: str = ""

    def prepare(self, place: Path) -> None:
        """Make what it expects in an empty place, and see to it that the disk has it."""
        self._make(place / "root")
        self._make(place / "home")
        subprocess.run(["sync", "-f", place], check=True)

    def repair(self, place: Path) -> None:
        """Throw away what it keeps beside the served tree, so that it can start."""
        shutil.rmtree(place / "home")
        self._make(place / "home")

    def _make(self, folder: Path) -> None:
        folder.mkdir()
        if self.user is not None:
            shutil.chown(folder, self.user, self.user)


class Process:
    """A server that runs; ends with ``kill`` or ``stop``."""

    def __init__(self, server: Server, place: Path) -> None:
        self.port = peers.free_port()
        self._tells = server.has_state
        self._said = place / "said"
        with (place / "server.log").open("ab") as log, self._said.open("wb") as said:
            self._leader = subprocess.Popen(
                [str(part) for part in server.command(place, self.port)],
                stdout=said,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                user=server.user,
                group=server.user,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers. Raises NotStarted."""
        if not self._tells:
            try:
                peers.wait(self.port, self._leader.poll)
            except peers.NotStarted as error:
                raise NotStarted(f"{error}") from error
            return
        until = time.monotonic() + DEADLINE
        while not URL.search(self._said.read_text()):
            if self._has_ended() or time.monotonic() > until:
                raise NotStarted(f"it says no URL but {self._said.read_text()!r}")
            time.sleep(0.002)

    def kill(self) -> int:
        """End all its processes at once, as they are. Gives the exit code of the first."""
        return kill(self._leader)

    def stop(self) -> int:
        """Ask it to end, and give its exit code."""
        self._leader.terminate()
        until = time.monotonic() + DEADLINE
        while not self._has_ended() and time.monotonic() < until:
            time.sleep(0.005)
        return self.kill()

    def wait_for_workers(self) -> None:
        """Wait until all of them have been there for a while: who dies soon after the start has no
        successor at once.
        """
        until = time.monotonic() + DEADLINE
        while len(found := self._workers()) < 2 or min(map(_age, found)) < GROWN:
            assert time.monotonic() < until, "a worker has no successor"
            time.sleep(0.02)

    @contextmanager
    def stopped_worker(self) -> Iterator[set[int]]:
        """Let the eldest of its workers stand still, and kill it in the end. Gives the ports of the
        clients that it serves.
        """
        victim = max(self._workers(), key=_age)
        os.kill(victim, signal.SIGSTOP)
        while not states_of(victim) <= _STILL:
            time.sleep(0.0005)
        yield clients_of(victim, self.port)
        os.kill(victim, signal.SIGKILL)

    def _workers(self) -> list[int]:
        return [one.pid for one in processes.stats() if one.parent == self._leader.pid]

    def pause(self) -> None:
        """Let it stand still, be it in the middle of a system call: once this returns nothing new
        begins, and whatever it has answered can be read.
        """
        self._signal(signal.SIGSTOP)
        until = time.monotonic() + DEADLINE
        while not all("T" in found <= _STILL for found in states(self._leader.pid)):
            assert time.monotonic() < until, "it does not stand still"
            time.sleep(0.0005)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._leader.pid, number)

    def _has_ended(self) -> bool:
        """Whether the first of its processes has ended; it is not waited for."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._leader.pid, options) is not None


_STILL = frozenset("TD") | ENDED
"""A thread that sleeps in a system call (D) stops behind it, if another thread has stopped (T)."""


def _age(pid: int) -> float:
    """Seconds since the start of a process, without end for none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) * processes.TICK


def clients_of(pid: int, port: int) -> set[int]:
    """The ports of the clients whose connections to a port a process holds."""
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        own, other = (int(field.rpartition(":")[2], 16) for field in fields[1:3])
        if own == port and f"socket:[{fields[9]}]" in held:
            found.add(other)
    return found


def davserver(durability: str, module: str = "davserver") -> Server:
    """Our own, or a module that has its command line."""

    def command(place: Path, port: int) -> Sequence[str | Path]:
        files = (place / "root", "--state", place / "state.db")
        options = ("--port", str(port), "--durability", durability, "--workers", "2")
        return [sys.executable, "-m", module, *files, *options]

    return Server("davserver", command, has_state=True)


def _apache(place: Path, port: int) -> Sequence[str | Path]:
    settings, home = place / "apache.conf", place / "home"
    settings.write_text(configurations.apache(place / "root", home, port))
    # What its predecessor left there would keep it from starting.
    (home / "apache.pid").unlink(missing_ok=True)
    return [peers.program("apache2"), "-d", home, "-f", settings, "-DFOREGROUND"]


def _nginx(place: Path, port: int) -> Sequence[str | Path]:
    settings, home = place / "nginx.conf", place / "home"
    user = "root" if os.geteuid() == 0 else ""
    module = peers.NGINX_MODULE
    settings.write_text(configurations.nginx(place / "root", home, port, module, user=user))
    return [peers.program("nginx"), "-p", home, "-c", settings, "-e", home / "error.log"]


def _wsgidav(place: Path, port: int) -> Sequence[str | Path]:
    """With its stores on disk: those in memory end with the process."""
    settings, home = place / "wsgidav.json", place / "home"
    managers, stores = "wsgidav.prop_man.property_manager", "wsgidav.lock_man.lock_storage"
    kept = {
        "property_manager": {
            "class": f"{managers}.ShelvePropertyManager",
            "kwargs": {"storage_path": str(home / "properties")},
        },
        "lock_storage": {
            "class": f"{stores}.LockStorageShelve",
            "kwargs": {"storage_path": str(home / "locks")},
        },
    }
    settings.write_text(json.dumps({**configurations.wsgidav(place / "root", port), **kept}))
    return [peers.program("wsgidav"), f"--config={settings}"]


_PLAIN = re.compile(r"(?!)")
"""No name at all."""

_LOCKS = frozenset({"LOCK", "LOCK unmapped", "LOCK refused", "LOCK refresh", "UNLOCK"})
_ANOTHER = frozenset(
    f"{method} {kind} onto another" for method in ("COPY", "MOVE") for kind in ("file", "tree")
)
_UNITED = frozenset({"COPY tree onto alike", "MOVE tree onto alike", "COPY Depth 0"})

PEERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server(
            "apache",
            _apache,
            # Its ETags are weak for a second; a LOCK makes a resource that is no file.
            frozenset({"PUT If-Match", "LOCK unmapped", "LOCK refresh"}),
            re.compile(r"\.davfs\.tmp"),
            re.compile(r"\.DAV$"),
            peers.PEERS["apache"].missing,
            peers.PLAIN_USER if os.geteuid() == 0 else None,
            has_notes=True,
        ),
        Server(
            "nginx",
            _nginx,
            # It has no properties, answers 500 for a missing parent, passes over Depth and unites
            # what is copied with what was there; its locks are in the way of longer names.
            frozenset({"PROPPATCH", "PROPPATCH refused", "PUT refused", "Depth infinity"})
            | _UNITED
            | _ANOTHER
            | _LOCKS,
            _PLAIN,
            _PLAIN,
            peers.PEERS["nginx"].missing,
            scratch="home/bodies",
        ),
        Server(
            "wsgidav",
            _wsgidav,
            # Its locks, and properties of another kind of resource, stay where something was
            # removed, it unites what is copied with what was there, and it closes the connection
            # on a body that it has refused.
            frozenset({"ETag in PROPFIND", "PROPPATCH refused", "PUT refused"})
            | _UNITED
            | _ANOTHER
            | _LOCKS,
            _PLAIN,
            _PLAIN,
            peers.PEERS["wsgidav"].missing,
        ),
    )
}
"""Those beside ours. Each lacks what it answers otherwise than RFC 4918 says, kill or no kill."""

NAMES = ("davserver", *PEERS)


def named(name: str, durability: str) -> Server:
    """The server of a name; a durability is ours alone."""
    return davserver(durability) if name == "davserver" else PEERS[name]

"""What a server holds, and how many of its workers still answer."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes
from tests.wire import talk
from tests.wire.talk import Ended, Talk

SECONDS = 10.0
"""How long a server may take until it has let go of what nobody needs any more."""
SPARE = 5
LOOKS, PAUSE_SECONDS = 5, 0.02
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Held:
    """Descriptors, threads and bytes of memory of a server with all its processes."""

    descriptors: int
    threads: int
    memory: int

    def grown(self, base: "Held") -> list[str]:
        """What has not come back to the base: more than one descriptor, more threads than a server
        keeps for the next time that many are busy, more than 5 MB of memory: an allocator keeps
        what many threads needed at once.
        """
        found = []
        if self.descriptors > base.descriptors + 1:
            found.append(f"{base.descriptors} descriptors became {self.descriptors}")
        if self.threads > base.threads + SPARE:
            found.append(f"{base.threads} threads became {self.threads}")
        if self.memory > base.memory + 5_000_000:
            found.append(f"{base.memory:,} bytes of memory became {self.memory:,}")
        return found


def held(pid: int) -> Held:
    """What the process tree under ``pid`` holds now."""
    threads = 0
    for one in processes.below(pid, processes.stats()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            threads += len(os.listdir(_PROC / str(one.pid) / "task"))
    return Held(len(_descriptors(pid)), threads, processes.memory(pid, "VmRSS"))


def at_rest(pid: int) -> Held:
    """What the process tree holds between two of the looks that it takes by itself."""
    found = []
    for _ in range(LOOKS):
        found.append(held(pid))
        time.sleep(PAUSE_SECONDS)
    return min(found, key=lambda one: one.descriptors)


def kept(pid: int, base: Held) -> tuple[Held, list[str]]:
    """What a process tree holds, once that has come back to the base or will not any more, and
    what has not.
    """
    until = time.monotonic() + SECONDS
    while (grown := (now := held(pid)).grown(base)) and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
    return now, grown


def sockets(pid: int) -> int:
    """How many sockets a server holds. One that its processes share counts once."""
    return len({target for target in _descriptors(pid) if target.startswith("socket:")})


def _descriptors(pid: int) -> list[str]:
    found = []
    for one in processes.below(pid, processes.stats()):
        folder = _PROC / str(one.pid) / "fd"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for name in os.listdir(folder):
                with contextlib.suppress(FileNotFoundError):
                    found.append(os.readlink(folder / name))
    return found


def settle(port: int, pid: int, base: int) -> int:
    """Wait until a server is done with every connection so far, and holds ``base`` sockets again.
    Gives how many it keeps for good.

    A connection that was reset may still wait to be accepted, where nothing shows it: the answer to
    one that came later says that it no longer does.
    """
    talk.ask(port, "GET /nothing-here")
    until = time.monotonic() + SECONDS
    while (surplus := sockets(pid) - base) > 0 and time.monotonic() < until:
        time.sleep(0.01)
    return max(0, surplus)


def awake(port: int, number: int, folder: str) -> int:
    """How many of so many requests a server works on at the same time.

    Each announces a body and waits to be invited to send it (RFC 9110 section 10.1.1), which takes
    a worker of its own: so one that has died is one invitation less. Files are made in ``folder``.
    """
    invited = 0
    with contextlib.ExitStack() as open_ones:
        waiting = []
        for each in range(number):
            connection = open_ones.enter_context(Talk(port))
            url = f"/{folder}/awake-{each}"
            fields = ("Content-Length: 1", "Expect: 100-continue", "Connection: close")
            connection.send(talk.request(f"PUT {url}", *fields))
            waiting.append(connection)
        until = time.monotonic() + SECONDS / 2
        answering = []
        for connection in waiting:
            connection.socket.settimeout(max(0.05, until - time.monotonic()))
            with contextlib.suppress(OSError, Ended):
                answering.append((connection, connection.begin()[0] == 100))
        for connection, is_invited in answering:
            if is_invited:
                connection.socket.settimeout(SECONDS)
                connection.send(b"x")
        for connection, is_invited in answering:
            with contextlib.suppress(OSError, Ended):
                invited += is_invited and connection.reply().status in (200, 201, 204)
    return invited

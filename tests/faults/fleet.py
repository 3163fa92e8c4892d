"""Several server processes on one tree and one state file, and the clients that ask them."""

import random
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.faults.altered import Altered
from tests.faults.told import Told
from tests.running import Running
from tests.wire import talk
from tests.wire.talk import Ended, Reply, Talk


class Servers(Protocol):
    """What a client asks."""

    @property
    def ports(self) -> Sequence[int]: ...

    def is_doomed(self, port: int) -> bool:
        """Whether the server at a port has been killed, or is about to be."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One server, which nobody kills."""

    port: int

    @property
    def ports(self) -> Sequence[int]:
        return (self.port,)

    def is_doomed(self, port: int) -> bool:
        del port
        return False


class Fleet:
    """The processes; a context manager that stops them. ``apart`` gives each a state of its own,
    which nobody should do.
    """

    def __init__(
        self,
        place: Path,
        number: int,
        options: Sequence[str] = (),
        *,
        change: str = "",
        apart: bool = False,
    ) -> None:
        self.root = place / "root"
        self.states = [place / (f"state-{n}.db" if apart else "state.db") for n in range(number)]
        self._options = options
        self._change = change
        self._doomed: set[int] = set()
        self.servers: list[Running] = []

    def __enter__(self) -> "Fleet":
        self.root.mkdir()
        self.servers = [self._server(state) for state in self.states]
        for one in self.servers:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.servers:
            one.stop()

    def _server(self, state: Path) -> Running:
        return Altered(self.root, *self._options, state=state, change=self._change)

    def alone(self, state: Path) -> Running:
        """One more server, when all others have stopped."""
        return self._server(state)

    @property
    def ports(self) -> list[int]:
        return [one.port for one in self.servers]

    def is_doomed(self, port: int) -> bool:
        return port in self._doomed

    def kill(self, number: int) -> None:
        """Kill one process at once, and start another one in its place."""
        old = self.servers[number]
        self._doomed.add(old.port)
        old.stop(signal.SIGKILL)
        new = self._server(self.states[number])
        self.servers[number] = new.start()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its times in nanoseconds; no answer means that its outcome is not known."""

    line: str
    start: int
    end: int | None
    reply: Reply | None

    @property
    def status(self) -> int:
        """The status of the answer, 0 where there is none."""
        return self.reply.status if self.reply else 0


class _Line(Talk):
    """A connection that leaves nothing open where nobody listens."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=talk.SECONDS)
        self._read = self.socket.makefile("rb")


class Client:
    """One client at a time, with a connection to each server that it has asked. With ``may_fail``
    an answer of 500 is only counted.
    """

    def __init__(self, servers: Servers, told: Told, seed: str, *, may_fail: bool = False) -> None:
        self._may_fail = may_fail
        self.random = random.Random(seed)
        self._servers = servers
        self._told = told
        self._talks: dict[int, Talk] = {}

    def close(self) -> None:
        for port in list(self._talks):
            self._drop(port)

    def ask(self, line: str, *fields: str, body: bytes = b"") -> Asked:
        """Send a request to some server; to another one where nobody takes connections."""
        data = talk.request(line, *fields, body=body)
        port, connection = self._connection()
        start = time.monotonic_ns()
        try:
            connection.send(data)
            reply = connection.reply(head=line.startswith("HEAD "))
        except (OSError, Ended) as error:
            self._drop(port)
            self._told.count("unknown")
            if not self._servers.is_doomed(port):
                self._told.wrong("dropped", f"{line}: no answer from a server that lives: {error}")
            return Asked(line, start, None, None)
        end = time.monotonic_ns()
        if reply.headers.get("connection", "").lower() == "close":
            self._drop(port)
        self._told.count("requests")
        if reply.status == 503:
            self._told.count("busy")
        elif reply.status >= 500 and self._may_fail:
            self._told.count("server_errors")
        elif reply.status >= 500:
            self._told.wrong("server_errors", f"{line} was answered {reply.status}")
        return Asked(line, start, end, reply)

    def until_answered(self, line: str, *fields: str, body: bytes = b"") -> tuple[Asked, bool]:
        """Ask until there is an answer other than 503; also whether it was the first try."""
        first = True
        while True:
            asked = self.ask(line, *fields, body=body)
            if asked.status not in (0, 503):
                return asked, first
            first = False
            time.sleep(0.05)

    def _connection(self) -> tuple[int, Talk]:
        while True:
            port = self.random.choice(self._servers.ports)
            if self._servers.is_doomed(port):
                time.sleep(0.001)
                continue
            if port not in self._talks:
                try:
                    self._talks[port] = _Line(port)
                except OSError:
                    time.sleep(0.05)
                    continue
            return port, self._talks[port]

    def _drop(self, port: int) -> None:
        with suppress(OSError):
            self._talks.pop(port).__exit__(None, None, None)

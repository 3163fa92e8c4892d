"""Which worker of a server has a connection, and load on all of them."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.running import Running
from tests.wire import talk
from tests.wire.talk import Ended, Talk

SECONDS = 60.0
"""How long anything may take on a machine that is busy."""
MOST = 400
"""Connections until each worker must have got one."""


def until(what: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def worker_of(server: Running, connection: Talk) -> int:
    """The worker that has a connection, on which it has answered."""
    own = connection.socket.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(field.rpartition(":")[2], 16) for field in fields[1:3]]
        if ports == [server.port, own]:
            wanted = f"socket:[{fields[9]}]"
            return next(pid for pid in server.workers if wanted in _held(pid))
    raise AssertionError("there is no such connection")


def _held(pid: int) -> set[str]:
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


@contextmanager
def connections(server: Running) -> Iterator[dict[int, Talk]]:
    """A connection to each worker."""
    with ExitStack() as held:
        found: dict[int, Talk] = {}
        for _ in range(MOST):
            connection = held.enter_context(Talk(server.port))
            connection.send(talk.request("OPTIONS /"))
            assert connection.reply().status == 200
            found.setdefault(worker_of(server, connection), connection)
            if len(found) == len(server.workers):
                yield found
                return
        raise AssertionError(f"only {len(found)} workers have got a connection")


def ask(connection: Talk, line: str, *fields: str, body: bytes = b"") -> talk.Reply:
    connection.send(talk.request(line, *fields, body=body))
    return connection.reply()


class Load:
    """Clients that write files of their own, until it is left. What was acknowledged is kept."""

    def __init__(self, server: Running, clients: int) -> None:
        self._port = server.port
        self.written: dict[str, bytes] = {}
        self.wrong: list[str] = []
        self.dropped = 0
        self.refused = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, more: int = 50) -> None:
        """Wait for so many more answers."""
        before = len(self.written)
        until(lambda: len(self.written) >= before + more)

    def _write(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with Talk(self._port) as connection:
                    while not self._stop.is_set():
                        number += 1
                        url, body = f"/{client}-{number}", b"%d %d" % (client, number)
                        status = ask(connection, f"PUT {url}", body=body).status
                        if status == 201:
                            self.written[url] = body
                        else:
                            self.wrong.append(f"{url}: {status}")
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, Ended):
                self.dropped += 1

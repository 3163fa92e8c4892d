"""Where the time of a small request goes, stage by stage: `python -m tests.bench.stages`.

A connection of a real server is driven by one thread, as its leading worker drives it, with the
client at the other end of the socket in the same thread: nobody waits, so what is measured is work.
"""

import argparse
import gc
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from davserver import app, config, methods, opening
from davserver.accounts import Accounts
from davserver.middleware import Corridor
from davserver.serving import DavServer, bind
from davserver.serving.connections import DavConnection
from davserver.serving.gateway import DavGateway
from davserver.serving.requests import DavRequest

STAGES = ("socket", "environ", "corridor", "verb", "answer")
"""Reading, the head of the request, and the end of it; the environ; WsgiDAV's application and our
middleware; the verb, from strings to its Answer; the head of the answer, and sending.
"""
HEAD = "HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n"
PROPFIND = b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
Requests = Callable[[int], bytes]
"""Requests of one kind, by number: the same number is the same request."""

REQUESTS: dict[str, Requests] = {
    "GET of 1 KiB": lambda number: f"GET /small?{number} {HEAD}\r\n".encode(),
    "PROPFIND Depth 0": lambda number: (
        f"PROPFIND /small?{number} {HEAD}Depth: 0\r\n"
        f"Content-Length: {len(PROPFIND)}\r\n\r\n".encode()
        + PROPFIND
    ),
    "OPTIONS": lambda number: f"OPTIONS /?{number} {HEAD}\r\n".encode(),
}
KEPT = ("GET of 1 KiB", "PROPFIND Depth 0")
"""Those whose answers are kept when they are asked again."""
WARM = 3
"""How often each is asked before."""
LONGEST = 1 << 20


class Watch:
    """Seconds by stage: those of a stage that another one calls are the other's."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._stages: list[str] = []
        self._since = 0.0

    def watched(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted."""

        def run(*arguments: Any, **named: Any) -> Any:
            self._turn()
            self._stages.append(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._turn()
                self._stages.pop()

        return run

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._stages:
            self.spent[self._stages[-1]] += now - self._since
        self._since = now


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch every request of this process until the block ends."""
    watch = Watch()
    places: list[tuple[Any, str, str]] = [
        (DavConnection, "communicate", "socket"),
        (DavGateway, "get_environ", "environ"),
        (app.DavApp, "__call__", "corridor"),
        (methods, "run", "verb"),
        (DavRequest, "write", "answer"),
        (DavRequest, "finish", "answer"),
    ]
    with ExitStack() as held:
        for owner, name, stage in places:
            before = getattr(owner, name)
            setattr(owner, name, watch.watched(stage, before))
            held.callback(setattr, owner, name, before)
        yield watch


@contextmanager
def connected(folder: Path) -> Iterator[Callable[[bytes], bytes]]:
    """What sends a request and gives its answer, over a server on a folder."""
    root = folder / "root"
    root.mkdir()
    (root / "small").write_bytes(b"x" * 1024)
    settings = config.load({"state": str(folder / "state.db")}, [str(root)], {}, None)
    with ExitStack() as held:
        shares, _ = held.enter_context(opening.opened(settings))
        listener = bind("127.0.0.1", 0)
        held.callback(listener.close)
        corridor = Corridor(shares, Accounts((), time.monotonic))
        server = DavServer(app.build(corridor), [listener], 1)
        server.prepare()
        held.callback(server.stop)
        far = held.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
        listener.socket.setblocking(True)
        near, address = listener.socket.accept()
        near.setblocking(False)
        connection = DavConnection(server, near, listener, address)
        held.callback(connection.close)

        def ask(request: bytes) -> bytes:
            far.sendall(request)
            if not connection.communicate():
                raise AssertionError("the connection has ended")
            return far.recv(LONGEST)

        yield ask


def measure(requests: Requests, rounds: int, size: int) -> dict[str, float]:
    """Microseconds of each stage: medians over rounds of so many requests."""
    with tempfile.TemporaryDirectory() as made, connected(Path(made)) as ask:
        for _ in range(WARM):
            assert ask(requests(0)).startswith((b"HTTP/1.1 200", b"HTTP/1.1 207"))
        gc.collect()
        gc.freeze()
        found: dict[str, list[float]] = {stage: [] for stage in STAGES}
        for number in range(rounds):
            sent = [requests(1 + number * size + one) for one in range(size)]
            with watching() as watch:
                for request in sent:
                    ask(request)
            for stage, seconds in watch.spent.items():
                found[stage].append(seconds / size * 1e6)
        gc.unfreeze()
    return {stage: statistics.median(values) for stage, values in found.items()}


def same(requests: Requests) -> Requests:
    """One request, whatever its number."""
    return lambda _: requests(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--size", type=int, default=200)
    options = parser.parse_args()
    print("| request, us | " + " | ".join(STAGES) + " | all |")
    print("| --- " * (len(STAGES) + 2) + "|")
    again = {f"{name}, asked again": same(REQUESTS[name]) for name in KEPT}
    for name, requests in (REQUESTS | again).items():
        spent = measure(requests, options.rounds, options.size)
        cells = [f"{spent[stage]:.0f}" for stage in STAGES]
        print(f"| {name} | " + " | ".join(cells) + f" | {sum(spent.values()):.0f} |")


if __name__ == "__main__":
    main()

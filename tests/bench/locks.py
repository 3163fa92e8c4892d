"""A workload of locks: LOCK, PUT with the token, UNLOCK, file after file on one connection."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import answers, ground
from tests.bench.answers import Wrong
from tests.bench.changes import CONTENT, DONE
from tests.bench.client import Answer, Client, Line, framed, href
from tests.bench.peers import Server

LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
    b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>"
    b"<D:owner>bench</D:owner></D:lockinfo>"
)
HOUR = {"Timeout": "Second-3600", "Depth": "0"}
BINARY = {"Content-Type": "application/octet-stream"}


@dataclass(slots=True)
class Locking:
    """Cycles of LOCK, PUT and UNLOCK, while as many locks as ``others`` are held beside them.

    Who does not refuse a PUT without the token has no locks.
    """

    name: str
    title: str
    cycles: int
    others: int
    _paths: list[str] = field(default_factory=list)
    _held: list[str] = field(default_factory=list)
    _chance: random.Random = field(default_factory=random.Random)

    def lay(self, root: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        # One more that stays locked, for the proof.
        planted = ground.plant(root / "tree", 0, self.cycles + self.others + 1, self._chance)
        files = [f"tree/{name}" for name in planted]
        self._paths, self._held = files[: self.cycles], files[self.cycles :]

    def arrange(self, server: Server, client: Client) -> None:
        with Line(server.port, client) as line:
            for path in self._held:
                locked(line.ask(framed(server.port, "LOCK", href(path), HOUR, LOCK)))
        self._prove(server, client)

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        bodies = {path: self._chance.randbytes(CONTENT) for path in self._paths}
        server.settle()
        statuses = set()
        with Line(server.port, client) as line:
            began = time.perf_counter()
            for path, body in bodies.items():
                there = href(path)
                token = locked(line.ask(framed(server.port, "LOCK", there, HOUR, LOCK)))
                condition = {"If": f"(<{token}>)", **BINARY}
                put = line.ask(framed(server.port, "PUT", there, condition, body))
                key = {"Lock-Token": f"<{token}>"}
                freed = line.ask(framed(server.port, "UNLOCK", there, key))
                statuses |= {put.status, freed.status}
            seconds = time.perf_counter() - began
        for status in statuses:
            answers.status(Answer(status, {}, b"", 0), *DONE)
        for path, body in bodies.items():
            if (server.root / path).read_bytes() != body:
                raise Wrong(f"stored other bytes in {path!r}")
        self._prove(server, client)
        return Answer(freed.status, {}, b"", seconds)

    def _prove(self, server: Server, client: Client) -> None:
        """Raise Wrong where a lock that is held holds nobody."""
        for path in {self._held[0], self._held[-1]}:
            answer = client.send(server.port, "PUT", href(path), BINARY, b"nobody's")
            if answer.status != 423:
                raise Wrong(f"locks are not enforced: PUT was answered {answer.status}, not 423")


def locked(answer: Answer) -> str:
    """The token of the new lock, which one server gives without its brackets. Raises Wrong."""
    answers.status(answer, 200, 201)
    token = answer.headers.get("lock-token", "").strip("<>")
    if not token:
        raise Wrong("a lock without a token")
    return token

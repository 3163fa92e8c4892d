"""The mixed load: several clients at once, each on its own collection, some URLs shared by all."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from tests.faults import bodies
from tests.faults.client import CLIENTS, Client, Turn
from tests.faults.connection import Asked, Connection
from tests.faults.findings import TORN, WRONG, Findings
from tests.faults.model import Path
from tests.faults.operations import OCTETS, href
from tests.faults.shared import Chain, Claims, Gate

PLAYING = 4
"""Clients that play at a time."""
SHARED: Path = ("shared",)


class Load:
    """``seed`` decides what every client draws, ``lacks`` what none does."""

    def __init__(self, seed: int, lacks: frozenset[str], findings: Findings) -> None:
        self.findings = findings
        # Numbers that no client gives.
        first, second = 2 * CLIENTS - 1, 3 * CLIENTS - 1
        self.chain = Chain((*SHARED, "chain"), findings, first)
        self.claims = Claims(SHARED, findings)
        self.gate = Gate((*SHARED, "gate"), findings, second)
        self._planted = {self.chain.path: first, self.gate.path: second}
        shared = (self.chain, self.claims, self.gate)
        turns: list[Turn] = [one.turn for one in shared if one.kind not in lacks]
        self.clients = [
            Client(number, seed, lacks, findings, *turns, self._peek) for number in range(PLAYING)
        ]
        self._pool = ThreadPoolExecutor(PLAYING)
        self._playing: list[Future[None]] = []
        self._ending = threading.Event()
        self._doomed: set[int] = set()

    def plant(self, port: int) -> None:
        """Make what must be there before: a collection for each client, and what is shared."""
        tops = [client.top for client in self.clients]
        wanted = [Asked("MKCOL", href(top, slash=True), {}) for top in [*tops, SHARED]]
        wanted += [
            Asked("PUT", href(path), OCTETS, bodies.body(number))
            for path, number in self._planted.items()
        ]
        self.send(port, wanted)

    def send(self, port: int, wanted: list[Asked]) -> None:
        """Send requests that must succeed, one after the other."""
        with Connection(port) as line:
            for asked in wanted:
                status = line.ask(asked).status
                if status >= 300:
                    self.findings.add(WRONG, f"{asked.method} {asked.url}: {status}")

    def start(self, port: int, round: int, turns: int = 0) -> None:
        """Let all clients play, until the server is gone or each has had its turns."""
        self._ending.clear()
        self._doomed.clear()
        self._playing = [
            self._pool.submit(client.play, port, round, self._may_end, turns)
            for client in self.clients
        ]

    def expect_the_end(self) -> None:
        """From now on connections may end."""
        self._ending.set()

    def expect_the_end_of(self, ports: set[int]) -> None:
        """From now on the connections from these ports may end."""
        self._doomed |= ports

    def _may_end(self, port: int) -> bool:
        return self._ending.is_set() or port in self._doomed

    def join(self) -> None:
        """Wait until nobody plays any more: then all that was answered has been read."""
        for one in self._playing:
            one.result()

    def in_flight(self) -> int:
        """How many operations have been sent and not been answered."""
        own = sum(client.flying is not None for client in self.clients)
        return own + self.chain.in_flight + self.claims.in_flight + self.gate.in_flight

    def _peek(self, client: Client) -> None:
        """Read a file that another client writes to: some content as a whole, if any."""
        other = self.clients[client.chance.randrange(PLAYING)].world
        files = sorted(path for path in other.things if not other.is_collection(path))
        if not files:
            return
        asked = Asked("GET", href(client.chance.choice(files)), {})
        answer = client.ask(asked)
        # What is a collection by now answers with a list, which has no ETag.
        is_file = answer.status == 200 and "etag" in answer.headers
        if is_file and bodies.number(answer.body) == bodies.TORN:
            self.findings.add(TORN, f"GET {asked.url} while others write")

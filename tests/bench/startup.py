"""How long a server takes to its first answer, and what it holds then. Nobody has to win this."""

import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes
from tests.bench.peers import NotStarted, Peer

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds to the first answer and bytes of memory then, of each start of one server."""

    name: str
    seconds: Sequence[float]
    memory: Sequence[int]

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_memory(self) -> float:
        return statistics.median(self.memory)


def measured(chosen: Sequence[Peer], place: Path, rounds: int = ROUNDS) -> list[Started]:
    """Start each in turn, round by round, over an empty folder. Who does not start is left out."""
    found: dict[str, list[tuple[float, int]]] = {}
    for _ in range(rounds):
        for peer in chosen:
            for each in start(peer, place / peer.name):
                found.setdefault(peer.name, []).append(each)
    return [
        Started(name, [seconds for seconds, _ in each], [memory for _, memory in each])
        for name, each in found.items()
    ]


def start(peer: Peer, place: Path) -> Iterator[tuple[float, int]]:
    """Start one once; gives nothing where it does not start."""
    if peer.missing():
        return
    place.mkdir()
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    try:
        began = time.perf_counter()
        with peer.serve(place) as server:
            yield time.perf_counter() - began, processes.held(server.pid)
    except (NotStarted, AssertionError):
        return
    finally:
        shutil.rmtree(place)

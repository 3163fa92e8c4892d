"""Workloads of one big file: GET, PUT, PUT in chunks, and many ranges of it."""

import mmap
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import answers, bulk, ground
from tests.bench.answers import Wrong
from tests.bench.changes import DONE, emptied
from tests.bench.client import Answer, Client, Line, framed
from tests.bench.peers import Server

NAME = "big.bin"
RANGE = 1 << 16
SAMPLES = 64
"""Ranges of a stored file that are looked at, where not all of it is."""


def source(root: Path, size: int, seed: int) -> Path:
    """The file that every server's tree has or is sent, made once beside those trees."""
    file = root.parents[1] / f"source-{size}-{seed}.bin"
    if not file.exists():
        ground.plant_big(file, size, random.Random(seed))
        ground.settle(file)
    return file


@dataclass(slots=True)
class Fetching:
    """GET of the file, over a connection of its own."""

    name: str
    title: str
    size: int
    _source: Path = field(default_factory=Path)

    def lay(self, root: Path, seed: int) -> None:
        self._source = source(root, self.size, seed)
        emptied(root / "tree")
        # One inode for all: nothing is written that would be written back meanwhile.
        os.link(self._source, root / "tree" / NAME)

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        original = self._source if thorough else None
        answer = bulk.fetch(server.port, f"/tree/{NAME}", original)
        answers.status(answer, 200)
        if answer.headers.get("content-length") != str(self.size):
            raise Wrong(f"sent {answer.headers.get('content-length')} bytes, not {self.size}")
        return answer


@dataclass(slots=True)
class Storing:
    """PUT of the file to a free name, with its length told or in chunks."""

    name: str
    title: str
    size: int
    chunked: bool
    _source: Path = field(default_factory=Path)
    _chance: random.Random = field(default_factory=random.Random)

    def lay(self, root: Path, seed: int) -> None:
        self._source, self._chance = source(root, self.size, seed), random.Random(seed)
        emptied(root / "tree")

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        emptied(server.root / "tree")
        server.settle()
        path = f"/tree/{NAME}"
        answer = bulk.put(server.port, path, self._source, client, chunked=self.chunked)
        answers.status(answer, *DONE)
        stored = server.root / "tree" / NAME
        if not stored.exists() or stored.stat().st_size != self.size:
            raise Wrong(f"answered {answer.status} and did not store all of it")
        looked_at = whole(self.size) if thorough else drawn(self.size, SAMPLES, self._chance)
        with stored.open("rb") as copy, self._source.open("rb") as original:
            for at in looked_at:
                if os.pread(copy.fileno(), RANGE, at) != os.pread(original.fileno(), RANGE, at):
                    raise Wrong(f"stored other bytes at {at}")
        return answer


@dataclass(slots=True)
class Ranging:
    """Ranges of the file at random, one after the other on a connection that stays open."""

    name: str
    title: str
    size: int
    ranges: int
    _source: Path = field(default_factory=Path)
    _chance: random.Random = field(default_factory=random.Random)

    def lay(self, root: Path, seed: int) -> None:
        self._source, self._chance = source(root, self.size, seed), random.Random(seed)
        emptied(root / "tree")
        os.link(self._source, root / "tree" / NAME)

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        places = list(drawn(self.size, self.ranges, self._chance))
        requests = [
            framed(server.port, "GET", f"/tree/{NAME}", {"Range": f"bytes={at}-{at + RANGE - 1}"})
            for at in places
        ]
        with Line(server.port, client) as line:
            began = time.perf_counter()
            answered = [line.ask(request) for request in requests]
            seconds = time.perf_counter() - began
        with (
            self._source.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as original,
        ):
            for at, answer in zip(places, answered, strict=True):
                answers.status(answer, 206)
                told = answer.headers.get("content-range", "")
                if told != f"bytes {at}-{at + RANGE - 1}/{self.size}":
                    raise Wrong(f"the range at {at} is told as {told!r}")
                if answer.body != original[at : at + RANGE]:
                    raise Wrong(f"other bytes in the range at {at}")
        return Answer(206, answered[-1].headers, b"", seconds)


def drawn(size: int, number: int, chance: random.Random) -> Iterator[int]:
    """Where ranges begin that lie in the file as a whole."""
    return (chance.randrange(size - RANGE) for _ in range(number))


def whole(size: int) -> Iterator[int]:
    """Where ranges begin that are all of the file together."""
    return iter(range(0, size, RANGE))

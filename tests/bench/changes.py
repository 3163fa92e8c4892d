"""Workloads that change the tree: COPY, DELETE, MOVE and PUT, each judged by what lies on disk.

What a change needs is set up with the clock stopped, past the server.
"""

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import answers, crowd, ground
from tests.bench.answers import Wrong
from tests.bench.client import HOST, Answer, Client, href
from tests.bench.peers import Server

CONNECTIONS = 8
CONTENT = 1024
"""Bytes of each file that is put."""
DONE = (200, 201, 204)
"""What servers answer to a change that they made: which of them, they take differently."""


@dataclass(slots=True)
class Copying:
    """COPY of a tree to a name that is free."""

    name: str
    title: str
    folders: int
    files: int
    _planted: dict[str, int | None] = field(default_factory=dict)

    def lay(self, root: Path, seed: int) -> None:
        self._planted = ground.plant(root / "tree", self.folders, self.files, random.Random(seed))

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        copy = server.root / "copy"
        if copy.exists():
            shutil.rmtree(copy)
        server.settle()
        answer = client.send(server.port, "COPY", "/tree/", to(server, "/copy/"))
        answers.status(answer, *DONE)
        same(copy, self._planted)
        same(server.root / "tree", self._planted)
        if thorough:
            alike(copy, server.root / "tree", self._planted)
        return answer


@dataclass(slots=True)
class Deleting:
    """DELETE of a tree that is made anew for every request."""

    name: str
    title: str
    folders: int
    files: int
    _seed: int = 0

    def lay(self, root: Path, seed: int) -> None:
        self._seed = seed

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        tree = server.root / "tree"
        if not tree.exists():
            ground.plant(tree, self.folders, self.files, random.Random(self._seed))
        server.settle()
        answer = client.send(server.port, "DELETE", "/tree/", {"Depth": "infinity"})
        answers.status(answer, *DONE)
        if tree.exists():
            raise Wrong(f"left the tree, answered {answer.status}")
        return answer


@dataclass(slots=True)
class Moving:
    """MOVE of a tree to a name that is free, and back with the next request."""

    name: str
    title: str
    folders: int
    files: int
    _planted: dict[str, int | None] = field(default_factory=dict)

    def lay(self, root: Path, seed: int) -> None:
        self._planted = ground.plant(root / "tree", self.folders, self.files, random.Random(seed))

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        there, free = "tree", "moved"
        if not (server.root / there).exists():
            there, free = free, there
        server.settle()
        answer = client.send(server.port, "MOVE", f"/{there}/", to(server, f"/{free}/"))
        answers.status(answer, *DONE)
        if (server.root / there).exists():
            raise Wrong("left the tree where it was")
        same(server.root / free, self._planted)
        return answer


@dataclass(slots=True)
class Putting:
    """PUT of many small files into one folder, over connections that stay open.

    The files are new, or with ``replaces`` there already. Every status and every byte is judged.
    """

    name: str
    title: str
    files: int
    replaces: bool
    _names: list[str] = field(default_factory=list)
    _chance: random.Random = field(default_factory=random.Random)

    def lay(self, root: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._names = list(ground.plant(root / "tree", 0, self.files, self._chance))

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        tree = server.root / "tree"
        if not self.replaces:
            emptied(tree)
        bodies = {name: self._chance.randbytes(CONTENT) for name in self._names}
        requests = [
            f"PUT {href('tree/' + name)} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {CONTENT}\r\n\r\n".encode()
            + body
            for name, body in bodies.items()
        ]
        server.settle()
        answered = crowd.send(server.port, requests, CONNECTIONS)
        for status in answered.statuses:
            answers.status(Answer(status, {}, b"", 0), *DONE)
        same(tree, dict.fromkeys(bodies, CONTENT))
        for name, body in bodies.items():
            if (tree / name).read_bytes() != body:
                raise Wrong(f"stored other bytes in {name!r}")
        return Answer(answered.statuses[-1], {}, b"", answered.seconds)


def emptied(top: Path) -> None:
    """Make ``top`` anew, as a folder that anyone may change."""
    if top.exists():
        shutil.rmtree(top)
    top.mkdir()
    top.chmod(0o777)


def same(top: Path, planted: Mapping[str, int | None]) -> None:
    """Raise Wrong unless exactly ``planted`` lies below ``top``, by paths and sizes."""
    if not top.is_dir():
        raise Wrong(f"made no {top.name!r}")
    found = ground.standing(top)
    if found != planted:
        differing = found.items() ^ planted.items()
        raise Wrong(f"{len(found)} members, not {len(planted)}, or not the same: {min(differing)}")


def alike(copy: Path, original: Path, planted: Mapping[str, int | None]) -> None:
    """Raise Wrong unless the files of ``planted`` have the same bytes below both."""
    for path, size in planted.items():
        if size and (copy / path).read_bytes() != (original / path).read_bytes():
            raise Wrong(f"copied other bytes to {path!r}")


def to(server: Server, path: str) -> dict[str, str]:
    """The headers of a COPY or MOVE to ``path``."""
    return {
        "Destination": f"http://{HOST}:{server.port}{path}",
        "Depth": "infinity",
        "Overwrite": "F",
    }

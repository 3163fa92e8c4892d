"""Workloads of many small changes, each a request of its own, over connections that stay open."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import answers, crowd, ground
from tests.bench.answers import Expected
from tests.bench.changes import CONNECTIONS, DONE, emptied, same
from tests.bench.client import Answer, Client, framed, href
from tests.bench.peers import Server

NAMESPACE = "urn:davserver:bench"
PROPPATCH = (
    '<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>'
    f'<colour xmlns="{NAMESPACE}">{{text}}</colour></D:prop></D:set></D:propertyupdate>'
)
ASKED = (
    '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>'
    f'<D:resourcetype/><D:getcontentlength/><colour xmlns="{NAMESPACE}"/>'
    "</D:prop></D:propfind>"
).encode()


@dataclass(slots=True)
class Making:
    """MKCOL of collections in one that is empty."""

    name: str
    title: str
    collections: int
    _names: list[str] = field(default_factory=list)

    def lay(self, root: Path, seed: int) -> None:
        emptied(root / "tree")
        self._names = [f"folder {number:05}" for number in range(self.collections)]
        random.Random(seed).shuffle(self._names)

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        tree = server.root / "tree"
        emptied(tree)
        requests = [
            framed(server.port, "MKCOL", href(f"tree/{name}") + "/") for name in self._names
        ]
        server.settle()
        answered = crowd.send(server.port, requests, CONNECTIONS)
        for status in answered.statuses:
            answers.status(Answer(status, {}, b"", 0), *DONE)
        same(tree, dict.fromkeys(self._names))
        return Answer(answered.statuses[-1], {}, b"", answered.seconds)


@dataclass(slots=True)
class Patching:
    """PROPPATCH of one property of each file, to another value each time."""

    name: str
    title: str
    files: int
    _sizes: dict[str, int | None] = field(default_factory=dict)
    _texts: Iterator[str] = field(default_factory=lambda: map("shade {}".format, itertools.count()))

    def lay(self, root: Path, seed: int) -> None:
        planted = ground.plant(root / "tree", 0, self.files, random.Random(seed))
        self._sizes = {f"tree/{name}": size for name, size in planted.items()}

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        text = next(self._texts)
        body = PROPPATCH.format(text=text).encode()
        requests = [framed(server.port, "PROPPATCH", href(path), body=body) for path in self._sizes]
        server.settle()
        answered = crowd.send(server.port, requests, CONNECTIONS)
        for status, said in zip(answered.statuses, answered.bodies, strict=True):
            answers.stored(Answer(status, {}, said, 0))
        found = client.send(server.port, "PROPFIND", "/tree/", {"Depth": "1"}, ASKED)
        wanted = {f"{{{NAMESPACE}}}colour": text}
        answers.listing(found, Expected({"tree": None, **self._sizes}, wanted))
        return Answer(answered.statuses[-1], {}, b"", answered.seconds)

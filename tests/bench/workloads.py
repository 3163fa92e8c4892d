"""What the servers are asked to do: each workload lays its tree, asks, and judges every answer.

A workload starts no server and holds no clock; ``measure`` drives it.
"""

import random
import shutil
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench import answers, ground
from tests.bench.answers import DAV, Expected, Wrong
from tests.bench.client import HOST, Answer, Client
from tests.bench.peers import Server

ALLPROP = b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
# What rclone asks an ownCloud for, with the ETag that other clients add.
NAMED = (
    b'<?xml version="1.0"?>'
    b'<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>'
    b"<d:displayname/><d:getlastmodified/><d:getcontentlength/><d:resourcetype/>"
    b"<oc:checksums/><d:getetag/></d:prop></d:propfind>"
)
# What every server gives for a file, besides its size and kind; nginx for one has no ETag here.
EVERY_FILE: Mapping[str, str | None] = {DAV + "getlastmodified": None}
DEAD_NAME, DEAD_TEXT = "{urn:davserver:bench}colour", "ultramarine, applied twice"
PROPPATCH = (
    '<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>'
    f'<colour xmlns="urn:davserver:bench">{DEAD_TEXT}</colour>'
    "</D:prop></D:set></D:propertyupdate>"
).encode()


class Workload(Protocol):
    """One thing to do, over and over, on every server alike."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    def lay(self, root: Path, seed: int) -> None:
        """Make the tree below an empty ``root``, before the server starts."""

    def arrange(self, server: Server, client: Client) -> None:
        """Do through the server itself what the workload needs, once. Raises Wrong."""

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        """Set the scene, send the request, judge the answer and what became of the tree.

        ``thorough`` reads every byte of the result, else its outline. Raises Wrong, Unanswered.
        """


@dataclass(slots=True)
class Listing:
    """PROPFIND of a tree that stays as it is."""

    name: str
    title: str
    folders: int
    files: int
    depth: str = "1"
    body: bytes = ALLPROP
    dead: bool = False
    properties: Mapping[str, str | None] = field(default_factory=lambda: EVERY_FILE)
    _expected: Expected = field(default_factory=lambda: Expected({}, {}))

    def lay(self, root: Path, seed: int) -> None:
        planted = ground.plant(root / "tree", self.folders, self.files, random.Random(seed))
        below = {f"tree/{path}": size for path, size in planted.items()}
        self._expected = Expected({"tree": None, **below}, self.properties)

    def arrange(self, server: Server, client: Client) -> None:
        if not self.dead:
            return
        for path, size in self._expected.members.items():
            if size is not None:
                answer = client.send(server.port, "PROPPATCH", href(path), body=PROPPATCH)
                answers.stored(answer, DEAD_NAME)

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        headers = {"Depth": self.depth}
        answer = client.send(server.port, "PROPFIND", "/tree/", headers, self.body)
        judge = answers.listing if thorough else answers.count
        judge(answer, self._expected)
        return answer


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
        ground.settle(server.root)
        answer = client.send(server.port, "COPY", "/tree/", to(server, "/copy/"))
        answers.status(answer, 201)
        same(copy, self._planted)
        same(server.root / "tree", self._planted)
        if thorough:
            for path, size in self._planted.items():
                if (
                    size
                    and (copy / path).read_bytes() != (server.root / "tree" / path).read_bytes()
                ):
                    raise Wrong(f"copied other bytes to {path!r}")
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
        ground.settle(server.root)
        answer = client.send(server.port, "DELETE", "/tree/", {"Depth": "infinity"})
        answers.status(answer, 200, 204)
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
        ground.settle(server.root)
        answer = client.send(server.port, "MOVE", f"/{there}/", to(server, f"/{free}/"))
        answers.status(answer, 201)
        if (server.root / there).exists():
            raise Wrong("left the tree where it was")
        same(server.root / free, self._planted)
        return answer


def same(top: Path, planted: Mapping[str, int | None]) -> None:
    """Raise Wrong unless exactly ``planted`` lies below ``top``, by paths and sizes."""
    if not top.is_dir():
        raise Wrong(f"made no {top.name!r}")
    found = ground.standing(top)
    if found != planted:
        differing = found.items() ^ planted.items()
        raise Wrong(f"{len(found)} members, not {len(planted)}, or not the same: {min(differing)}")


def to(server: Server, path: str) -> dict[str, str]:
    """The headers of a COPY or MOVE to ``path``."""
    return {
        "Destination": f"http://{HOST}:{server.port}{path}",
        "Depth": "infinity",
        "Overwrite": "F",
    }


def href(path: str) -> str:
    """A path below the root as the path of a URL."""
    return "/" + urllib.parse.quote(path)


def every(scale: float) -> dict[str, Workload]:
    """All workloads by name; ``scale`` shrinks the number of files in each folder."""

    def scaled(files: int) -> int:
        return max(2, round(files * scale))

    ten = f"{scaled(10_000):,} files"
    hundred, thousand = scaled(100), scaled(1000)
    tree = f"a tree of {100 * hundred:,} files"
    listed: tuple[Workload, ...] = (
        Listing("allprop", f"PROPFIND Depth 1, allprop, {ten}", 0, scaled(10_000)),
        Listing(
            "named",
            f"PROPFIND Depth 1, rclone's properties, {ten}",
            0,
            scaled(10_000),
            body=NAMED,
        ),
        Listing(
            "dead",
            f"PROPFIND Depth 1, allprop, {thousand:,} files with a dead property",
            0,
            thousand,
            dead=True,
            properties={**EVERY_FILE, DEAD_NAME: DEAD_TEXT},
        ),
        Listing(
            "infinity",
            f"PROPFIND Depth infinity, allprop, {50 * thousand:,} files in 50 folders",
            50,
            thousand,
            depth="infinity",
        ),
        Copying("copy", f"COPY of {tree}", 100, hundred),
        Deleting("delete", f"DELETE of {tree}", 100, hundred),
        Moving("move", f"MOVE of {tree}", 100, hundred),
    )
    return {workload.name: workload for workload in listed}

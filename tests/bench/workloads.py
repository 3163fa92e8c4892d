"""What the servers are asked to do: each workload lays its tree, asks, and judges every answer.

A workload starts no server and holds no clock; ``measure`` drives it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench import answers, ground
from tests.bench.answers import DAV, Expected
from tests.bench.changes import CONNECTIONS, Copying, Deleting, Moving, Putting
from tests.bench.client import Answer, Client, href
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


def every(scale: float) -> dict[str, Workload]:
    """All workloads by name; ``scale`` shrinks the number of files in each folder."""

    def scaled(files: int) -> int:
        return max(2, round(files * scale))

    ten = f"{scaled(10_000):,} files"
    many = scaled(2000)
    puts = f"{many:,}"
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
        Putting(
            "puts", f"PUT of {puts} new files of 1 KiB, {CONNECTIONS} connections", many, False
        ),
        Putting(
            "overputs", f"PUT over {puts} files of 1 KiB, {CONNECTIONS} connections", many, True
        ),
    )
    return {workload.name: workload for workload in listed}

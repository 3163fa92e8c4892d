"""What the servers are asked to do: each workload lays its tree, asks, and judges every answer.

A workload starts no server and holds no clock; ``measure`` drives it.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench import answers, ground, rates, rclone_copy
from tests.bench.answers import DAV, Expected
from tests.bench.big import Fetching, Ranging, Storing
from tests.bench.changes import CONNECTIONS, Copying, Deleting, Moving, Putting
from tests.bench.client import Answer, Client, href
from tests.bench.locks import Locking
from tests.bench.many import NAMESPACE, PROPPATCH, Making, Patching
from tests.bench.peers import Server
from tests.bench.rates import Rate
from tests.bench.rclone_copy import Cloning

ALLPROP = (
    b'<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
)
# What rclone asks an ownCloud for, with the ETag that other clients add.
NAMED = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>'
    b"<d:displayname/><d:getlastmodified/><d:getcontentlength/><d:resourcetype/>"
    b"<oc:checksums/><d:getetag/></d:prop></d:propfind>"
)
# What every server gives for a file, besides its size and kind; nginx for one has no ETag here.
EVERY_FILE: Mapping[str, str | None] = {DAV + "getlastmodified": None}
DEAD_NAME, DEAD_TEXT = f"{{{NAMESPACE}}}colour", "ultramarine, applied twice"


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
        body = PROPPATCH.format(text=DEAD_TEXT).encode()
        for path, size in self._expected.members.items():
            if size is not None:
                answer = client.send(server.port, "PROPPATCH", href(path), body=body)
                answers.stored(answer)

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        headers = {"Depth": self.depth}
        answer = client.send(server.port, "PROPFIND", "/tree/", headers, self.body)
        judge = answers.listing if thorough else answers.count
        judge(answer, self._expected)
        return answer


def every(scale: float) -> dict[str, Workload]:
    """All workloads by name; ``scale`` shrinks the numbers of files, their sizes and the times."""
    listed = (*listings(scale), *rated(scale), *big(scale), *small(scale), *trees(scale))
    return {workload.name: workload for workload in listed}


def listings(scale: float) -> tuple[Workload, ...]:
    """PROPFIND of many members."""
    ten, one = scaled(10_000, scale), scaled(1000, scale)
    title = "PROPFIND Depth 1, {}, {:,} files".format
    six = "rclone's properties"
    return (
        Listing("allprop", title("allprop", ten), 0, ten),
        Listing("named", title(six, ten), 0, ten, body=NAMED),
        Listing("allprop-1000", title("allprop", one), 0, one),
        Listing("named-1000", title(six, one), 0, one, body=NAMED),
        Listing(
            "dead",
            title("allprop", one) + " with a dead property",
            0,
            one,
            dead=True,
            properties={**EVERY_FILE, DEAD_NAME: DEAD_TEXT},
        ),
        Listing(
            "infinity",
            f"PROPFIND Depth infinity, allprop, {50 * one:,} files in 50 folders",
            50,
            one,
            depth="infinity",
        ),
    )


def rated(scale: float) -> tuple[Workload, ...]:
    """One small request over and over."""
    seconds, beside = scale, f", {rates.CONNECTIONS} connections"
    return (
        Rate("depth-0", f"PROPFIND Depth 0, allprop{beside}", 1024, seconds, ALLPROP),
        Rate("get-1k", f"GET of 1 KiB{beside}", 1024, seconds),
        Rate("get-100k", f"GET of 100 KiB{beside}", 100 * 1024, seconds),
    )


def big(scale: float) -> tuple[Workload, ...]:
    """One big file."""
    size, ranges = max(4 << 20, round((1 << 30) * scale)), scaled(1000, scale)
    told = f"{size / (1 << 30):.3g} GiB"
    return (
        Fetching("get-big", f"GET of {told}", size),
        Storing("put-big", f"PUT of {told}", size, False),
        Storing("chunked-big", f"PUT of {told} in chunks", size, True),
        Ranging("ranges", f"GET of {ranges:,} ranges of 64 KiB of {told}", size, ranges),
    )


def small(scale: float) -> tuple[Workload, ...]:
    """Many small changes."""
    puts, thousand, cycles = scaled(2000, scale), scaled(1000, scale), scaled(300, scale)
    beside = f", {CONNECTIONS} connections"
    locking = f"{cycles:,} times LOCK, PUT, UNLOCK"
    return (
        Putting("puts", f"PUT of {puts:,} new files of 1 KiB{beside}", puts, False),
        Putting("overputs", f"PUT over {puts:,} files of 1 KiB{beside}", puts, True),
        Making("mkcol", f"MKCOL of {thousand:,} collections{beside}", thousand),
        Patching("proppatch", f"PROPPATCH of {thousand:,} files{beside}", thousand),
        Locking("locks", locking, cycles, 0),
        Locking("locks-1000", f"{locking} beside {thousand:,} locks", cycles, thousand),
    )


def trees(scale: float) -> tuple[Workload, ...]:
    """Whole trees."""
    hundred = scaled(100, scale)
    tree, copied = f"a tree of {100 * hundred:,} files", f"{30 * hundred:,} files in 30 folders"
    return (
        Copying("copy", f"COPY of {tree}", 100, hundred),
        Moving("move", f"MOVE of {tree}", 100, hundred),
        Deleting("delete", f"DELETE of {tree}", 100, hundred),
        Cloning("rclone-up", f"rclone copy up, {copied}", 30, hundred, True),
        Cloning("rclone-down", f"rclone copy down, {copied}", 30, hundred, False),
    )


def scaled(number: int, scale: float) -> int:
    """A number of files: the smallest tree still has two in each folder."""
    return max(2, round(number * scale))


NEEDS: Mapping[str, Callable[[], str]] = {
    **dict.fromkeys(("depth-0", "get-1k", "get-100k"), rates.missing),
    **dict.fromkeys(("rclone-up", "rclone-down"), rclone_copy.missing),
}
"""Workloads that another program runs, with how to ask why it cannot."""


def missing(name: str) -> str:
    """Why a workload cannot be run here; empty where it can."""
    return NEEDS[name]() if name in NEEDS else ""

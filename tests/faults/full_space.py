"""No space: a small disk that holds tree and state fills up, and is freed again."""

from collections.abc import Collection
from itertools import count
from pathlib import Path

from tests.bench.peers import Peer
from tests.faults import disks, remains
from tests.faults.full_case import FULL, KIB, MIB, Draw, Served, served
from tests.faults.ledger import Ledger

REFUSED = 3
"""Refusals after which something is removed to go on."""


def space(place: Path, draw: Draw, rounds: int) -> Ledger:
    """3 MB for tree and state: whatever needs room is refused as a whole, and works again later."""
    with (
        disks.tmpfs(place / "disk", "size=3m") as disk,
        served(disk / "root", disk / "state.db", place / "log") as server,
    ):
        _write(server.ledger, draw, rounds, (FULL,))
        _fill(server, draw)
        _ask_when_full(server, draw, rounds)
        server.kill()
        server.start()
        server.ledger.check()
        _free(server)
        _ask_when_free(server, draw)
        server.end()
        return server.ledger


def peer(place: Path, draw: Draw, rounds: int, other: Peer) -> Ledger:
    """The same of another server, as far as it goes: writes to the same small disk, which it may
    refuse as it likes.
    """
    with disks.tmpfs(place / "disk", "size=3m") as disk:
        (disk / "root").mkdir()
        # The server may run as another user.
        for folder in (place, disk, disk / "root"):
            folder.chmod(0o777)
        with other.serve(disk) as running:
            ledger = Ledger(lambda: running.port)
            _write(ledger, draw, rounds, range(400, 600))
            ledger.check()
            return ledger


def _write(ledger: Ledger, draw: Draw, rounds: int, refusals: Collection[int]) -> None:
    """Files of 0.1 to 6 MB, new and over others, until there is no room, and again."""
    names = [(f"f{number}",) for number in range(6)]
    refused = 0
    for _ in range(rounds):
        path = draw.chance.choice(names)
        source = draw.chance.choice(sorted(ledger.held) or names)
        if ledger.held and draw.chance.random() < 0.2 and source != path:
            done = ledger.copy(source, path, *refusals)
        else:
            done = ledger.put(path, draw.content(draw.size(100 * KIB, 6 * MIB)), *refusals)
        refused += not done
        if refused == REFUSED and ledger.held:
            refused = 0
            ledger.delete(draw.chance.choice(sorted(ledger.held)), *refusals)


def _fill(server: Served, draw: Draw) -> None:
    """Nothing fits any more."""
    ledger = server.ledger
    for path in [*ledger.held]:
        ledger.delete(path)
    for path in (("with",), ("plain",)):
        ledger.put(path, draw.content(10 * KIB))
    ledger.patch(("with",), {"a": "old", "b": "old"})
    ledger.make(("sub",))
    ledger.put(("sub", "file"), draw.content(10 * KIB))
    number = count()
    for size in (MIB, 64 * KIB, 16 * KIB, 4 * KIB):
        while ledger.put((f"filler{next(number)}",), draw.content(size), FULL):
            pass


def _ask_when_full(server: Served, draw: Draw, rounds: int) -> None:
    ledger = server.ledger
    for _ in range(rounds):
        values = {name: draw.text(draw.size(100, 20 * KIB)) for name in ("a", "b")}
        ledger.patch(("with",), values, FULL)
    ledger.put(("plain",), draw.content(60 * KIB), FULL)
    ledger.put(("with",), draw.content(60 * KIB), FULL)
    ledger.copy(("with",), ("copied",), FULL)
    ledger.copy(("sub",), ("subcopied",), FULL)
    ledger.move(("with",), ("moved",), FULL)
    ledger.make(("made",), FULL)
    for path in (("plain",), ("locked",)):
        if token := ledger.lock(path, FULL):
            ledger.unlock(path, token, FULL)
    ledger.check()


def _free(server: Served) -> None:
    """A full disk does not keep anybody from removing what has no properties."""
    for path in [*server.ledger.held]:
        if path[0].startswith("filler"):
            server.ledger.delete(path)


def _ask_when_free(server: Served, draw: Draw) -> None:
    """Everything works again."""
    ledger = server.ledger
    ledger.put(("plain",), draw.content(60 * KIB))
    ledger.put(("new",), draw.content(500 * KIB))
    ledger.copy(("plain",), ("again",))
    ledger.copy(("sub",), ("subagain",))
    ledger.patch(("plain",), {"a": draw.text(KIB), "b": draw.text(KIB)})
    for path in (("plain",), ("lockedagain",)):
        ledger.unlock(path, ledger.lock(path))
    ledger.move(("again",), ("movedagain",))
    ledger.delete(("subagain",))
    ledger.counts["recovered"] += 1


def inodes(place: Path, draw: Draw, rounds: int) -> Ledger:
    """A disk that holds only so many files, however small."""
    with (
        disks.tmpfs(place / "disk", "size=8m,nr_inodes=40") as disk,
        served(disk / "root", place / "state.db", place / "log") as server,
    ):
        ledger = server.ledger
        number = count()
        made = 0
        while ledger.put((f"f{next(number)}",), draw.content(100), FULL) and made < 100:
            made += 1
        for _ in range(rounds // 4):
            path = (f"f{next(number)}",)
            ledger.put(path, draw.content(100), FULL)
            ledger.make(path, FULL)
            ledger.copy(("f0",), path, FULL)
            ledger.put(("f0",), draw.content(100), FULL)
            ledger.lock(path, FULL)
            ledger.patch(("f0",), {"a": draw.text(100)})
        for name in ("f1", "f2", "f3", "f4"):
            ledger.delete((name,))
        ledger.put(("g0",), draw.content(100))
        ledger.make(("g1",))
        ledger.put(("f0",), draw.content(100))
        ledger.counts["recovered"] += 1
        server.end()
        return ledger


def trash(place: Path, draw: Draw, rounds: int) -> Ledger:
    """What was removed a moment ago lies in the trash still: its room is there for the next one.

    16 MB hold a source of 4, then a tree of 8, and after its removal what needs more than the rest.
    """
    with (
        disks.tmpfs(place / "disk", "size=16m") as disk,
        served(disk / "root", disk / "state.db", place / "log") as server,
    ):
        ledger = server.ledger
        ledger.put(("source",), draw.content(5 * MIB))
        for number in range(max(6, rounds // 3)):
            # What is planted past the server does not make room by itself.
            remains.wait_for_rest(server.root, server.state)
            _plant(server.root / "tree", draw)
            answer = ledger.ask("DELETE", ("tree",))
            if answer is None or answer.status != 204:
                ledger.violations.append(f"DELETE /tree: {answer and answer.status}")
                continue
            ledger.counts["asked while the trash was full"] += bool(remains.trash(server.root))
            if number % 3 == 0:
                ledger.put(("next",), draw.content(8 * MIB))
            elif number % 3 == 1:
                ledger.copy(("source",), ("next",))
            else:
                ledger.put(("next",), draw.content(900 * KIB))
            ledger.delete(("next",))
            ledger.counts["recovered"] += 1
        server.end()
        return ledger


def _plant(top: Path, draw: Draw) -> None:
    """A tree of 8 MB, of which many small files come first and last."""
    top.mkdir()
    for name in ("a", "b", "c"):
        (top / name).mkdir()
        for number in range(300):
            (top / name / f"{number}").write_bytes(b"")
    for name in ("a", "b"):
        (top / name / "large").write_bytes(draw.content(4 * MIB))

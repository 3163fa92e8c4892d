"""A disk that turns read-only, one that fails, and folders that the server may not enter."""

import os
import shutil
from pathlib import Path

from davserver.protocol.paths import Path as Names
from tests.faults import disks
from tests.faults.full_case import BUSY, DENIED, FAILED, FULL, KIB, MIB, Draw, Served, served
from tests.faults.ledger import Ledger
from tests.faults.remains import TRASH

POWERLESS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
"""Root without what lets it pass every permission: it is then like any other user."""


def readonly(place: Path, draw: Draw, rounds: int) -> Ledger:
    """The tree's disk is remounted read-only under the server, and writable again."""
    with (
        disks.tmpfs(place / "disk", "size=8m") as disk,
        served(disk / "root", place / "state.db", place / "log") as server,
    ):
        ledger = server.ledger
        _furnish(server, draw)
        disks.remount(disk, "ro")
        for _ in range(max(1, rounds // 20)):
            _ask(server, draw, DENIED)
            # These change the state alone, which lies elsewhere.
            ledger.patch(("file",), {"a": draw.text(100)}, DENIED)
            if token := ledger.lock(("file",), DENIED):
                ledger.unlock(("file",), token)
            ledger.check()
        disks.remount(disk, "rw")
        _ask(server, draw)
        ledger.counts["recovered"] += 1
        server.end()
        return ledger


def failed(place: Path, draw: Draw, rounds: int) -> Ledger:
    """The disk with tree and state fails: the kernel takes no more writes. Reading goes on, and
    after the disk was mounted anew, all that was acknowledged is there.
    """
    image, top = place / "image", place / "disk"
    root, state, log = top / "root", top / "state.db", place / "log"
    with disks.ext4(image, top, 48 * MIB), served(root, state, log) as server:
        ledger = server.ledger
        _furnish(server, draw)
        disks.remount(top, "abort")
        refusals = (DENIED, FAILED, BUSY, FULL)
        for _ in range(max(1, rounds // 20)):
            _ask(server, draw, *refusals)
            ledger.patch(("file",), {"a": draw.text(100)}, *refusals)
            ledger.lock(("file",), *refusals)
            ledger.check()
        server.kill()
    with disks.mounted_again(image, top), served(root, state, log) as again:
        again.ledger = ledger
        ledger.port = lambda: again.running.port
        ledger.check()
        _ask(again, draw)
        ledger.counts["recovered"] += 1
        again.end()
        return ledger


def denied(place: Path, draw: Draw, rounds: int) -> Ledger:
    """A folder that the server may not enter: what is in it is refused, the rest is served."""
    command = POWERLESS if os.geteuid() == 0 else ()
    if command and not shutil.which(command[0]):
        raise disks.NotMounted("setpriv is not installed (Debian package util-linux)")
    with served(place / "root", place / "state.db", place / "log", command) as server:
        ledger = server.ledger
        for _ in range(max(1, rounds // 20)):
            _refuse_what_is_denied(server, draw)
        ledger.counts["recovered"] += 1
        server.end()
        return ledger


def _furnish(server: Served, draw: Draw) -> None:
    ledger = server.ledger
    ledger.put(("file",), draw.content(20 * KIB))
    ledger.patch(("file",), {"a": draw.text(100), "b": draw.text(100)})
    collections: list[Names] = [("tree",), ("tree", "sub"), ("old",)]
    files: list[Names] = [("tree", "a"), ("tree", "sub", "b"), ("old", "c")]
    for path in collections:
        ledger.make(path)
    for path in files:
        ledger.put(path, draw.content(20 * KIB))
        ledger.patch(path, {"a": draw.text(100)})


def _ask(server: Served, draw: Draw, *refusals: int) -> None:
    """Requests that write files, after which all is as it was before, if they were done."""
    ledger = server.ledger
    ledger.put(("file",), draw.content(30 * KIB), *refusals)
    if ledger.put(("new",), draw.content(30 * KIB), *refusals):
        ledger.delete(("new",))
    if ledger.make(("made",), *refusals):
        ledger.delete(("made",))
    if ledger.copy(("file",), ("copied",), *refusals):
        ledger.delete(("copied",))
    if ledger.copy(("tree",), ("treecopied",), *refusals):
        ledger.delete(("treecopied",))
    for name in ("file", "tree"):
        if ledger.move((name,), ("moved",), *refusals):
            ledger.move(("moved",), (name,))
    for path in (("file",), ("tree",)):
        if refusals:
            ledger.delete(path, *refusals)
    if token := ledger.lock(("unmapped",), *refusals):
        ledger.unlock(("unmapped",), token)
        ledger.delete(("unmapped",))


def _refuse_what_is_denied(server: Served, draw: Draw) -> None:
    ledger = server.ledger
    collections: list[Names] = [("d",), ("d", "shut"), ("d", "open")]
    files: list[Names] = [("d", "a"), ("d", "shut", "c"), ("d", "open", "b")]
    for path in collections:
        ledger.make(path)
    for path in files:
        ledger.put(path, draw.content(20 * KIB))
    ledger.patch(("d", "open", "b"), {"a": draw.text(100)})
    shut = server.root / "d" / "shut"
    shut.chmod(0)
    for method, body in (("GET", b""), ("PUT", b"other"), ("DELETE", b"")):
        _expect(ledger, DENIED, method, ("d", "shut", "c"), body)
    _expect(ledger, DENIED, "PUT", ("d", "shut", "new"), b"new")
    _expect(ledger, DENIED, "MKCOL", ("d", "shut", "new"))
    _expect(ledger, 207, "PROPFIND", ("d",))
    _expect(ledger, 207, "COPY", ("d",), target=("copied",))
    _expect(ledger, 201, "MOVE", ("d",), target=("moved",))
    moved = server.root / "moved" / "shut"
    moved.chmod(0o755)
    for path in [path for path in ledger.held if path[0] == "d"]:
        held = ledger.held.pop(path)
        ledger.held[("moved", *path[1:])] = held
        if path[:2] != ("d", "shut"):
            ledger.held[("copied", *path[1:])] = held
    ledger.check()
    moved.chmod(0)
    for top in ("moved", "copied"):
        ledger.delete((top,))
    # What cannot be discarded stays in the trash until it can be.
    for kept in (server.root / TRASH).glob("*/shut"):
        kept.chmod(0o755)


def _expect(
    ledger: Ledger,
    status: int,
    method: str,
    path: Names,
    body: bytes = b"",
    target: Names = (),
) -> None:
    fields = {"Destination": f"/{'/'.join(target)}"} if target else {"Depth": "1"}
    answer = ledger.ask(method, path, fields if method != "DELETE" else {}, body)
    if answer is None or answer.status != status:
        got = answer and answer.status
        ledger.violations.append(f"{method} /{'/'.join(path)}: {got} instead of {status}")
    elif status == DENIED:
        ledger.counts["refused"] += 1

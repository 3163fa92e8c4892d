"""Limits that the system sets to the process: the size of files, and open descriptors."""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from davserver.protocol.paths import href
from tests.faults.full_case import BUSY, FAILED, FULL, KIB, Draw, Served, served
from tests.faults.ledger import Held, Ledger, digest
from tests.wire.talk import Ended, Talk

OPTIONS = b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LOG = 1 << 20
"""Bytes that a server may say about a lack of descriptors."""
PATIENCE = 20.0
"""Seconds that a server may take to answer again."""


@contextmanager
def limited(server: Served, which: int, most: int) -> Iterator[None]:
    """Lower a limit of the running server until the block ends."""
    old = resource.prlimit(server.pid, which)
    resource.prlimit(server.pid, which, (most, old[1]))
    try:
        yield
    finally:
        if server.running.is_whole:
            resource.prlimit(server.pid, which, old)


def size(place: Path, draw: Draw, rounds: int) -> Ledger:
    """No file may be larger than 256 KiB: one that would be is refused, as on a full disk."""
    with served(place / "root", place / "state.db", place / "log") as server:
        ledger = server.ledger
        ledger.put(("large",), draw.content(600 * KIB))
        ledger.put(("old",), draw.content(60 * KIB))
        with limited(server, resource.RLIMIT_FSIZE, 256 * KIB):
            for number in range(max(4, rounds // 6)):
                ledger.put(("old",), draw.content(draw.size(257 * KIB, 2048 * KIB)), FULL)
                ledger.put((f"n{number}",), draw.content(draw.size(257 * KIB, 2048 * KIB)), FULL)
                ledger.put((f"s{number}",), draw.content(draw.size(KIB, 200 * KIB)))
                ledger.copy(("large",), (f"c{number}",), FULL)
            # The state is a file, too. SQLite does not say why it could not be written.
            for _ in range(rounds):
                values = {name: draw.text(4 * KIB) for name in ("a", "b")}
                ledger.patch(("old",), values, FULL, FAILED)
            ledger.check()
        ledger.put(("old",), draw.content(700 * KIB))
        ledger.copy(("large",), ("copied",))
        ledger.patch(("old",), {"a": draw.text(4 * KIB)})
        ledger.counts["recovered"] += 1
        server.end()
        return ledger


def descriptors(place: Path, draw: Draw, rounds: int) -> Ledger:
    """40 descriptors, and more connections than that: each request is answered or refused, none is
    done in part, and when the connections are closed the server answers as before.
    """
    with served(
        place / "root", place / "state.db", place / "log", options=("--threads", "4")
    ) as server:
        ledger = server.ledger
        for number in range(8):
            ledger.put((f"old{number}",), draw.content(20 * KIB))
            ledger.patch((f"old{number}",), {"a": draw.text(100)})
        with limited(server, resource.RLIMIT_NOFILE, 40):
            with ExitStack() as open_ones:
                talks = [open_ones.enter_context(Talk(server.running.port)) for _ in range(80)]
                for talk in talks:
                    talk.socket.settimeout(5)
                    talk.send(OPTIONS)
                accepted = []
                for talk in talks:
                    if not _is_answered(talk):
                        break
                    accepted.append(talk)
                ledger.counts["connections that had to wait"] += len(talks) - len(accepted)
                for number, talk in enumerate(accepted):
                    if not _put_by(talk, ledger, draw, number):
                        break
            if not _is_back(server):
                ledger.violations.append("it does not answer, though all connections are closed")
                return ledger
            for number in range(rounds // 2):
                ledger.put((f"after{number}",), draw.content(KIB), BUSY)
        if server.log.stat().st_size > LOG:
            ledger.violations.append(f"it has filled its log: {server.log.stat().st_size:,} bytes")
        ledger.put(("last",), draw.content(20 * KIB))
        ledger.counts["recovered"] += 1
        server.end()
        return ledger


def _is_answered(talk: Talk) -> bool:
    """Whether a connection's first request has been answered, if only with a refusal."""
    try:
        return talk.reply().status in (200, BUSY)
    except (Ended, OSError):
        return False


def _put_by(talk: Talk, ledger: Ledger, draw: Draw, number: int) -> bool:
    """PUT on a connection that stands, alternately over something and to a new name. Gives whether
    it was answered.
    """
    path = (f"old{number % 8}",) if number % 2 else (f"new{number}",)
    content = draw.content(20 * KIB)
    head = f"PUT {href(path, False)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}"
    try:
        talk.send(f"{head}\r\n\r\n".encode() + content)
        status = talk.reply().status
    except (Ended, OSError) as error:
        ledger.violations.append(f"PUT {href(path, False)} without descriptors: {error!r}")
        return False
    old = ledger.held.get(path)
    if status in (201, 204):
        ledger.counts["done"] += 1
        ledger.held[path] = Held(digest(content), old.properties if old else {})
    elif status == BUSY:
        ledger.counts["refused"] += 1
    else:
        ledger.violations.append(f"PUT {href(path, False)} without descriptors: {status}")
    return True


def _is_back(server: Served) -> bool:
    """Whether new connections are answered again, within some time."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(Ended, OSError), Talk(server.running.port) as talk:
            talk.socket.settimeout(2)
            talk.send(OPTIONS)
            if talk.reply().status == 200:
                return True
        time.sleep(0.05)
    return False

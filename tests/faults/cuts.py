"""Connections cut after every byte of a session, in every way that a connection can end.

The client sends the first k bytes of a session and ends the connection: by a reset, by closing, by
closing its half alone, or by closing without ever having read an answer. Some stall instead, until
the server has lost its patience. Afterwards each request has had its whole effect or none, what was
acknowledged is there, every worker answers, and nothing is still held.
"""

import random
import shlex
import socket
import struct
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tests.bench import peers
from tests.bench.peers import Server
from tests.faults import leftovers, sequence, vitals
from tests.faults.altered import Altered, idle
from tests.faults.proof import Report
from tests.faults.sequence import SESSIONS, Session, State, Verb
from tests.faults.told import Told
from tests.wire.talk import Ended, Talk

WAYS = ("reset", "close", "half", "unread")
BATCH = 200
"""Attempts that share the folder, and are looked at together."""
FOLDER, AWAKE = "session", "awake"
"""Made anew for each batch: a server that remembers what it has listed has no more to remember."""
WARM = 0.4
"""The part of the cuts after which a server has all that it keeps."""
WORKERS: Mapping[str, int] = {"wsgidav": 50}
THREADS = 16
"""Workers of each server, or as many requests at a time as one without threads has to answer."""
STALL_SECONDS = 0.5
FIGURES = (
    *("cuts", "stalls", "acknowledged", "truncated", "half_applied", "lost", "accepted_short"),
    *("dead_workers", "sockets_kept", "descriptors_more", "memory_more_kib", "left_over"),
)
_RESET = struct.pack("ii", 1, 0)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--step", type=int, default=1, help="cut after every such byte (1)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all of them (1)")
    parser.add_argument("--ways", default=",".join(WAYS), help="with commas (%(default)s)")
    parser.add_argument("--stalls", type=int, default=20, help="connections that stall (20)")
    parser.add_argument("--options", default="", help="further options for davserver")


def run(options: Namespace) -> Report:
    """Carry it out: ``--server`` is davserver, wsgidav, apache or nginx."""
    if options.server not in SESSIONS:
        return _skipped(options, f"there is no server {options.server}")
    peer = peers.PEERS.get(options.server)
    if peer and (why := peer.missing()):
        return _skipped(options, why)
    further = shlex.split(options.options)
    serve = (peer or peers.ours(("--workers", "1", *further))).serve
    told = Told()
    with _served(serve) as server:
        cut(server, SESSIONS[options.server], options, told)
    # No peer has an option for its patience that leaves its other settings alone.
    if peer is None and options.stalls:
        with _served(lambda place: impatient(place, further)) as server:
            stall(server, SESSIONS[options.server], options, told)
    return Report(
        "cuts", options.server, options.seed, told.figures(FIGURES), tuple(told.violations)
    )


def _skipped(options: Namespace, why: str) -> Report:
    return Report("cuts", options.server, options.seed, skipped=why)


Serve = Callable[[Path], AbstractContextManager[Server]]
"""How a server is started over the folder ``root`` of a place."""


@contextmanager
def _served(serve: Serve) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="davserver-cuts-") as made:
        place = Path(made)
        # A server that drops root's rights has to pass, and to write.
        place.chmod(0o755)
        (place / "root").mkdir()
        (place / "root").chmod(0o777)
        with serve(place) as server:
            yield server


@contextmanager
def impatient(place: Path, further: Sequence[str]) -> Iterator[Server]:
    """Our own server, which ends a silent connection soon."""
    change, state = idle(STALL_SECONDS), place / "state.db"
    own = ("--workers", "1", "--upload-grace", "1")
    with Altered(place / "root", *own, *further, state=state, change=change) as running:
        yield Server("davserver", running.port, running.process.pid, place / "root")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A session of which ``size`` bytes are sent, and how its connection then ends."""

    session: Session
    size: int
    way: str

    def __str__(self) -> str:
        return f"{self.way} after {self.size} bytes"


def cut(server: Server, verbs: Sequence[Verb], options: Namespace, told: Told) -> None:
    """Cut a session after every byte in every way, in an order that the seed decides."""
    length = sum(map(len, Session(verbs, server.root, FOLDER, 0).requests()))
    sizes = range(0, length + 1, options.step)
    cuts = [(size, way) for way in options.ways.split(",") for size in sizes] * options.rounds
    random.Random(options.seed).shuffle(cuts)
    workers = WORKERS.get(server.name, THREADS)
    sockets, base = vitals.sockets(server.pid), None
    for first in range(0, len(cuts), BATCH):
        attempts = [
            Attempt(Session(verbs, server.root, FOLDER, number), size, way)
            for number, (size, way) in enumerate(cuts[first : first + BATCH])
        ]
        _prepare(server, attempts)
        acknowledged = {one: _carry_out(server.port, one, told) for one in attempts}
        sockets += _settled(server, sockets, told)
        _judge(server, acknowledged, told)
        if base is None and first + BATCH >= len(cuts) * WARM:
            # What a server takes once, in each of its threads, is no leak.
            _all_answer(server, workers, told)
            sockets += _settled(server, sockets, told)
            base = vitals.at_rest(server.pid)
        told.count("cuts", len(attempts))
    assert base is not None
    _all_answer(server, workers, told)
    _settled(server, sockets, told)
    now, grown = vitals.kept(server.pid, base)
    told.counts["descriptors_more"] = now.descriptors - base.descriptors
    told.counts["memory_more_kib"] = (now.memory - base.memory) // 1024
    told.violations += grown


def stall(server: Server, verbs: Sequence[Verb], options: Namespace, told: Told) -> None:
    """Stop sending after so many values of k, until the server has had enough."""
    length = sum(map(len, Session(verbs, server.root, FOLDER, 0).requests()))
    sizes = random.Random(options.seed).sample(range(length + 1), options.stalls)
    attempts = [
        Attempt(Session(verbs, server.root, FOLDER, number), size, "stall")
        for number, size in enumerate(sizes)
    ]
    sockets = vitals.sockets(server.pid)
    _prepare(server, attempts)
    acknowledged = {}
    with ExitStack() as held:
        stalled = []
        for one in attempts:
            connection = held.enter_context(Talk(server.port))
            acknowledged[one] = _send(connection, one)
            stalled.append(connection)
        for connection in stalled:
            with suppress(ConnectionResetError):
                while connection.socket.recv(1 << 16):
                    pass
    _settled(server, sockets, told)
    _judge(server, acknowledged, told)
    _all_answer(server, THREADS, told)
    told.count("stalls", len(attempts))


def _prepare(server: Server, attempts: Sequence[Attempt]) -> None:
    _make(server.root / FOLDER)
    for one in attempts:
        one.session.prepare()
        sequence.note(server.port, one.session)


def _make(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _carry_out(port: int, attempt: Attempt, told: Told) -> int:
    """Send a part of a session and end its connection. Gives how many requests were answered."""
    if attempt.way == "unread":
        with Talk(port) as connection, suppress(ConnectionError):
            connection.send(b"".join(attempt.session.requests())[: attempt.size])
        return 0
    with Talk(port) as connection:
        answered = _send(connection, attempt)
        if attempt.way == "reset":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif attempt.way == "half":
            connection.end()
            with suppress(Ended, ConnectionError):
                status = connection.reply().status
                whole = _is_whole(attempt)
                answered += whole and status < 300
                if status < 300 and not whole:
                    told.wrong("accepted_short", f"{attempt}: answered {status}")
    return answered


def _send(connection: Talk, attempt: Attempt) -> int:
    """Send the bytes; each answer but that to the last request is awaited."""
    left, answered = attempt.size, 0
    for verb, request in zip(attempt.session.verbs, attempt.session.requests(), strict=True):
        connection.send(request[:left])
        left -= len(request[:left])
        if not left:
            break
        status = connection.reply().status
        assert status < 300, f"{verb.name} was refused with {status}"
        answered += 1
    return answered


def _is_whole(attempt: Attempt) -> bool:
    """Whether the cut falls between two requests."""
    ends = accumulate(map(len, attempt.session.requests()))
    return attempt.size in ends


def _judge(server: Server, acknowledged: Mapping[Attempt, int], told: Told) -> None:
    shown = sequence.listing(server.port, FOLDER)
    for attempt, answered in acknowledged.items():
        told.count("acknowledged", answered)
        states = attempt.session.states(shown)
        for number, (verb, state) in enumerate(zip(attempt.session.verbs, states, strict=True)):
            if state is State.TRUNCATED:
                told.wrong("truncated", f"{attempt}: the content of {verb.name} is no one's")
            elif state is State.HALF:
                told.wrong("half_applied", f"{attempt}: {verb.name} was applied by half")
            elif state is State.OLD and number < answered:
                told.wrong("lost", f"{attempt}: {verb.name} was acknowledged and is not there")
    if server.name == "davserver":
        for file in leftovers.cleared(server.root):
            told.wrong("left_over", f"left over: {file.relative_to(server.root)}")
    sequence.forget(server.port, FOLDER, shown)


def _settled(server: Server, sockets: int, told: Told) -> int:
    """Let a server come to rest. Gives how many sockets it keeps of connections that are gone."""
    kept = vitals.settle(server.port, server.pid, sockets)
    if kept:
        sentence = f"{kept} sockets stay open after their connections have ended"
        told.wrong("sockets_kept", sentence, kept)
    return kept


def _all_answer(server: Server, workers: int, told: Told) -> None:
    _make(server.root / AWAKE)
    if dead := workers - vitals.awake(server.port, workers, AWAKE):
        sentence = f"{dead} of {workers} workers do not answer any more"
        told.wrong("dead_workers", sentence, dead)
    sequence.forget(server.port, AWAKE, {})

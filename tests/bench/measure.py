"""Drives one workload on two servers in turn and keeps what was measured.

The order is A B B A, so that a drift of the machine falls on both sides alike; what counts is the
ratio within a pair.
"""

import contextlib
import math
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes
from tests.bench.answers import Wrong
from tests.bench.client import Answer, Client, Unanswered
from tests.bench.peers import NotStarted, Peer, Server
from tests.bench.workloads import Workload

# Cores that others may use before a pair says more of them than of the servers.
QUIET = 0.2
# Pairs that have to be left when noisy ones are thrown away.
ENOUGH = 3
# Pairs that a slow comparison takes at least: A B B A.
FEWEST = 2
# Seconds that a pair should at least take, and how often a short request is repeated for that: the
# clock of /proc ticks every 10 ms, and cannot see who disturbed anything shorter.
WINDOW, MOST_REPEATS = 0.3, 20


class Rejected(Exception):
    """A server's answer cannot count; ``server`` is its name."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(why)
        self.server = server


@dataclass(frozen=True, slots=True)
class Sample:
    """One side of a pair: the time and the CPU time of a request in seconds, its answer's bytes.

    Where many alike are asked at a time, the time is what each takes of it: the whole by their
    number, so that twice the time is half the rate.
    """

    seconds: float
    cpu: float
    size: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Our side and the peer's, one after the other; ``others`` in cores used meanwhile."""

    ours: Sample
    theirs: Sample
    others: float

    @property
    def ratio(self) -> float:
        """How many times as fast we were."""
        return self.theirs.seconds / self.ours.seconds


@dataclass(frozen=True, slots=True)
class Side:
    """One server's figures for one request, and its peak.

    Median ``seconds``, mean ``cpu`` seconds, ``size`` of the answer and ``memory`` above idle in
    bytes.
    """

    seconds: float
    cpu: float
    size: int
    memory: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of one workload with one peer, and each server's peak in bytes above idle."""

    pairs: Sequence[Pair]
    our_memory: int
    their_memory: int

    @property
    def kept(self) -> Sequence[Pair]:
        """The quiet pairs, or all of them where too few are quiet."""
        quiet = [pair for pair in self.pairs if pair.others <= QUIET]
        return quiet if len(quiet) >= min(ENOUGH, len(self.pairs)) else self.pairs

    @property
    def noisy(self) -> bool:
        """Whether pairs had to be kept in which others used too much."""
        return any(pair.others > QUIET for pair in self.kept)

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: how many times as fast we were."""
        return statistics.median(pair.ratio for pair in self.kept)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio."""
        ratios = [pair.ratio for pair in self.kept]
        return min(ratios), max(ratios)

    @property
    def ours(self) -> Side:
        return side([pair.ours for pair in self.kept], self.our_memory)

    @property
    def theirs(self) -> Side:
        return side([pair.theirs for pair in self.kept], self.their_memory)


class Watched:
    """A running server under one workload, with the memory that it held when it was idle."""

    def __init__(self, server: Server, workload: Workload) -> None:
        self._server, self._workload, self._client = server, workload, Client()
        workload.arrange(server, self._client)
        self._idle = processes.memory(server.pid, "VmRSS")
        processes.forget_peak(server.pid)

    @property
    def memory(self) -> int:
        """The peak of the process tree in bytes above idle; shared pages cancel out."""
        return max(0, processes.memory(self._server.pid, "VmHWM") - self._idle)

    def warm(self) -> float:
        """Judge one answer to the last byte and give its seconds. Raises Rejected."""
        return self._ask(thorough=True).seconds

    def sample(self, repeats: int) -> Sample:
        """Ask ``repeats`` times: the median time, the mean CPU time. Raises Rejected."""
        before = processes.cpu(self._server.pid)
        answers = [self._ask(thorough=False) for _ in range(repeats)]
        used = processes.cpu(self._server.pid) - before
        used /= sum(answer.count for answer in answers)
        seconds = statistics.median(answer.seconds / answer.count for answer in answers)
        return Sample(seconds, used, len(answers[-1].body))

    def _ask(self, *, thorough: bool) -> Answer:
        try:
            return self._workload.ask(self._server, self._client, thorough=thorough)
        except (Wrong, Unanswered) as error:
            raise Rejected(self._server.name, str(error)) from error


@contextlib.contextmanager
def watched(peer: Peer, workload: Workload, place: Path, seed: int) -> Iterator[Watched]:
    """Lay the tree below ``place``, start the server over it; stop it and clear it all away.

    Raises Rejected where it does not start or arrange.
    """
    place.mkdir()
    root = place / "root"
    root.mkdir()
    root.chmod(0o777)
    try:
        workload.lay(root, seed)
        with contextlib.ExitStack() as running:
            try:
                server = running.enter_context(peer.serve(place))
                ready = Watched(server, workload)
            except (NotStarted, AssertionError, Wrong, Unanswered) as error:
                raise Rejected(peer.name, str(error)) from error
            yield ready
    finally:
        shutil.rmtree(place)


def turns(pairs: int) -> Iterator[bool]:
    """Whether ours goes first: A B, B A, A B, ..."""
    return (number % 2 == 0 for number in range(pairs))


def compare(ours: Watched, theirs: Watched, pairs: int, longest: float) -> Comparison:
    """Measure ``pairs`` pairs after one warm request each, or fewer where that takes longer than
    ``longest`` seconds. Raises Rejected.
    """
    repeats = math.ceil(WINDOW / (ours.warm() + theirs.warm()))
    repeats = min(repeats, MOST_REPEATS)
    began, taken = time.monotonic(), []
    for first in turns(pairs):
        others = processes.Others()
        if first:
            our_sample, their_sample = ours.sample(repeats), theirs.sample(repeats)
        else:
            their_sample, our_sample = theirs.sample(repeats), ours.sample(repeats)
        taken.append(Pair(our_sample, their_sample, others.cores()))
        if len(taken) >= FEWEST and time.monotonic() - began > longest:
            break
    return Comparison(taken, ours.memory, theirs.memory)


def side(samples: Sequence[Sample], memory: int) -> Side:
    """Sum up one server's samples."""
    return Side(
        statistics.median(sample.seconds for sample in samples),
        statistics.fmean(sample.cpu for sample in samples),
        samples[-1].size,
        memory,
    )

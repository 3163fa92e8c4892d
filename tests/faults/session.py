"""A server that ends again and again in the middle of a load, and starts again where it was."""

import shutil
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from tests.faults import remains, servers
from tests.faults.checker import Checker
from tests.faults.connection import Cut
from tests.faults.findings import LEFTOVERS, WRONG, Findings
from tests.faults.load import Load
from tests.faults.proof import Report
from tests.faults.servers import NotStarted, Process, Server

TURNS = 30
"""How many operations each client does before the server ends for the first time."""
OF_THE_DISK = "lost+found"


def arguments(parser: ArgumentParser, durability: str) -> None:
    """Options of every proof with such a server."""
    parser.add_argument(
        "--durability",
        choices=("rename", "sync"),
        default=durability,
        help=f"of davserver ({durability})",
    )
    parser.epilog = f"Servers: {', '.join(servers.NAMES)}."


def report(proof: str, server: Server, seed: int, findings: Findings, times: int) -> Report:
    """The figures have the same names for every server; ``times`` is how often it ended."""
    others = ("refused", "in_flight", "busy", "puts_without_etag", "begun_anew")
    kinds = ("worker_kills", "went_on") if findings["worker_kills"] else ()
    workers = {name: findings[name] for name in kinds}
    figures = {
        proof if proof == "kills" else "cuts": times,
        **workers,
        "acknowledged": findings["acknowledged"],
        **findings.violations(),
        **{name: findings[name] for name in others},
    }
    return Report(proof, server.name, seed, figures, findings.told())


@contextmanager
def folder() -> Iterator[Path]:
    """An empty directory that a server which drops root's rights can pass through."""
    with TemporaryDirectory(prefix="davserver-proof-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


class Session:
    """A context manager: leaving it ends the server. ``place`` is all that the server writes to,
    ``load`` those that play.
    """

    def __init__(self, server: Server, place: Path, seed: int, findings: Findings) -> None:
        self._server = server
        self._place = place
        self._seed = seed
        self._findings = findings
        self._process: Process | None = None
        self.load = Load(seed, server.lacks, findings)

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def end_under_load(
        self, round: int, seconds: float, end: Callable[[Process], object] = Process.kill
    ) -> None:
        """End the server after some seconds of load; ``end`` says how."""
        process = self._running()
        self.load.start(process.port, round)
        time.sleep(seconds)
        self.load.expect_the_end()
        end(process)
        self.load.join()

    def end_a_worker_under_load(self, round: int, seconds: float) -> None:
        """Kill one worker of the server after some seconds of load. Whoever is served by another
        one goes on until all turns are done.
        """
        process, before = self._running(), self._findings["turns_done"]
        process.wait_for_workers()
        self.load.start(process.port, round, TURNS)
        time.sleep(seconds)
        with process.stopped_worker() as clients:
            self.load.expect_the_end_of(clients)
        self.load.join()
        self._findings.count("worker_kills")
        self._findings.count("went_on", self._findings["turns_done"] - before)

    def look_on(self) -> None:
        """Check everything while the server goes on: it has finished what the dead had begun."""
        remains.wait_for_rest(self._place / "root", self._place / "state.db")
        try:
            self._checker.check(self._running().port)
        except (Cut, OSError) as error:
            self._findings.add(WRONG, f"behind the end of a worker: {error!r}")

    def kill(self) -> None:
        """End the server while nobody plays."""
        self._running().kill()

    def end_while_starting(self, seconds: float) -> None:
        """Start the server, and kill it when it may not be ready yet."""
        self._process = Process(self._server, self._place)
        time.sleep(seconds)
        self._process.kill()

    def look(self) -> None:
        """Start the server and check everything; where that cannot be done begin anew."""
        try:
            try:
                self._start()
            except NotStarted as error:
                self._findings.add(WRONG, f"it does not start again: {error}")
                self._running().kill()
                self._server.repair(self._place)
                self._start()
            self._checker.check(self._running().port)
        except (NotStarted, Cut, OSError) as error:
            self._findings.add(WRONG, f"after its start: {error!r}")
            self._findings.count("begun_anew")
            self._end()
            self._begin()

    def stop(self) -> None:
        """Let the server end as it should: ours then leaves nothing of its own in the tree."""
        code = self._running().stop()
        if not self._server.has_state:
            return
        if code:
            self._findings.add(WRONG, f"exit code {code} after a clean stop")
        for one in (self._place / "root").rglob("*"):
            if self._server.own.match(one.name):
                self._findings.add(LEFTOVERS, f"{one} after a clean stop")

    def _running(self) -> Process:
        assert self._process is not None
        return self._process

    def _begin(self) -> None:
        """Make the place empty, and let everybody play once with nobody killed."""
        for one in self._place.iterdir():
            if one.is_dir() and one.name != OF_THE_DISK:
                shutil.rmtree(one)
            elif not one.is_dir():
                one.unlink()
        self._server.prepare(self._place)
        self.load = Load(self._seed, self._server.lacks, self._findings)
        self._checker = Checker(self._server, self._place, self.load, self._findings)
        port = self._start().port
        self._findings.calm = True
        self.load.plant(port)
        self.load.start(port, 0, TURNS)
        self.load.join()
        self._checker.check(port)
        self._findings.calm = False

    def _start(self) -> Process:
        self._process = Process(self._server, self._place)
        self._process.wait()
        return self._process

    def _end(self) -> None:
        self.load.expect_the_end()
        if self._process is not None:
            self._process.kill()
        self.load.join()

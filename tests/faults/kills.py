"""Kills a server with -9 at random moments of a mixed load, and looks at what is left.

After each kill the server starts again on the same files: what is there must be what was
acknowledged, and of what was under way all or nothing.
"""

import shutil
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.faults import servers
from tests.faults.checker import Checker
from tests.faults.connection import Cut
from tests.faults.findings import WRONG, Findings
from tests.faults.load import Load
from tests.faults.proof import Report
from tests.faults.servers import NotStarted, Process, Server

TURNS = 30
"""How many operations each client does before anybody is killed."""
LONGEST = 0.25
"""Seconds of load before a kill, at most."""
STARTING = 0.4
"""Seconds after its start, at most, that a server is killed while it recovers."""
AGAIN = 0.1
"""How often it is killed while it recovers."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed (200)")
    parser.add_argument(
        "--durability", choices=("rename", "sync"), default="rename", help="of davserver (rename)"
    )
    parser.epilog = f"Servers: {', '.join(servers.NAMES)}."


def run(options: Namespace) -> Report:
    server = servers.named(options.server, options.durability)
    if why := server.missing():
        return Report("kills", server.name, options.seed, skipped=why)
    with place() as folder:
        findings = killed(server, folder, options.seed, options.kills)
    return report("kills", server.name, options.seed, findings, options.kills)


def report(proof: str, server: str, seed: int, findings: Findings, times: int) -> Report:
    """The figures have the same names for every server; ``times`` are those of the proof's name."""
    counted = ("acknowledged", "refused", "in_flight", "busy", "puts_without_etag", "begun_anew")
    figures = {
        proof: times,
        **{name: findings[name] for name in counted[:1]},
        **findings.violations(),
        **{name: findings[name] for name in counted[1:]},
    }
    return Report(proof, server, seed, figures, findings.told())


@contextmanager
def place() -> Iterator[Path]:
    """An empty directory that a server which drops root's rights can pass through."""
    with TemporaryDirectory(prefix="davserver-proof-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def killed(server: Server, place: Path, seed: int, kills: int) -> Findings:
    """Kill it some times, and give what was found."""
    findings, chance = Findings(), Random(seed)
    session = Session(server, place, seed, findings)
    try:
        for round in range(1, kills + 1):
            session.kill(round, chance.uniform(0.005, LONGEST))
            if chance.random() < AGAIN:
                session.kill_while_starting(chance.uniform(0.05, STARTING))
            session.look()
        session.stop()
    finally:
        session.end()
    return findings


class Session:
    """A server in a place that is killed and starts again, with its load and its checker."""

    def __init__(self, server: Server, place: Path, seed: int, findings: Findings) -> None:
        self._server = server
        self._place = place
        self._seed = seed
        self._findings = findings
        self._begin()

    def kill(self, round: int, seconds: float) -> None:
        """Kill it after some seconds of load."""
        self._load.start(self._process.port, round)
        time.sleep(seconds)
        self._load.expect_the_end()
        self._process.kill()
        self._load.join()

    def kill_while_starting(self, seconds: float) -> None:
        """Start it and kill it before it may be ready."""
        self._process = Process(self._server, self._place)
        time.sleep(seconds)
        self._process.kill()

    def look(self) -> None:
        """Start it again and check; where that cannot be done everything begins anew."""
        try:
            self._process = Process(self._server, self._place)
            self._process.wait()
            self._checker.check(self._process.port)
        except (NotStarted, Cut, OSError) as error:
            self._findings.add(WRONG, f"after a kill: {error!r}")
            self._findings.count("begun_anew")
            self.end()
            self._begin()

    def stop(self) -> None:
        """A clean stop leaves nothing behind."""
        code = self._process.stop()
        if code not in (0, -15):
            self._findings.add(WRONG, f"exit code {code}")

    def end(self) -> None:
        self._load.expect_the_end()
        self._process.kill()
        self._load.join()

    def _begin(self) -> None:
        """An empty place, and a first round in which nobody is killed."""
        for one in self._place.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        self._server.prepare(self._place)
        self._load = Load(self._seed, self._server.lacks, self._findings)
        self._checker = Checker(self._server, self._place, self._load, self._findings)
        self._process = Process(self._server, self._place)
        self._process.wait()
        self._findings.calm = True
        self._load.plant(self._process.port)
        self._load.start(self._process.port, 0, TURNS)
        self._load.join()
        self._checker.check(self._process.port)
        self._findings.calm = False

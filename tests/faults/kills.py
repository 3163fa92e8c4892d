"""Kills a server with -9 at random moments of a mixed load, and looks at what is left.

After each kill the server starts again on the same files: what is there must be what was
acknowledged, and of what was under way all or nothing. At the end single workers of it are killed:
then those who are served by others notice nothing.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from random import Random

from tests.faults import servers, session
from tests.faults.findings import Findings
from tests.faults.proof import Report
from tests.faults.servers import Server
from tests.faults.session import Session

SHORTEST, LONGEST = 0.005, 0.25
"""Seconds of load before a kill."""
STARTING = 0.4
"""Seconds after its start, at most, that a server is killed while it recovers."""
AGAIN = 0.1
"""How often it is killed while it recovers."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed (200)")
    parser.add_argument(
        "--worker-kills", type=int, default=10, help="how often a worker of davserver is (10)"
    )
    session.arguments(parser, "rename")


def run(options: Namespace) -> Report:
    server = servers.named(options.server, options.durability)
    if why := server.missing():
        return Report("kills", server.name, options.seed, skipped=why)
    with session.folder() as place:
        workers = options.worker_kills if server.has_state else 0
        findings = killed(server, place, options.seed, options.kills, workers)
    return session.report("kills", server, options.seed, findings, options.kills)


def killed(server: Server, place: Path, seed: int, kills: int, worker_kills: int = 0) -> Findings:
    """Kill it some times in an empty place, and some workers of it. Gives what was found."""
    findings, chance = Findings(), Random(seed)
    with Session(server, place, seed, findings) as session:
        for round in range(1, kills + 1):
            session.end_under_load(round, chance.uniform(SHORTEST, LONGEST))
            if chance.random() < AGAIN:
                session.end_while_starting(chance.uniform(0, STARTING))
            session.look()
        for round in range(kills + 1, kills + worker_kills + 1):
            session.end_a_worker_under_load(round, chance.uniform(SHORTEST, LONGEST))
            session.look_on()
        session.stop()
    return findings

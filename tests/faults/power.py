"""Cuts the power in the middle of a mixed load, and looks at what the disk has kept.

Everything lies on an ext4 image. At a random moment the server stands still, the image is copied
as it is, and the server is killed. The copy is mounted, which replays its journal, and the server
starts on it: whatever it had acknowledged must be there, of what was under way all or nothing.
"""

from argparse import ArgumentParser, Namespace
from random import Random

from tests.faults import images, servers, session
from tests.faults.findings import Findings
from tests.faults.proof import Report
from tests.faults.servers import Process, Server
from tests.faults.session import Session

SHORTEST, LONGEST = 0.05, 0.35
"""Seconds of load before a cut."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--cuts", type=int, default=30, help="how often power is cut (30)")
    parser.add_argument(
        "--control", action="store_true", help="davserver's fsync does nothing: it must lose"
    )
    session.arguments(parser, "sync")


def run(options: Namespace) -> Report:
    server = servers.named(options.server, options.durability)
    if options.control:
        server = servers.davserver(options.durability, "tests.faults.unsynced")
    if why := images.lacking() or images.missing() or server.missing():
        return Report("power", server.name, options.seed, skipped=why)
    with session.folder() as folder, images.disk(folder) as disk:
        findings = cut(server, disk, options.seed, options.cuts)
    return session.report("power", server, options.seed, findings, options.cuts)


def cut(server: Server, disk: images.Disk, seed: int, cuts: int) -> Findings:
    """Cut the power some times, and give what was found."""
    findings, chance = Findings(), Random(seed)

    def end(process: Process) -> None:
        process.pause()
        disk.freeze()
        process.kill()

    with Session(server, disk.place, seed, findings) as session:
        for round in range(1, cuts + 1):
            session.end_under_load(round, chance.uniform(SHORTEST, LONGEST), end)
            disk.cut()
            session.look()
        session.stop()
    return findings

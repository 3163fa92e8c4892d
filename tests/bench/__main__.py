"""Measures davserver beside other WebDAV servers on this machine and prints a Markdown table.

    python -m tests.bench
    python -m tests.bench --only allprop,infinity --peers apache --pairs 12 --goals

It starts every server itself, on 127.0.0.1 alone. As root it makes an ext4 image for the served
trees and takes it away again.
"""

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import ground, measure, peers, report, workloads
from tests.bench.measure import Rejected
from tests.bench.peers import Peer
from tests.bench.report import Row
from tests.bench.workloads import Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. 0: done; 1: our server answered wrongly or, with --goals, missed one."""
    options = parsed(arguments)
    # No peer waits for the disk; what is given here comes later and wins.
    given = [*peers.RENAME, *shlex.split(options.options)]
    ours = peers.ours(given)
    beside = [peers.PEERS[name] for name in options.peers]
    settings = f"seed {options.seed}, scale {options.scale:g}, davserver {shlex.join(given)}"

    rows: list[Row] = []
    with ground.prepared(options.image_dir, image=not options.plain) as served:
        print(report.header(beside, ours, served, settings), end="\n\n")
        print(report.table_head(), flush=True)
        chosen = workloads.every(options.scale)
        for workload in (chosen[name] for name in options.only):
            for row in measured(ours, beside, workload, served.path, options):
                print(report.table_row(row), flush=True)
                rows.append(row)

    if remarks := report.remarks(rows):
        print("\n" + remarks)
    complaints = [f"{row.workload}: {row.note}" for row in rows if row.note.startswith(OURS_FAILED)]
    if options.goals:
        complaints += report.missed(rows)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


OURS_FAILED = "davserver rejected"


def measured(
    ours: Peer, beside: Sequence[Peer], workload: Workload, place: Path, options: argparse.Namespace
) -> Iterator[Row]:
    """Compare ours with each peer under one workload, both started anew for each comparison."""
    for peer in beside:
        if peer.only and workload.name not in peer.only:
            continue
        if why := peer.missing() or peer.lacks.get(workload.name, ""):
            yield Row(workload.name, workload.title, peer.name, None, f"skipped: {why}")
            continue
        try:
            with (
                measure.watched(ours, workload, place / "ours", options.seed) as our_side,
                measure.watched(peer, workload, place / peer.name, options.seed) as their_side,
            ):
                compared = measure.compare(our_side, their_side, options.pairs)
        except Rejected as error:
            note = " ".join(f"{error.server} rejected: {error}".replace("|", "/").split())
            yield Row(workload.name, workload.title, peer.name, None, note)
        else:
            yield Row(workload.name, workload.title, peer.name, compared)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = tuple(workloads.every(1))
    add = parser.add_argument
    add("--pairs", type=positive, default=8, help="pairs for each comparison (default: 8)")
    add("--only", default=",".join(known), help="workloads, with commas (default: %(default)s)")
    add("--peers", default=",".join(peers.PEERS), help="servers beside ours (default: %(default)s)")
    add("--seed", type=int, default=1, help="decides names, sizes and times of the files")
    add("--scale", type=float, default=1.0, help="shrinks the folders, for a look at the command")
    add("--image-dir", type=Path, default=Path(tempfile.gettempdir()), help="holds the trees")
    add("--plain", action="store_true", help="make no image; the trees lie in --image-dir itself")
    add("--options", default="", help="further options for davserver, as one argument")
    add("--goals", action="store_true", help="exit code 1 and a line for each goal that is missed")
    options = parser.parse_args(arguments)

    options.only = names(parser, "--only", options.only, known)
    options.peers = names(parser, "--peers", options.peers, tuple(peers.PEERS))
    if options.goals and options.scale != 1:
        parser.error("--goals are set for --scale 1")
    return options


def names(
    parser: argparse.ArgumentParser, option: str, given: str, known: Sequence[str]
) -> list[str]:
    """Split a list of names; an unknown one ends the process."""
    chosen = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        parser.error(f"{option} {given!r}: choose from {', '.join(known)}")
    return chosen


def positive(text: str) -> int:
    """A number of pairs."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def stop(number: int, frame: object) -> None:
    """End as after an error: servers stop and the image is unmounted."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())

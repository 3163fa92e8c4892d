"""Prints the tables of one run or several anew, from what `--json` kept of them.

    python -m tests.bench.tables FILE [FILE ...]

Where several measured the same, the last counts.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import goals, results
from tests.bench.report import details, overview, remarks, started
from tests.bench.results import Results


def main(arguments: Sequence[str] | None = None) -> int:
    """Print. 0: done."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tables", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what --json wrote")
    options = parser.parse_args(arguments)
    found = results.merged(results.load(file) for file in options.files)
    print(text(found))
    peers = {row.peer for row in found.rows}
    for line in (*goals.missed(found.rows, peers), *goals.unstretched(found.rows)):
        print(f"* {line}")
    return 0


def text(found: Results) -> str:
    """Everything that was found as Markdown."""
    parts = [*found.headers]
    if found.rows:
        parts += [overview(found.rows), remarks(found.rows), details(found.rows)]
    if found.starts:
        parts.append(started(found.starts))
    return "\n\n".join(part for part in parts if part)


if __name__ == "__main__":
    sys.exit(main())

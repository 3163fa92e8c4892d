"""Proof: what a disk, or the system, does not take is refused as a whole, and nothing is damaged.

Each case has a server, and a disk, of its own. Everything is judged at once, again at the end, and
once more after the server was killed.
"""

import random
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.bench.peers import PEERS
from tests.faults import full_denied, full_limits, full_space
from tests.faults.disks import NotMounted
from tests.faults.full_case import Draw
from tests.faults.ledger import Ledger
from tests.faults.proof import Report

Case = Callable[[Path, Draw, int], Ledger]

CASES: Mapping[str, Case] = {
    "space": full_space.space,
    "inodes": full_space.inodes,
    "trash": full_space.trash,
    "size": full_limits.size,
    "descriptors": full_limits.descriptors,
    "readonly": full_denied.readonly,
    "failed": full_denied.failed,
    "denied": full_denied.denied,
}
"""Each makes what it needs in a folder, and gives what has come out. Raises NotMounted."""

FIGURES = ("done", "refused", "refused and rolled forward", "damaged", "leftovers", "recovered")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=24, help="how much is asked in a case (24)")
    parser.add_argument("--case", choices=[*CASES], action="append", help="only this case")


def run(options: Namespace) -> Report:
    """Another server than ours is only asked to write to a disk that is full."""
    cases = dict(CASES)
    if options.server != "davserver":
        other = PEERS.get(options.server)
        why = other.missing() if other else f"no such server: {', '.join(PEERS)}"
        if other is None or why:
            return Report("full", options.server, options.seed, skipped=why)
        cases = {"space": partial(full_space.peer, other=other)}
    elif options.case:
        cases = {name: CASES[name] for name in options.case}
    counts: Counter[str] = Counter(dict.fromkeys(FIGURES, 0))
    violations: list[str] = []
    missing: list[str] = []
    for name, case in cases.items():
        try:
            ledger = carried_out(case, options.seed, options.rounds)
        except NotMounted as error:
            missing.append(f"{name}: {error}")
            continue
        counts["cases"] += 1
        counts.update(ledger.counts)
        violations += [f"{name}: {violation}" for violation in ledger.violations]
    why = "; ".join(missing)
    figures: dict[str, int | float | str] = {**counts, **({"not run": why} if why else {})}
    skipped = why if not counts["cases"] else ""
    return Report("full", options.server, options.seed, figures, tuple(violations), skipped)


def carried_out(case: Case, seed: int, rounds: int) -> Ledger:
    """One case in a folder of its own. Raises NotMounted where this machine cannot do it."""
    with tempfile.TemporaryDirectory(prefix="davserver-full-") as made:
        return case(Path(made), Draw(random.Random(seed)), rounds)

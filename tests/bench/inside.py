"""Measures below the dispatcher, in process: the CPU of a small PUT, and the commit section.

    python -m tests.bench.inside
    python -m tests.bench.inside --rounds 5 --seconds 5 --goals

As root it makes an ext4 image for the tree and takes it away again. What is counted in CPU time is
that of the round that took the least of it, all else that of the round in which others used the
least of the machine.
"""

import argparse
import itertools
import math
import random
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from tests.bench import direct, entrance, ground, processes, report
from tests.bench.changes import CONTENT

Result = TypeVar("Result")

MICRO = 1e6
HEAD = (
    "what",
    "2 %",
    "median",
    "mean",
    "99 %",
    "highest",
    "highest / median",
    "samples",
    "others, cores",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one thing in order of size; ``others`` is the use of the machine by others."""

    title: str
    samples: Sequence[float]
    others: float

    @property
    def median(self) -> float:
        return self.samples[len(self.samples) // 2]

    @property
    def highest(self) -> float:
        return self.samples[-1]

    @property
    def unfairness(self) -> float:
        """How many times the median the highest is."""
        return self.highest / self.median if self.median else math.inf


@dataclass(frozen=True, slots=True)
class Goal:
    """An upper bound on what ``of`` gives for a figure; ``told`` has it in words."""

    figure: str
    of: Callable[[Figure], float]
    bound: float
    told: str


GOALS = (
    Goal("put", lambda found: found.median, 200, "less than 200 us of CPU in the median"),
    Goal("section", lambda found: found.median, 100, "tens of microseconds in the median"),
    Goal("wait", lambda found: found.unfairness, 20, "no wait above 20 times the median"),
    Goal("passed", lambda found: found.unfairness, 20, "nobody is passed by 20 times as often"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. 0: done; 1: with --goals, one was missed."""
    options = parsed(arguments)
    found: dict[str, Figure] = {}
    with ground.prepared(options.image_dir, image=not options.plain) as served:
        print(f"Below the dispatcher; tree on {served.described}; seed {options.seed}", end="\n\n")
        print(report.line(HEAD) + "\n" + report.line(["---"] * len(HEAD)), flush=True)
        for name, one in measured(served.path, options):
            print(row(one), flush=True)
            found[name] = one
    complaints = missed(found) if options.goals else []
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def measured(place: Path, options: argparse.Namespace) -> Iterator[tuple[str, Figure]]:
    """Every figure, by its name."""
    root, state = place / "root", place / "state.db"
    root.mkdir()
    with direct.opened(root, state) as shares:
        chance, fresh = random.Random(options.seed), itertools.count()

        def put() -> tuple[list[float], list[float]]:
            names = [f"{next(fresh):06}.txt" for _ in range(options.puts)]
            return (
                direct.put(shares, root, contents(names, chance), HTTPStatus.CREATED),
                direct.put(shares, root, contents(names, chance), HTTPStatus.NO_CONTENT),
            )

        put()
        rounds = [quietest(1, put) for _ in range(options.rounds)]
        new, others = swiftest((new, others) for (new, _), others in rounds)
        yield "put", figure("PUT of a new file of 1 KiB, us of CPU", new, others)
        over, others = swiftest((over, others) for (_, over), others in rounds)
        yield "overput", figure("PUT over a file of 1 KiB, us of CPU", over, others)

        taken, others = quietest(
            options.rounds, lambda: direct.enter(shares.section, options.sections)
        )
        yield "section", figure("a commit section without rows, us", taken, others)

    visits, others = quietest(
        options.rounds, lambda: entrance.crowded(root, state, options.seconds)
    )
    crowd = f"{entrance.THREADS} threads in {entrance.PROCESSES} processes"
    waits = [visit.waited for visit in visits]
    yield "wait", figure(f"wait for a section, {crowd}, us", waits, others)
    yield (
        "passed",
        figure("sections that others enter meanwhile", entrance.passed(visits), others, 1),
    )


def contents(names: Sequence[str], chance: random.Random) -> dict[str, bytes]:
    return {name: chance.randbytes(CONTENT) for name in names}


def swiftest(rounds: Iterable[tuple[list[float], float]]) -> tuple[list[float], float]:
    """The round with the lowest median. A processor may run at two thirds of its speed for some
    seconds, whatever this machine does: then others share it, or it is hot.
    """
    return min(rounds, key=lambda each: statistics.median(each[0]))


def quietest(rounds: int, run: Callable[[], Result]) -> tuple[Result, float]:
    """The result of the round in which others used the fewest cores, and those cores."""
    found = []
    for _ in range(rounds):
        others = processes.Others()
        result = run()
        found.append((result, others.cores()))
    return min(found, key=lambda each: each[1])


def figure(title: str, samples: Sequence[float], others: float, unit: float = MICRO) -> Figure:
    return Figure(title, sorted(sample * unit for sample in samples), others)


def row(one: Figure) -> str:
    """One line of the table. What only 2 % fall short of is what it takes undisturbed."""
    low, high = (one.samples[int(len(one.samples) * part)] for part in (0.02, 0.99))
    found = (low, one.median, statistics.fmean(one.samples), high, one.highest, one.unfairness)
    cells = [f"{each:.1f}" for each in found]
    return report.line((one.title, *cells, f"{len(one.samples):,}", f"{one.others:.2f}"))


def missed(found: Mapping[str, Figure]) -> list[str]:
    """A line for each goal that is not met."""
    return [
        f"goal {goal.figure}: {goal.told}; it is {goal.of(found[goal.figure]):.1f}"
        for goal in GOALS
        if goal.of(found[goal.figure]) > goal.bound
    ]


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.inside",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--puts", type=int, default=1000, help="files that a round puts (default: 1000)")
    add("--sections", type=int, default=10_000, help="sections of a round (default: 10000)")
    add("--seconds", type=float, default=3.0, help="how long a round of waiting takes (default: 3)")
    add("--rounds", type=int, default=5, help="rounds of each figure (default: 5)")
    add("--seed", type=int, default=1, help="decides the content of the files")
    add("--image-dir", type=Path, default=Path(tempfile.gettempdir()), help="holds the tree")
    add("--plain", action="store_true", help="make no image; the tree lies in --image-dir itself")
    add("--goals", action="store_true", help="exit code 1 and a line for each goal that is missed")
    return parser.parse_args(arguments)


def stop(number: int, frame: object) -> None:
    """End as after an error: the image is unmounted."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())

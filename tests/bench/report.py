"""The figures as Markdown, and the goals that they are held against."""

import datetime
import enum
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.ground import Ground
from tests.bench.measure import ENOUGH, QUIET, Comparison
from tests.bench.peers import Peer

MILLI, MEGA = 1e3, 1e6
HEAD = (
    "workload",
    "beside",
    "times as fast",
    "lowest to highest",
    "ours, ms",
    "theirs, ms",
    "our CPU, ms",
    "their CPU, ms",
    "our answer, MB",
    "their answer, MB",
    "our peak above idle, MB",
    "their peak above idle, MB",
    "pairs",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One workload beside one peer; without a comparison ``note`` says why there is none."""

    workload: str
    title: str
    peer: str
    comparison: Comparison | None
    note: str = ""


class Measure(enum.Enum):
    """What a goal bounds: our speed in multiples of the peer's, our memory, or our time."""

    RATIO = "times as fast as"
    MEMORY = "bytes above idle"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Goal:
    """A lower bound on RATIO beside ``peer``; an upper bound on MEMORY and SECONDS of ours."""

    workload: str
    measure: Measure
    bound: float
    peer: str = ""


GOALS = (
    Goal("allprop", Measure.RATIO, 3, "apache"),
    Goal("allprop", Measure.RATIO, 20, "wsgidav"),
    Goal("dead", Measure.RATIO, 3, "apache"),
    Goal("infinity", Measure.RATIO, 2, "apache"),
    Goal("infinity", Measure.MEMORY, 40 * MEGA),
    Goal("copy", Measure.RATIO, 1, "apache"),
    Goal("delete", Measure.RATIO, 1, "apache"),
    Goal("delete", Measure.SECONDS, 0.005),
    Goal("move", Measure.SECONDS, 0.005),
    Goal("puts", Measure.RATIO, 3, "wsgidav-defaults"),
)


def header(peers: Iterable[Peer], ours: Peer, ground: Ground, settings: str) -> str:
    """One paragraph that says what was measured, when, and where."""
    versions = [peer.version() for peer in (ours, *peers) if not peer.missing()]
    now = datetime.datetime.now(datetime.UTC)
    return "; ".join(
        (
            f"{now:%Y-%m-%d %H:%M} UTC",
            f"Linux {platform.release()}",
            f"{os.cpu_count()} CPUs",
            f"Python {platform.python_version()}",
            ", ".join(versions),
            f"trees on {ground.described}",
            settings,
        )
    )


def table_head() -> str:
    """The first two lines of the table."""
    return line(HEAD) + "\n" + line(["---"] * len(HEAD))


def table_row(row: Row) -> str:
    """One line of the table."""
    if row.comparison is None:
        return line((row.title, row.peer, row.note, *[""] * (len(HEAD) - 3)))
    compared = row.comparison
    ours, theirs = compared.ours, compared.theirs
    low, high = compared.spread
    return line(
        (
            row.title,
            row.peer,
            f"**{compared.ratio:.2f}**",
            f"{low:.2f} to {high:.2f}",
            f"{ours.seconds * MILLI:.1f}",
            f"{theirs.seconds * MILLI:.1f}",
            f"{ours.cpu * MILLI:.0f}",
            f"{theirs.cpu * MILLI:.0f}",
            f"{ours.size / MEGA:.2f}",
            f"{theirs.size / MEGA:.2f}",
            f"{ours.memory / MEGA:.1f}",
            f"{theirs.memory / MEGA:.1f}",
            f"{len(compared.kept)} of {len(compared.pairs)}"
            + (" (noisy)" if compared.noisy else ""),
        )
    )


def line(cells: Iterable[str]) -> str:
    """Cells as a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def remarks(rows: Sequence[Row]) -> str:
    """What a reader has to know of the rows; empty where nothing is out of order."""
    if any(row.comparison and row.comparison.noisy for row in rows):
        return (
            f"noisy: others used more than {QUIET} cores in some pairs, and fewer than {ENOUGH} "
            "were quiet, so none was thrown away."
        )
    return ""


def missed(rows: Sequence[Row]) -> list[str]:
    """A line for each goal of the measured workloads that is missed or could not be judged."""
    measured = {row.workload for row in rows}
    verdicts = (verdict(goal, rows) for goal in GOALS if goal.workload in measured)
    return [each for each in verdicts if each]


def verdict(goal: Goal, rows: Sequence[Row]) -> str:
    """Why a goal is not met; empty where it is."""
    compared = [
        row.comparison
        for row in rows
        if row.comparison and row.workload == goal.workload and goal.peer in {"", row.peer}
    ]
    wanted = f"goal {goal.workload}: {WANTED[goal.measure](goal)}"
    if not compared:
        return f"{wanted}; not measured"
    if goal.measure is Measure.RATIO:
        ratio = compared[0].ratio
        return "" if ratio >= goal.bound else f"{wanted}; it is {ratio:.2f} times"
    if goal.measure is Measure.MEMORY:
        memory = max(each.our_memory for each in compared)
        return "" if memory < goal.bound else f"{wanted}; it is {memory / MEGA:.1f} MB"
    seconds = max(each.ours.seconds for each in compared)
    return "" if seconds < goal.bound else f"{wanted}; it is {seconds * MILLI:.1f} ms"


WANTED = {
    Measure.RATIO: lambda goal: f"at least {goal.bound:g} times as fast as {goal.peer}",
    Measure.MEMORY: lambda goal: f"less than {goal.bound / MEGA:g} MB above idle",
    Measure.SECONDS: lambda goal: f"less than {goal.bound * MILLI:g} ms",
}

"""What is wanted of our server beside each of the others, and what of it is missed."""

import enum
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.bench import workloads
from tests.bench.report import MEGA, MILLI, Row

PYTHON = ("wsgidav", "asgiwebdav", "copyparty")
BEHIND_US = (*PYTHON, "rclone", "xnet", "apache")
"""Ahead of these on everything."""
SMALL = ("depth-0", "get-1k")
"""Where that is a stretch beside two of them: two thirds is the floor."""
STRETCHED = ("xnet", "apache")
LIGHT = ("nginx", "lighttpd")
"""Written in C around an event loop, with fewer features: ahead of these on the following."""
AHEAD_OF_LIGHT = (
    *("get-big", "put-big", "chunked-big", "copy", "delete"),
    *("dead", "proppatch", "rclone-up", "rclone-down"),
)


class Measure(enum.Enum):
    """What a goal bounds: our speed in multiples of the peer's, our memory, or our time."""

    RATIO = "times as fast as"
    MEMORY = "bytes above idle"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Goal:
    """A lower bound on RATIO beside ``peer``; an upper bound on MEMORY and SECONDS of ours.

    ``stretch`` is a ratio that is wished for beyond the bound.
    """

    workload: str
    measure: Measure
    bound: float
    peer: str = ""
    stretch: float = 0.0


def ahead() -> Iterator[Goal]:
    """To be ahead: of whom, and on what."""
    for name in workloads.every(1):
        for peer in BEHIND_US:
            if name in SMALL and peer in STRETCHED:
                yield Goal(name, Measure.RATIO, 2 / 3, peer, stretch=1)
            else:
                yield Goal(name, Measure.RATIO, 1, peer)
        if name in AHEAD_OF_LIGHT:
            yield from (Goal(name, Measure.RATIO, 1, peer) for peer in LIGHT)


GOALS = (
    *ahead(),
    Goal("get-1k", Measure.RATIO, 1 / 2, "nginx"),
    Goal("ranges", Measure.RATIO, 1 / 2, "nginx"),
    Goal("depth-0", Measure.RATIO, 1 / 3, "nginx"),
    Goal("allprop", Measure.RATIO, 1 / 1.5, "nginx"),
    Goal("named", Measure.RATIO, 1 / 1.5, "nginx"),
    Goal("allprop", Measure.RATIO, 3, "apache"),
    Goal("allprop", Measure.RATIO, 20, "wsgidav"),
    Goal("dead", Measure.RATIO, 3, "apache"),
    Goal("infinity", Measure.RATIO, 2, "apache"),
    Goal("infinity", Measure.MEMORY, 40 * MEGA),
    Goal("delete", Measure.SECONDS, 0.005),
    Goal("move", Measure.SECONDS, 0.005),
    Goal("puts", Measure.RATIO, 3, "wsgidav-defaults"),
)


def missed(rows: Sequence[Row], peers: Collection[str]) -> list[str]:
    """A line for each goal of the measured workloads, beside the peers that were asked for, that
    is missed or could not be judged. What a peer cannot do is neither met nor missed.
    """
    measured = {row.workload for row in rows}
    asked = (goal for goal in GOALS if goal.workload in measured and goal.peer in {"", *peers})
    return [each for each in (verdict(goal, rows) for goal in asked) if each]


def unstretched(rows: Sequence[Row]) -> list[str]:
    """A line for each wish that is not fulfilled though its goal is met."""
    found = {(row.workload, row.peer): row.comparison for row in rows}
    lines = []
    for goal in GOALS:
        compared = found.get((goal.workload, goal.peer))
        if compared and goal.bound <= compared.ratio < goal.stretch:
            lines.append(
                f"wish {goal.workload}: {goal.stretch:g} times as fast as {goal.peer}; "
                f"it is {compared.ratio:.2f} times"
            )
    return lines


def verdict(goal: Goal, rows: Sequence[Row]) -> str:
    """Why a goal is not met; empty where it is."""
    found = [row for row in rows if row.workload == goal.workload and goal.peer in {"", row.peer}]
    if found and all(row.lacking for row in found):
        return ""
    compared = [row.comparison for row in found if row.comparison]
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
    Measure.RATIO: lambda goal: f"at least {goal.bound:.3g} times as fast as {goal.peer}",
    Measure.MEMORY: lambda goal: f"less than {goal.bound / MEGA:g} MB above idle",
    Measure.SECONDS: lambda goal: f"less than {goal.bound * MILLI:g} ms",
}

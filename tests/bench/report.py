"""The figures as Markdown."""

import datetime
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.ground import Ground
from tests.bench.measure import ENOUGH, QUIET, Comparison
from tests.bench.peers import Peer
from tests.bench.startup import Started

MILLI, MEGA = 1e3, 1e6
HEAD = (
    "workload",
    "beside",
    "times as fast",
    "lowest to highest",
    "ours, ms or requests",
    "theirs, ms or requests",
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
    """One workload beside one peer; without a comparison ``note`` says why there is none.

    ``lacking``: the peer cannot do it. ``rate``: the workload is told in requests a second.
    """

    workload: str
    title: str
    peer: str
    comparison: Comparison | None
    note: str = ""
    lacking: bool = False
    rate: bool = False


def header(peers: Iterable[Peer], ours: Peer, ground: Ground, settings: str) -> str:
    """One paragraph that says what was measured, when, and where."""
    versions = dict.fromkeys(peer.version() for peer in (ours, *peers) if not peer.missing())
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


def overview(rows: Sequence[Row]) -> str:
    """A table of ratios: a line for each workload, a column for each peer; then what has none."""
    peers = list(dict.fromkeys(row.peer for row in rows))
    found = {(row.title, row.peer): row for row in rows}
    lines = [line(("times as fast as", *peers)), line(["---"] * (1 + len(peers)))]
    for title in dict.fromkeys(row.title for row in rows):
        cells = (found.get((title, peer)) for peer in peers)
        lines.append(line((title, *(cell(row) if row else "" for row in cells))))
    notes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            notes.setdefault((row.peer, row.note), []).append(row.workload)
    lines += ["", "Above 1 we are faster; **bold**: behind."] if rows else []
    lines += [f"* {peer}: {note} ({', '.join(names)})" for (peer, note), names in notes.items()]
    return "\n".join(lines)


def cell(row: Row) -> str:
    """One ratio, or in a word why there is none."""
    if row.comparison is None:
        return "lacks" if row.lacking else row.note.split(":")[0].split()[-1]
    ratio = short(row.comparison.ratio)
    return f"**{ratio}**" if row.comparison.ratio < 1 else ratio


def details(rows: Sequence[Row]) -> str:
    """A table with a line for each workload beside each peer that could be compared."""
    lines = [line(HEAD), line(["---"] * len(HEAD))]
    return "\n".join([*lines, *(detail(row, row.comparison) for row in rows if row.comparison)])


def detail(row: Row, compared: Comparison) -> str:
    """One line of the table."""
    ours, theirs = compared.ours, compared.theirs
    low, high = compared.spread
    return line(
        (
            row.title,
            row.peer,
            short(compared.ratio),
            f"{short(low)} to {short(high)}",
            *(taken(side.seconds, rate=row.rate) for side in (ours, theirs)),
            *(short(side.cpu * MILLI) for side in (ours, theirs)),
            f"{ours.size / MEGA:.2f}",
            f"{theirs.size / MEGA:.2f}",
            f"{ours.memory / MEGA:.1f}",
            f"{theirs.memory / MEGA:.1f}",
            f"{len(compared.kept)} of {len(compared.pairs)}"
            + (" (noisy)" if compared.noisy else ""),
        )
    )


def started(starts: Sequence[Started]) -> str:
    """A table of the start and of what is held then."""
    lines = [line(("server", "start to first answer, ms", "memory then, MB")), line(["---"] * 3)]
    for each in starts:
        milli, mega = each.median_seconds * MILLI, each.median_memory / MEGA
        lines.append(line((each.name, f"{milli:.0f}", f"{mega:.1f}")))
    return "\n".join(lines)


def taken(seconds: float, *, rate: bool) -> str:
    """A time in milliseconds, or as requests a second."""
    return f"{1 / seconds:,.0f} a second" if rate else short(seconds * MILLI)


def short(number: float) -> str:
    """A number with three digits that count, and all of those before its point."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
    return f"{number:,.{digits}f}"


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

"""What was measured, as JSON: every pair, so that tables can be made of it later."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.measure import Comparison, Pair, Sample
from tests.bench.report import Row
from tests.bench.startup import Started


@dataclass(frozen=True, slots=True)
class Results:
    """What a run found: a paragraph for each run, its rows, and the starts."""

    headers: Sequence[str]
    rows: Sequence[Row]
    starts: Sequence[Started]


def save(results: Results, file: Path) -> None:
    """Replace ``file`` by these results: after each row, so that a run that ends early has some."""
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(json.dumps(asdict(results), indent=1) + "\n")
    os.replace(fresh, file)


def load(file: Path) -> Results:
    """Read what ``save`` wrote. Raises OSError, ValueError, KeyError, TypeError."""
    found = json.loads(file.read_text())
    rows = [Row(**{**row, "comparison": comparison(row["comparison"])}) for row in found["rows"]]
    return Results(found["headers"], rows, [Started(**each) for each in found["starts"]])


def comparison(found: dict[str, Any] | None) -> Comparison | None:
    """The comparison of a row, if there was one."""
    if found is None:
        return None
    pairs = [
        Pair(Sample(**pair["ours"]), Sample(**pair["theirs"]), pair["others"])
        for pair in found["pairs"]
    ]
    return Comparison(pairs, found["our_memory"], found["their_memory"])


def merged(every: Iterable[Results]) -> Results:
    """Several runs as one: of a workload beside a peer, and of a start, the last run counts."""
    headers: list[str] = []
    rows: dict[tuple[str, str], Row] = {}
    starts: dict[str, Started] = {}
    for results in every:
        headers += results.headers
        rows |= {(row.workload, row.peer): row for row in results.rows}
        starts |= {each.name: each for each in results.starts}
    return Results(headers, list(rows.values()), list(starts.values()))

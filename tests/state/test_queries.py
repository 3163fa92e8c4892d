"""The queries for one path cost no more where others have many rows: none reads a whole table."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from davserver.protocol.locks import Lock
from davserver.state import Reader
from davserver.state.rows import Rows
from davserver.state.sqlite import SqliteState

NOW = 1_000_000.0
HERE = ("srv", "tree", "file")
ASKED: dict[str, Callable[[Reader], object]] = {
    "locks": lambda reader: reader.locks(HERE, NOW),
    "locks below": lambda reader: reader.locks(HERE, NOW, below=True),
    "locks on members": lambda reader: reader.locks_on_members(HERE[:-1], NOW),
    "lock": lambda reader: reader.lock("urn:x", NOW),
    "properties": lambda reader: reader.properties(HERE),
    "properties of members": lambda reader: reader.properties_of_members(HERE[:-1]),
    "has rows": lambda reader: reader.has_rows(HERE),
    "with properties": lambda reader: reader.with_properties(HERE),
    "stamps": lambda reader: reader.stamps(HERE),
}
SCAN = re.compile(r"SCAN (lock|property)\b(?! USING)")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    with closing(SqliteState(tmp_path / "state.db")) as found:
        with found.write() as writer:
            writer.add_lock(Lock("urn:x", HERE, False, True, "", "", 60, NOW + 60))
            writer.set_property(HERE, "{u:}x", "<x/>")
        yield found


def plans(state: SqliteState, query: str, values: Sequence[object]) -> str:
    with closing(sqlite3.connect(state.file)) as connection:
        found = connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        return "\n".join(detail for *_, detail in found)


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_one_path_is_looked_up(
    name: str, state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Rows._rows
    asked: list[tuple[str, Sequence[object]]] = []

    def noted(self: Rows, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        asked.append((query, values))
        return real(self, query, values)

    monkeypatch.setattr(Rows, "_rows", noted)
    assert ASKED[name](state.read())
    queries = [(query, values) for query, values in asked if "WHERE" in query]
    assert queries
    for query, values in queries:
        plan = plans(state, query, values)
        assert "SEARCH" in plan
        assert not SCAN.search(plan), plan


def test_the_control_reads_all(state: SqliteState) -> None:
    pairs = "SELECT token FROM lock WHERE (parent, name) IN (VALUES (?, ?), (?, ?))"
    assert SCAN.search(plans(state, pairs, [b""] * 4))

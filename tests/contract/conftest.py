"""Stores, read and written in each way that there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from davserver.state import Settle, Writer
from davserver.state.sqlite import SqliteState
from tests.contract.ground import Stores


@pytest.fixture(params=["one store", "two stores", "reopened after each step"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """How to read and how to write: by the same store, by two on one file, by a new one each."""
    file = tmp_path / "state" / "state.db"
    opened: list[SqliteState] = []

    def store() -> SqliteState:
        opened.append(SqliteState(file))
        return opened[-1]

    if request.param == "one store":
        one = store()
        yield one.read, one.write
    elif request.param == "two stores":
        first, second = store(), store()
        yield first.read, second.write
    else:

        @contextmanager
        def write(settle: Settle | None = None) -> Iterator[Writer]:
            state = SqliteState(file)
            try:
                with state.write(settle) as writer:
                    yield writer
            finally:
                state.close()

        yield lambda: store().read(), write
    for state in opened:
        state.close()

"""Servers for the clients: one that anyone may use, one that asks for a name and a password."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.running import Running

USER = "alice"
PASSWORD = "correct horse battery"


class Served(NamedTuple):
    """A running server and the directory that it serves."""

    server: Running
    root: Path

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    root = tmp_path / "root"
    root.mkdir()
    with Running(root, state=tmp_path / "state.db") as server:
        yield Served(server, root)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    root = tmp_path / "guarded"
    root.mkdir()
    with Running(
        root,
        "--user",
        USER,
        state=tmp_path / "guarded.db",
        environment={"DAVSERVER_PASSWORD": PASSWORD},
    ) as server:
        yield Served(server, root)

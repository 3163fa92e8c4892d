"""Servers for the raw sockets: one that anyone may use, one that asks for a name."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from davserver.tree import TRASH
from tests.running import Running, below

USER, PASSWORD = "alice", "open sesame"
LOGIN = "Authorization: Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Served(NamedTuple):
    """A running server and the directory that it serves."""

    server: Running
    root: Path

    @property
    def port(self) -> int:
        return self.server.port

    def names(self) -> set[str]:
        """Everything in the directory, what is invisible to clients included."""
        return {str(path.relative_to(self.root)) for path in below(self.root)}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for a module."""
    folder = tmp_path_factory.mktemp("shared")
    root = folder / "root"
    root.mkdir()
    with Running(root, state=folder / "state.db") as server:
        yield Served(server, root)


@pytest.fixture
def served(shared: Served) -> Served:
    """The server of the module, with an empty directory."""
    for path in reversed([path for path in below(shared.root) if TRASH not in path.parts]):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    return shared


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that asks for a user name and its password. It has one worker, so that the memory
    for the first password is taken once.
    """
    folder = tmp_path_factory.mktemp("guarded")
    root = folder / "root"
    root.mkdir()
    given = {"DAVSERVER_PASSWORD": PASSWORD}
    options = ("--user", USER, "--workers", "1")
    with Running(root, *options, state=folder / "state.db", environment=given) as server:
        yield Served(server, root)

"""An application over two directories on two file systems."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import lacking
from tests.security.inside import Inside


@dataclass(frozen=True)
class Place:
    """The application with its shares `one` and `two`, and their directories."""

    app: Inside
    one: Path
    two: Path

    def leftovers(self) -> list[str]:
        """Names of the server's own that are still there."""
        self.app.rest()
        return [str(path) for top in (self.one, self.two) for path in top.rglob(".~dav-*")]


@pytest.fixture
def across(tmp_path: Path) -> Iterator[Place]:
    """Two users, alice and bob, and shares on different file systems."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        lacking("/dev/shm is no second file system")
    with tempfile.TemporaryDirectory(dir=shm) as other:
        one, two = tmp_path / "one", Path(other)
        one.mkdir()
        app = Inside(tmp_path / "state.db", {"one": one, "two": two}, "alice", "bob")
        yield Place(app, one, two)
        app.close()

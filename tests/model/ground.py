"""The server that all sequences share, and what lies under it."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path as FilePath

from tests.model.asked import Path
from tests.model.client import Client
from tests.running import Running


class Ground:
    """A running server over ``folder``. A sequence that ends well leaves it empty; after one that
    does not the next gets a new server on new ground.
    """

    def __init__(self, folder: FilePath) -> None:
        self._folder = folder
        self._number = 0
        self.server: Running | None = None
        self.is_clean = False
        self.restarts = 0
        self.steps = 0

    @property
    def root(self) -> FilePath:
        return self._folder / f"root{self._number}"

    @property
    def state(self) -> FilePath:
        return self._folder / f"state{self._number}.db"

    def begin(self) -> Client:
        """An empty server. It counts as soiled until `is_clean` is set."""
        if not self.is_clean or self.server is None:
            self.close()
            self._number += 1
            self.root.mkdir()
            self.server = Running(self.root, state=self.state).start()
        self.is_clean = False
        return Client(self.server.port)

    def restart(self, how: signal.Signals) -> Client:
        assert self.server is not None
        code = self.server.stop(how)
        assert code == (0 if how is signal.SIGTERM else -how)
        self.restarts += 1
        return Client(self.server.start().port)

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()
            said = self.server.log.read_text()
            assert "Traceback" not in said, said
            self.server = None

    def rows(self) -> tuple[set[Path], list[Path]]:
        """Which resources the store has dead properties of, and the roots of its locks."""
        with closing(sqlite3.connect(self.state)) as store:
            properties = store.execute("SELECT DISTINCT parent, name FROM property").fetchall()
            locks = store.execute("SELECT parent, name FROM lock").fetchall()
        return {self._local(*row) for row in properties}, [self._local(*row) for row in locks]

    def _local(self, parent: bytes, name: bytes) -> Path:
        path = tuple(part.decode() for part in (*parent.split(b"/"), name) if part)
        base = self.root.resolve().parts[1:]
        assert path[: len(base)] == base
        return path[len(base) :]


@contextmanager
def ground(folder: FilePath) -> Iterator[Ground]:
    found = Ground(folder)
    try:
        yield found
    finally:
        found.close()

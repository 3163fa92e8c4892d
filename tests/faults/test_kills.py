"""Servers are killed in the middle of a mixed load: what they have acknowledged is still there."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from tests.faults import bodies, checker, kills, servers
from tests.faults.findings import (
    KINDS,
    LEFTOVERS,
    LOST,
    LOST_LOCKS,
    ORPHAN_ROWS,
    TORN,
    Findings,
)
from tests.faults.model import Path, World
from tests.faults.proof import Report
from tests.faults.session import Session
from tests.running import missing

SIZES = (("rename", 110, 1), ("sync", 90, 2))
"""Durability, kills and seed of the runs here, side by side: while one server starts the other is
killed. Any number by hand.
"""
WORKER_KILLS = 10
SECONDS = 900
"""After which a run is stuck."""


def test_nothing_acknowledged_is_lost_to_a_kill() -> None:
    with ExitStack() as held:
        runs = [held.enter_context(running(*size)) for size in SIZES]
        told = [run.communicate(timeout=SECONDS)[0] for run in runs]
    for (_, times, _), run, text in zip(SIZES, runs, told, strict=True):
        print(text)
        assert run.returncode == 0, text
        figures = dict(line.split(": ") for line in text.splitlines()[1:])
        assert int(figures["kills"]) == times
        assert int(figures["worker_kills"]) == WORKER_KILLS
        # Else nobody was left to notice anything.
        assert int(figures["went_on"]) > WORKER_KILLS / 2
        assert int(figures["acknowledged"].replace(",", "")) > 5 * times
        assert int(figures["in_flight"].replace(",", "")) > times


@contextmanager
def running(durability: str, times: int, seed: int) -> Iterator[subprocess.Popen[str]]:
    """The command of the proof; it is told to end, and to tidy up, if nobody waits for it."""
    options = ("--durability", durability, "--kills", str(times), "--seed", str(seed))
    more = ("--worker-kills", str(WORKER_KILLS))
    command = [sys.executable, "-m", "tests.faults", "kills", *options, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def proved(server: str, times: int) -> Report:
    """A proof within this process."""
    return kills.run(
        Namespace(server=server, seed=1, kills=times, durability="rename", worker_kills=0)
    )


@pytest.mark.parametrize("name", servers.PEERS)
def test_peers_are_killed_and_counted_by_the_same_names(name: str) -> None:
    if why := servers.PEERS[name].missing():
        missing(why)
    report = proved(name, 3)
    print(json.dumps({"server": name, **report.figures}))
    assert {"kills", "acknowledged", *KINDS} <= report.figures.keys()
    assert int(report.figures["acknowledged"]) > 50


def test_a_server_that_forgets_is_found(tmp_path: FilePath) -> None:
    """The control."""
    forgetful = servers.davserver("rename", "tests.faults.forgetful")
    found = kills.killed(replace(forgetful, has_state=False), tmp_path, seed=1, kills=2)
    assert found[LOST] > 10
    assert found["begun_anew"] == 0


def test_a_proof_of_a_server_that_is_not_there_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(servers.PEERS["apache"], missing=lambda: "it is not installed")
    monkeypatch.setitem(servers.PEERS, "apache", absent)
    assert proved("apache", 1).skipped == "it is not installed"


class Broken:
    """What a session has left, to be broken between the end of its server and the next start."""

    def __init__(self, session: Session, place: FilePath) -> None:
        self.session = session
        self.root = place / "root"
        self._state = place / "state.db"

    def find(self, suits: Callable[[World, Path], bool]) -> Path:
        """A resource that suits."""
        worlds = [client.world for client in self.session.load.clients]
        return next(path for one in worlds for path in sorted(one.things) if suits(one, path))

    def file(self) -> FilePath:
        return self.root.joinpath(*self.find(lambda world, path: bool(world.things[path].content)))

    def rows(self, statement: str, path: Path) -> None:
        """Change rows of a resource: the statement has a WHERE."""
        *above, name = self.root.joinpath(*path).parts[1:]
        parent = "".join(f"/{one}" for one in above).encode()
        with closing(sqlite3.connect(self._state, isolation_level=None)) as connection:
            found = connection.execute(
                f"{statement} AND parent = ? AND name = ?", (parent, name.encode())
            )
            assert found.rowcount > 0


def patched(world: World, path: Path) -> bool:
    return world.things[path].pair > 0


def locked(world: World, path: Path) -> bool:
    return any(held.root == path for held in world.locks.values())


def truncate(broken: Broken) -> None:
    file = broken.file()
    os.truncate(file, file.stat().st_size - 1)


def old_property(broken: Broken) -> None:
    """One of the two has another value."""
    statement = "UPDATE property SET value = replace(value, '</', 'x</')"
    broken.rows(statement + " WHERE property LIKE '%one'", broken.find(patched))


BREAKS: dict[str, tuple[Callable[[Broken], object], str]] = {
    "a file is removed": (lambda broken: broken.file().unlink(), LOST),
    "a tree is removed": (
        lambda broken: shutil.rmtree(
            broken.root.joinpath(*broken.find(lambda one, path: one.is_collection(path)))
        ),
        LOST,
    ),
    "a file comes from nowhere": (
        lambda broken: (broken.root / "t0" / "new").write_bytes(bodies.body(7)),
        LOST,
    ),
    "a file has an older content": (
        lambda broken: broken.file().write_bytes(bodies.body(31)),
        LOST,
    ),
    "a file is cut off": (truncate, TORN),
    "a file is empty": (lambda broken: os.truncate(broken.file(), 0), TORN),
    "the chain goes back": (
        lambda broken: (broken.root / "shared" / "chain").write_bytes(bodies.body(15)),
        LOST,
    ),
    "a temporary file is left": (
        lambda broken: (broken.root / "t0" / ".~dav-0123456789abcdef").touch(),
        LEFTOVERS,
    ),
    "one property is older": (old_property, TORN),
    "one property is gone": (
        lambda broken: broken.rows(
            "DELETE FROM property WHERE property LIKE '%two'", broken.find(patched)
        ),
        TORN,
    ),
    "properties are gone": (
        lambda broken: broken.rows("DELETE FROM property WHERE true", broken.find(patched)),
        LOST,
    ),
    "properties are of nothing": (
        lambda broken: broken.rows(
            "UPDATE property SET name = CAST('gone' AS BLOB) WHERE true", broken.find(patched)
        ),
        ORPHAN_ROWS,
    ),
    "a lock is gone": (
        lambda broken: broken.rows("DELETE FROM lock WHERE true", broken.find(locked)),
        LOST_LOCKS,
    ),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broken, Findings]]:
    """What the first round has left. What is broken is taken as it is by the next."""
    place, findings = tmp_path_factory.mktemp("broken"), Findings()
    with Session(servers.davserver("rename"), place, 5, findings) as session:
        assert findings.told() == ()
        yield Broken(session, place), findings


@pytest.mark.parametrize(("breaks", "kind"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_found(
    broken: tuple[Broken, Findings],
    breaks: Callable[[Broken], object],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More controls: each from a tree and a database that were whole."""
    monkeypatch.setattr(checker, "IDLE", 0.5)
    found, findings = broken
    before = findings.violations()[kind]
    found.session.kill()
    breaks(found)
    found.session.look()
    assert findings.violations()[kind] > before
    told = findings.violations()
    found.session.kill()
    found.session.look()
    assert findings.violations() == told, "it is told once"

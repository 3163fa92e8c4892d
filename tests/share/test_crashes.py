"""A process that is killed at any step leaves all of the old or all of the new."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from davserver.protocol.paths import Path
from davserver.share import Section, recovery
from davserver.state import Intent
from tests.running import lacking
from tests.share.cases import ACROSS, HERE, PLAIN, POOR, WALKS, WAYS, Case
from tests.share.conftest import Make
from tests.share.crashes import Crashes
from tests.share.ground import Way, World

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

_BY_WAY = [
    pytest.param(case, way, id=f"{case}, {way.name}")
    for way in WAYS
    for case in HERE
    # A lack alone is of interest where it matters; all together are tried with everything.
    if way in (PLAIN, POOR)
    or (not way.trash and case.name.endswith(("collection", "DELETE a tree", "with rows")))
    or (not way.flags and case.name.endswith("collection"))
    or (not way.unnamed and case.name.startswith(("PUT", "LOCK nothing", "COPY a file")))
]
_VIOLATION = r"neither the old state|lost rows"
_DOUBLE = [
    case
    for case in HERE
    if case.name in ("MOVE a tree onto a collection", "COPY a file onto a file", "DELETE a tree")
]


FOUND: list[int] = []
"""How many points there were at which a process was killed, by test."""


def points(crashes: Crashes, *, twice: bool = False) -> None:
    """Kill at all of them."""
    FOUND.append(crashes.all(twice=twice))
    assert FOUND[-1] > 0


@pytest.mark.parametrize(("case", "way"), _BY_WAY)
def test_a_kill_at_any_step(here: Make, case: Case, way: Way) -> None:
    points(Crashes(here(way), case))


@pytest.mark.parametrize("way", [PLAIN, POOR], ids=lambda way: way.name)
@pytest.mark.parametrize("case", ACROSS, ids=str)
def test_a_kill_at_any_step_between_file_systems(across: Make, case: Case, way: Way) -> None:
    points(Crashes(across(way), case))


@pytest.mark.parametrize("case", WALKS, ids=str)
def test_a_kill_at_any_step_of_a_walk(across: Make, case: Case) -> None:
    points(Crashes(across(PLAIN), case))


@pytest.mark.parametrize("way", [PLAIN, POOR], ids=lambda way: way.name)
@pytest.mark.parametrize("case", _DOUBLE, ids=str)
def test_a_kill_at_any_step_of_the_recovery(here: Make, case: Case, way: Way) -> None:
    crashes = Crashes(here(way), case)
    points(crashes, twice=True)
    assert crashes.recoveries > 0


@pytest.mark.parametrize("name", ["PUT over a file with rows", "PUT over a file", "DELETE a tree"])
def test_a_kill_at_any_step_below_a_bind_mount(here: Make, memory: FilePath, name: str) -> None:
    """It looks like one file system, and the trash cannot be reached from there."""
    elsewhere = memory / "elsewhere"
    elsewhere.mkdir()
    ground = here(PLAIN)
    case = _named(HERE, name)
    mounted = Case(
        name,
        _below(case.world, "point"),
        case.method,
        ("one", "point", *case.source[1:]),
        case.status,
        case.headers,
        case.body,
    )
    point = ground.real(("one", "point"))
    point.mkdir()
    command = ["mount", "--bind", str(elsewhere), str(point)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this user may not mount")
    try:
        points(Crashes(ground, mounted))
    finally:
        subprocess.run(["umount", str(point)], check=True)


def _below(world: World, point: str) -> World:
    def inner(path: Path) -> Path:
        return (path[0], point, *path[1:])

    things = {inner(path): thing for path, thing in world.things.items()}
    return World(things, {token: inner(path) for token, path in world.locks.items()})


def _named(cases: list[Case], name: str) -> Case:
    return next(case for case in cases if case.name == name)


@pytest.mark.parametrize("way", [PLAIN, POOR], ids=lambda way: way.name)
@pytest.mark.parametrize("case", [HERE[0], *_DOUBLE], ids=str)
def test_another_server_makes_good_what_a_killed_one_has_left(
    here: Make, case: Case, way: Way
) -> None:
    points(Crashes(here(way), case, has_others=True))


def test_intents_that_are_dropped_are_noticed(here: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of what the recovery does."""

    def drop(section: Section, intent: Intent) -> None:
        section.writer.remove_intent(intent.id)

    monkeypatch.setattr(recovery, "recover", drop)
    ground = here(PLAIN)
    for name in ("MOVE a tree onto a collection", "MOVE a file onto a file", "DELETE a tree"):
        with pytest.raises(AssertionError, match=_VIOLATION):
            Crashes(ground, _named(HERE, name)).all()


def test_intents_that_are_not_kept_are_noticed(here: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of what a section keeps."""
    monkeypatch.setattr(Section, "_intend", lambda _, intent: replace(intent, id=-1))
    with pytest.raises(AssertionError, match=_VIOLATION):
        Crashes(here(PLAIN), _named(HERE, "MOVE a tree onto a collection")).all()


def test_there_were_many_points() -> None:
    """The last of this module: a request of which few steps are seen is hardly tried."""
    print(f"{sum(FOUND)} processes were killed, in {len(FOUND)} tests")
    assert sum(FOUND) >= 10 * len(FOUND)

"""A store that cannot keep what it was given: the files follow it, or it follows them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.share.cases import ACROSS, HERE, PLAIN, POOR, UNTRASHED, WALKS, Case
from tests.share.conftest import Make
from tests.share.crashes import halves
from tests.share.ground import Ground, Way, World, asking

ERRORS = {"full": sqlite3.SQLITE_FULL, "broken": sqlite3.SQLITE_IOERR}


class Failing:
    """Lets the commit with the number ``at`` fail, and with ``lasts`` all after it."""

    def __init__(self, code: int) -> None:
        self.at = 0
        self.lasts = False
        self.commits = 0
        self._code = code

    def commit(self) -> None:
        self.commits += 1
        if self.at and (self.commits == self.at or (self.lasts and self.commits > self.at)):
            error = sqlite3.OperationalError("on purpose")
            error.sqlite_errorcode = self._code
            raise error

    @contextmanager
    def run(self, at: int, *, lasts: bool = False) -> Iterator[None]:
        self.commits, self.at, self.lasts = 0, at, lasts
        try:
            yield
        finally:
            self.at = 0


@pytest.fixture(params=ERRORS.values(), ids=list(ERRORS))
def failing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Failing:
    failing = Failing(request.param)
    connecting = sqlite3.connect

    class Connection(sqlite3.Connection):
        """One that keeps nothing cannot fail at it."""

        _kept = 0

        def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
            if query == "COMMIT" and self.total_changes != self._kept:
                failing.commit()
                self._kept = self.total_changes
            elif query == "ROLLBACK":
                self._kept = self.total_changes
            return super().execute(query, *values)

    def connect(*values: Any, **named: Any) -> sqlite3.Connection:
        return connecting(*values, factory=Connection, **named)

    monkeypatch.setattr(sqlite3, "connect", connect)
    return failing


def ends(ground: Ground, case: Case, failing: Failing) -> tuple[World, World, int]:
    """What is there before the request and after it, and how many commits it takes."""
    ground.build(case.world)
    old = ground.seen()
    with ground.served() as shares:
        with failing.run(0):
            assert asking(shares)(case.method, case.url, case.headers, case.body) == case.status
        commits = failing.commits
        ground.rest(shares)
    return old, ground.seen(), commits


def attempt(ground: Ground, case: Case, failing: Failing, at: int, *, lasts: bool) -> int:
    """The request with a commit that fails. Gives the status."""
    ground.build(case.world)
    with ground.served() as shares:
        with failing.run(at, lasts=lasts):
            status = asking(shares)(case.method, case.url, case.headers, case.body)
        if not lasts:
            ground.rest(shares)
    return status


def check(case: Case, status: int, old: World, new: World, seen: World) -> None:
    assert seen.is_clean, seen
    if status == case.status:
        assert seen.stored == new.stored
    else:
        assert status >= 500
        # 507 says that nothing was done; 500 that somebody has to look.
        allowed = [old.stored] if status == 507 else [old.stored, new.stored]
        assert seen.stored in allowed


WAYS = pytest.mark.parametrize("way", [PLAIN, UNTRASHED, POOR], ids=lambda way: way.name)


@WAYS
@pytest.mark.parametrize("case", HERE, ids=str)
def test_each_commit_fails_once(here: Make, failing: Failing, case: Case, way: Way) -> None:
    _each_once(here(way), failing, case)


@pytest.mark.parametrize("case", ACROSS, ids=str)
def test_each_commit_of_a_move_between_file_systems_fails_once(
    across: Make, failing: Failing, case: Case
) -> None:
    _each_once(across(PLAIN), failing, case)


def _each_once(ground: Ground, failing: Failing, case: Case) -> None:
    old, new, commits = ends(ground, case, failing)
    for at in range(1, commits + 1):
        status = attempt(ground, case, failing, at, lasts=False)
        try:
            check(case, status, old, new, ground.seen())
        except AssertionError as error:
            raise AssertionError(f"commit {at} of {commits}, answered with {status}") from error


@pytest.mark.parametrize("case", WALKS, ids=str)
def test_each_commit_of_a_walk_fails_once(across: Make, failing: Failing, case: Case) -> None:
    """What has gone leaves no rows behind, and what has arrived has them."""
    ground = across(PLAIN)
    old, new, commits = ends(ground, case, failing)
    for at in range(1, commits + 1):
        status = attempt(ground, case, failing, at, lasts=False)
        seen = ground.seen()
        where = f"commit {at} of {commits}, answered with {status}"
        assert seen.is_clean, where
        assert halves(case, old, new, seen) == [], where


@WAYS
@pytest.mark.parametrize("case", HERE, ids=str)
def test_from_a_commit_on_each_one_fails(
    here: Make, failing: Failing, case: Case, way: Way
) -> None:
    """Then the next start makes it good."""
    ground = here(way)
    old, new, commits = ends(ground, case, failing)
    for at in range(1, commits + 1):
        status = attempt(ground, case, failing, at, lasts=True)
        ground.recover()
        try:
            check(case, status, old, new, ground.seen())
        except AssertionError as error:
            raise AssertionError(f"commit {at} of {commits}, answered with {status}") from error


def test_a_time_is_set_back_where_its_properties_cannot_be_kept(
    here: Make, failing: Failing
) -> None:
    ground = here(PLAIN)
    case = next(case for case in HERE if case.name == "PROPPATCH with a time")
    old, new, commits = ends(ground, case, failing)
    assert old.things[case.source].time != new.things[case.source].time
    status = attempt(ground, case, failing, commits, lasts=False)
    assert status in (500, 507)
    assert ground.seen().things[case.source] == old.things[case.source]

"""Faults that do not pass: a member that never yields, a disk that stays full, and the controls."""

from errno import EACCES, ENOSPC
from functools import partial

import pytest

from davserver.protocol.paths import Path
from tests.faults.attempts import Attempts
from tests.faults.faulty import Step
from tests.faults.ground import Ground
from tests.faults.scenarios import ACROSS, FILES, SINGLES, TREE, TREES, Scenario

MEMBERS = [tuple(name.split("/")) for name in TREE if name]
WALKS = [
    one
    for one in TREES
    if one.name.startswith(("DELETE a tree with", "COPY a tree"))
    or one.name == "MOVE a tree with a lock in it onto nothing"
]
CREATES = ("make", "copy", "carry", "link", "upload", "write", "publish", "name")


def _stubborn(ground: Ground, scenario: Scenario, member: Path, log: object) -> None:
    """Nothing can be done to one member: the answer names it, and what a lock keeps anyway."""
    assert isinstance(log, pytest.LogCaptureFixture)
    share, *names = (*scenario.source, *member)
    real = ground.roots[share].resolve().joinpath(*names)
    attempts = Attempts(ground, scenario, log)
    outcome = attempts.once(lambda _, step: EACCES if step.path == real else 0, EACCES, lasts=True)
    wanted = {(*scenario.source, *member): 403}
    for path, status in scenario.failed.items():
        if path[: len(scenario.source) + len(member)] != (*scenario.source, *member):
            wanted[path] = status
    assert outcome.reply.failed == wanted


@pytest.mark.parametrize(
    ("scenario", "member"),
    [
        pytest.param(scenario, member, id=f"{scenario}: {'/'.join(member)}")
        for scenario in WALKS
        for member in MEMBERS
        if (*scenario.source, *member) not in scenario.failed
    ],
)
def test_a_member_that_never_yields_is_named_and_the_rest_is_done(
    ground: Ground, scenario: Scenario, member: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _stubborn(ground, scenario, member, caplog)


@pytest.mark.parametrize("member", MEMBERS, ids="/".join)
@pytest.mark.parametrize("scenario", ACROSS[2:3], ids=str)
def test_a_member_that_never_yields_stays_on_its_file_system(
    across: Ground, scenario: Scenario, member: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _stubborn(across, scenario, member, caplog)


def _disk_full(ground: Ground, scenario: Scenario, log: pytest.LogCaptureFixture) -> None:
    """From any step on whatever needs space fails."""
    attempts = Attempts(ground, scenario, log)
    attempts.once()
    creating = [n for n, step in enumerate(ground.script.steps, 1) if step.what in CREATES]

    def full(first: int, number: int, step: Step) -> int:
        return ENOSPC if number >= first and step.what in CREATES else 0

    for first in creating:
        fails = partial(full, first)
        outcome = attempts.once(fails, ENOSPC, lasts=True)
        assert outcome.reply.status in (207, 507)
    assert creating


@pytest.mark.parametrize("scenario", [*TREES[:5], TREES[8], *FILES[:3], *SINGLES[:3]], ids=str)
def test_a_disk_that_stays_full(
    ground: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    _disk_full(ground, scenario, caplog)


@pytest.mark.parametrize("scenario", ACROSS, ids=str)
def test_another_disk_that_stays_full(
    across: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    _disk_full(across, scenario, caplog)


@pytest.mark.parametrize("scenario", [*SINGLES[:2], SINGLES[5], *FILES[:3]], ids=str)
def test_files_that_have_a_reserved_name_while_they_are_made(
    named: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    assert Attempts(named, scenario, caplog).all() > 0


@pytest.mark.parametrize("scenario", SINGLES[:3], ids=str)
def test_storage_that_does_what_it_says_it_did_not_is_noticed(
    ground: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    """The control: the checks see what no answer can make good."""
    attempts = Attempts(ground, scenario, caplog)
    attempts.once()
    ground.script.does_it_all_the_same = True
    with pytest.raises(AssertionError, match=" of "):
        attempts.all([EACCES])

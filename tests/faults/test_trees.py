"""COPY, MOVE and DELETE of trees and files with a fault at every step."""

import pytest

from tests.faults.attempts import Attempts
from tests.faults.ground import Ground
from tests.faults.scenarios import ACROSS, BARE, FILES, SINGLES, TREES, Scenario


@pytest.mark.parametrize("scenario", [*TREES, *FILES, *BARE, *SINGLES], ids=str)
def test_nothing_is_lost_and_the_answer_says_what_failed(
    ground: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    assert Attempts(ground, scenario, caplog).all() > 0


@pytest.mark.parametrize("scenario", ACROSS, ids=str)
def test_nothing_is_lost_between_two_file_systems(
    across: Ground, scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    assert Attempts(across, scenario, caplog).all() > 0

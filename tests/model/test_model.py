"""Random sequences of requests, each answered and left as the model says.

DAVSERVER_TEST_STEPS sets how many requests are sent, in sequences that are new each time.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import ground
from tests.model.asked import Asked
from tests.model.asked import Path as Names
from tests.model.ground import Ground
from tests.model.machine import Machine
from tests.model.model import Model
from tests.model.world import Expected

SEQUENCE = 50
STEPS = 1500
CONTROL_STEPS = 3000
"""At most: a control ends with the first contradiction."""
WANTED = os.environ.get("DAVSERVER_TEST_STEPS")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Ground]:
    with ground.ground(tmp_path) as found:
        yield found


def _run(shared: Ground, model: Callable[[], Model], steps: int, phases: list[Phase]) -> None:
    class Bound(Machine):
        def __init__(self) -> None:
            super().__init__(shared, model)

    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=max(1, steps // SEQUENCE),
            stateful_step_count=SEQUENCE,
            deadline=None,
            derandomize=WANTED is None,
            database=None,
            phases=phases,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_answer_and_every_state_is_as_the_model_says(shared: Ground) -> None:
    # What fails is shrunk only where somebody has the time: each attempt needs new ground.
    phases = [Phase.generate, Phase.shrink] if WANTED else [Phase.generate]
    _run(shared, Model, int(WANTED or STEPS), phases)
    assert shared.restarts > 0
    print(f"{shared.steps} requests, {shared.restarts} restarts")


class _NoLocks(Model):
    def lacking(self, asked: Asked, *paths: Names) -> set[Names]:
        return set()


class _CopyIsDeep(Model):
    def copy(
        self,
        source: tuple[Names, bool],
        target: tuple[Names, bool],
        asked: Asked,
        *,
        deep: bool = True,
        overwrite: bool = True,
    ) -> Expected:
        return super().copy(source, target, asked, overwrite=overwrite)


class _PropertiesStay(Model):
    def drop(self, gone: Iterable[Names]) -> None:
        kept = dict(self.properties)
        super().drop(gone)
        self.properties = kept


@pytest.mark.parametrize("wrong", [_NoLocks, _CopyIsDeep, _PropertiesStay])
def test_a_model_with_a_wrong_rule_is_contradicted(shared: Ground, wrong: type[Model]) -> None:
    """The control: what the sequences do not reach they do not prove."""
    with pytest.raises(AssertionError):
        _run(shared, wrong, CONTROL_STEPS, [Phase.generate])

"""Tries a request over and over, each time with another step that fails."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from errno import EIO, errorcode

import pytest

from davserver.protocol import faults
from davserver.protocol.paths import Path, parse
from tests.faults.checks import Outcome, check
from tests.faults.faulty import Fails
from tests.faults.ground import Ground, World
from tests.faults.scenarios import Scenario

ERRNOS = (*faults.ERRNO, EIO)
EVERY = os.environ.get("DAVSERVER_TEST_FAULTS") == "all"
"""Try each errno at each step. Else at the steps that only ask, and are most of them, a quarter of
the errnos in turn: there it takes half the time.
"""
ASKS = ("path", "stat", "facts", "kinds", "scan", "open", "read")


def never(number: int, step: object) -> int:
    return 0


@dataclass
class Attempts:
    """Requests of one scenario on a ground."""

    ground: Ground
    scenario: Scenario
    caplog: pytest.LogCaptureFixture
    wanted: World | None = None
    is_built: bool = False

    def once(self, fails: Fails = never, number: int = 0, *, lasts: bool = False) -> Outcome:
        """One request with its check."""
        scenario, ground = self.scenario, self.ground
        if not self.is_built:
            ground.build(scenario.world)
        self.caplog.clear()
        method = scenario.method or scenario.kind
        url = "/" + "/".join(scenario.source)
        reply = ground.ask(method, url, scenario.headers, scenario.body, fails)
        after = ground.seen()
        self.is_built = after == scenario.world
        vanished = tuple(ground.vanished())
        outcome = Outcome(
            scenario,
            scenario.world.without(vanished),
            after,
            reply,
            number,
            vanished,
            any(step.clears for step in ground.script.failed),
            self.wanted,
            lasts,
        )
        if self.wanted is None:
            self.wanted = after
            outcome = replace(outcome, wanted=after)
        check(outcome)
        self._check_log(outcome)
        return outcome

    def all(self, errnos: Sequence[int] = ERRNOS) -> int:
        """Every step with every errno, after one attempt without any. Gives how many there were.
        Raises AssertionError that tells of all which went wrong.
        """
        outcome = self.once()
        assert outcome.reply.status == self.scenario.status
        assert outcome.reply.failed == self.scenario.failed
        steps = list(self.ground.script.steps)
        wrong = []
        tried = 0
        for position, step in enumerate(steps, 1):
            turns = 1 if EVERY or step.what not in ASKS else 4
            for number in filter(step.can_fail_with, errnos[position % turns :: turns]):
                tried += 1
                try:
                    # mypy infers no types for the defaults that bind a lambda to its turn.
                    self.once(lambda n, _, p=position, e=number: e if n == p else 0, number)  # type: ignore[misc]
                except AssertionError as error:
                    told = str(error).partition("\n")[0]
                    name = errorcode[number]
                    wrong.append(f"{position} {step.what} {step.path.name} {name}: {told}")
        assert not wrong, f"{len(wrong)} of {tried}:\n" + "\n".join(wrong)
        return tried

    def _check_log(self, outcome: Outcome) -> None:
        """Each failed member is one line for whoever wants to try again."""
        logged: dict[Path, int] = {}
        for record in self.caplog.records:
            if record.name == "davserver.members":
                told = json.loads(record.getMessage().partition(" failed ")[2])
                path = parse(told["href"]).path
                assert path not in logged, "logged twice"
                logged[path] = told["status"]
        if outcome.reply.status == 207 and outcome.scenario.kind != "ONE":
            assert logged == outcome.reply.failed, "log and 207 differ"
        else:
            assert len(logged) <= 1, "logged, but not told"

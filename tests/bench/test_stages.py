"""The measuring of the stages: each is met, and what one calls is not counted twice. No figures."""

import time

from tests.bench import stages
from tests.bench.stages import REQUESTS, STAGES, Watch


def test_every_request_passes_every_stage() -> None:
    for requests in REQUESTS.values():
        spent = stages.measure(requests, 1, 5)
        assert tuple(spent) == STAGES
        assert all(microseconds > 0 for microseconds in spent.values())


def test_what_is_kept_needs_nothing_but_the_socket() -> None:
    for name in stages.KEPT:
        spent = stages.measure(stages.same(REQUESTS[name]), 1, 5)
        assert {stage for stage, microseconds in spent.items() if microseconds} == {"socket"}


def test_a_stage_has_no_time_of_those_that_it_calls() -> None:
    watch = Watch()
    inner = watch.watched("verb", lambda: time.sleep(0.05))
    outer = watch.watched("corridor", inner)
    began = time.perf_counter()
    outer()
    whole = time.perf_counter() - began
    assert watch.spent["verb"] >= 0.05
    assert watch.spent["corridor"] <= whole - watch.spent["verb"]

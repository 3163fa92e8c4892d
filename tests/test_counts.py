"""Counts: true across processes that are forked, killed and followed by others."""

import os
import select
import signal
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client.parser import text_string_to_metric_families

from davserver import counts, methods, metrics
from davserver.counts import (
    LOCKS,
    LOGIN_FAILURES,
    MALFORMED,
    RECEIVED,
    SECONDS,
    SENT,
    STORAGE_ERRORS,
    Totals,
)

TIMES = 20_000


def forked(place: int, count: Callable[[], object]) -> tuple[int, int]:
    """A process that counts in a place, says so, and waits to be killed: its identifier, and what
    is readable when it has counted.
    """
    done, says = os.pipe()
    child = os.fork()
    if not child:
        try:
            counts.enter(place)
            count()
            os.write(says, b".")
            while True:
                signal.pause()
        finally:
            os._exit(1)
    os.close(says)
    return child, done


def wait(done: int) -> None:
    assert select.select([done], [], [], 60)[0]
    assert os.read(done, 1) == b"."
    os.close(done)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def put() -> None:
    for _ in range(TIMES):
        counts.request("PUT", "201", 0.002, 10, 1)


def puts() -> float:
    return sum(count for method, _, count in Totals().requests() if method == "PUT")


def test_what_two_processes_count_is_one_sum_and_outlives_them() -> None:
    counts.prepare(2)
    before, sent = puts(), Totals().of(SENT)[""]
    counts.request("PUT", "201", 0.002, 10, 1)
    places = [counts.reserve(), counts.reserve()]
    children = [forked(place, put) for place in places]
    for _, done in children:
        wait(done)
    expected = 2 * TIMES + 1
    assert puts() == before + expected
    kill(children[0][0])
    assert puts() == before + expected

    counts.release(places[0])
    assert counts.reserve() == places[0]
    child, done = forked(places[0], put)
    wait(done)
    expected += TIMES
    assert puts() == before + expected
    assert Totals().of(SENT)[""] == sent + expected
    for one in (child, children[1][0]):
        kill(one)
    counts.request("PUT", "201", 0.002, 10, 1)
    assert puts() == before + expected + 1


def test_a_place_that_others_count_in_is_not_given_away() -> None:
    counts.prepare(3)
    assert sorted({counts.reserve(), counts.reserve(), counts.reserve()}) == [1, 2, 3]


def test_what_was_counted_before_processes_are_prepared_is_kept() -> None:
    counts.request("PUT", "201", None, 5, 7)
    before = {family: Totals().of(family) for family in counts.FAMILIES}
    counts.prepare(4)
    assert {family: Totals().of(family) for family in counts.FAMILIES} == before


def test_what_clients_make_up_is_one_kind() -> None:
    for number in range(100):
        counts.request(f"FROB{number}", str(200 + number), 0.1, 0, 0)
        counts.malformed(f"{number}")
    counts.request("GET", "", None, 0, 0)
    totals = Totals()
    assert {method for method, _, _ in totals.requests()} <= set(counts.METHODS)
    assert {status for _, status, _ in totals.requests()} <= set(counts.STATUSES)
    assert totals.of(MALFORMED)["other"] >= 100
    assert sum(1 for method, _, _ in totals.requests() if method == "GET") >= 1


def test_every_verb_of_ours_is_counted_by_its_name() -> None:
    assert set(methods.TABLE) < set(counts.METHODS)


def test_the_bucket_of_a_duration_is_the_first_that_has_it() -> None:
    def buckets() -> list[float]:
        found = {method: counted for method, counted, _ in Totals().durations()}
        return found.get("PATCH", [0.0] * (len(SECONDS) + 1))

    for seconds, place in ((0.0, 0), (0.0005, 0), (0.00051, 1), (600.0, 14), (601.0, 15)):
        before = buckets()
        counts.request("PATCH", "405", seconds, 0, 0)
        after = buckets()
        assert [now - then for now, then in zip(after, before, strict=True)] == [
            float(number == place) for number in range(len(SECONDS) + 1)
        ]


def test_the_metrics_are_what_was_counted() -> None:
    name, moves = "davserver_request_duration_seconds", [("method", "MOVE")]

    def buckets() -> list[float]:
        found = text_string_to_metric_families(metrics.text(None).decode())
        (family,) = [family for family in found if family.name == name]
        return [
            sample.value
            for bound in ("0.0025", "0.005", "+Inf")
            for sample in family.samples
            if sample.labels == {"le": bound, "method": "MOVE"}
        ] or [0, 0, 0]

    before = buckets()
    counts.request("MOVE", "201", 0.003, 11, 13)
    assert buckets() == [before[0], before[1] + 1, before[2] + 1]
    counts.lock("granted")
    counts.login_failed()
    counts.recovered(True)
    counts.refused_upload()
    counts.log_failed()
    counts.malformed("400")
    counts.storage_failed("PUT", HTTPStatus.INTERNAL_SERVER_ERROR, OSError(5, "on purpose"))
    families = {
        family.name: family for family in text_string_to_metric_families(metrics.text(3).decode())
    }
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    totals = Totals()
    for method, status, count in totals.requests():
        key = ("davserver_requests_total", ("method", method), ("status", status))
        assert values[key] == count
    assert values["davserver_locks",] == 3
    assert values["davserver_received_bytes_total",] == totals.of(RECEIVED)[""]
    assert values["davserver_sent_bytes_total",] == totals.of(SENT)[""]
    assert (
        values["davserver_lock_requests_total", ("outcome", "granted")]
        == (totals.of(LOCKS)["granted"])
    )
    assert values["davserver_authentication_failures_total",] == totals.of(LOGIN_FAILURES)[""]
    assert (
        values["davserver_storage_errors_total", ("error", "EIO")]
        == (totals.of(STORAGE_ERRORS)["EIO"])
    )
    for counter, label in (
        ("davserver_recoveries_total", [("outcome", "finished")]),
        ("davserver_malformed_requests_total", [("status", "400")]),
        ("davserver_refused_uploads_total", []),
        ("davserver_access_log_failures_total", []),
    ):
        assert values[counter, *label] >= 1
    assert values[f"{name}_count", *moves] == values[f"{name}_bucket", ("le", "+Inf"), *moves]
    assert families["davserver_build_info"].samples[0].labels["version"]


def test_no_gauge_tells_what_nobody_knows() -> None:
    assert b"\ndavserver_locks " not in metrics.text(None)
    assert b"\ndavserver_locks 0" in metrics.text(0)

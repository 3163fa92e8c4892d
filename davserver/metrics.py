"""The counts in the form that Prometheus reads, written by its client library."""

import platform
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from davserver import __version__, counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The form that every version of Prometheus reads."""

_KINDS = {
    counts.LOCKS: (
        "davserver_lock_requests",
        "What became of LOCK and UNLOCK; refused are those that met the lock of somebody else.",
        "outcome",
    ),
    counts.STORAGE_ERRORS: (
        "davserver_storage_errors",
        "Errors of the operating system that the server had to answer for.",
        "error",
    ),
    counts.RECOVERIES: (
        "davserver_recoveries",
        "Changes that had been left half done, and were finished or dropped by who came next.",
        "outcome",
    ),
    counts.MALFORMED: (
        "davserver_malformed_requests",
        "Heads that no request could be made of, by the status of the answer.",
        "status",
    ),
}
_ONLY_WHERE_THERE_WERE = (counts.STORAGE_ERRORS, counts.MALFORMED)
"""Those of many kinds, of which most never are."""
_PLAIN = {
    counts.RECEIVED: ("davserver_received_bytes", "Bytes of request bodies that were read."),
    counts.SENT: ("davserver_sent_bytes", "Bytes of the bodies of answers."),
    counts.LOGIN_FAILURES: (
        "davserver_authentication_failures",
        "Requests whose user name and password were wrong.",
    ),
    counts.REFUSED_UPLOADS: (
        "davserver_refused_uploads",
        "Uploads that were answered 503 because too many others waited for their content.",
    ),
    counts.LOG_FAILURES: (
        "davserver_access_log_failures",
        "Lines of the access log that could not be written.",
    ),
}
_BOUNDS = (*map(str, counts.SECONDS), "+Inf")


def text(locks: int | None) -> bytes:
    """All metrics, in the form of `CONTENT_TYPE`. ``locks`` is how many there are at the moment,
    where that can be told.
    """
    return generate_latest(_Counted(locks))


class _Counted(Collector):
    def __init__(self, locks: int | None) -> None:
        self._locks = locks

    def collect(self) -> Iterator[Metric]:
        totals = counts.Totals()
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("davserver_build", "What is running.", value=build)
        requests = CounterMetricFamily(
            "davserver_requests", "Requests that were answered.", labels=("method", "status")
        )
        for method, status, count in totals.requests():
            requests.add_metric((method, status), count)
        yield requests
        durations = HistogramMetricFamily(
            "davserver_request_duration_seconds",
            "Time from the head of a request to the end of its answer.",
            labels=("method",),
        )
        for method, buckets, seconds in totals.durations():
            upto = list(zip(_BOUNDS, accumulate(buckets), strict=True))
            durations.add_metric((method,), upto, seconds)
        yield durations
        for family, (name, about) in _PLAIN.items():
            yield CounterMetricFamily(name, about, value=totals.of(family)[""])
        for family, (name, about, label) in _KINDS.items():
            counter = CounterMetricFamily(name, about, labels=(label,))
            for kind, count in totals.of(family).items():
                if count or family not in _ONLY_WHERE_THERE_WERE:
                    counter.add_metric((kind,), count)
            yield counter
        if self._locks is not None:
            yield GaugeMetricFamily("davserver_locks", "Locks at the moment.", value=self._locks)

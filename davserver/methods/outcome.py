"""What became of a tree: every failed member kept, logged, and told in a 207."""

import errno
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus

from davserver import counts
from davserver.protocol import messages, multistatus
from davserver.protocol.faults import Fault
from davserver.protocol.messages import Answer
from davserver.protocol.paths import Path

log = logging.getLogger("davserver.members")

FINAL = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that are no reason to try another way: the storage fails, or the server lacks means."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A member that an operation could not be done to, and why."""

    path: Path
    fault: Fault


def tell(
    method: str,
    done: HTTPStatus,
    own: Collection[Path],
    failures: list[Failure],
    href: Callable[[Path], str],
) -> Answer:
    """The answer of DELETE, COPY and MOVE (RFC 4918 sections 9.6.1, 9.8.3 and 9.9.2).

    No failure: ``done``. Only one of ``own``, the resources that the request names: its status.
    Else a 207 with exactly the failed members.
    """
    lines = []
    for failure in failures:
        where = href(failure.path)
        counts.storage_failed(method, failure.fault.status, failure.fault.__cause__)
        lines.append(multistatus.render(multistatus.failure(where, failure.fault)))
        told = {
            "method": method,
            "href": where,
            "status": failure.fault.status.value,
            "why": failure.fault.sentence,
        }
        log.warning("member failed %s", json.dumps(told))
    if not failures:
        return Answer(done)
    if len(failures) == 1 and failures[0].path in own:
        return messages.refusal(failures[0].fault)
    return messages.report(lines)

"""What must be true after a request of which one system call has failed.

Nothing here knows how the server works: the answer, the world before, the world now, and the world
after the same request without a fault are all that is judged. What may succeed although a call has
failed stands in one table, with its reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.client import Unanswered
from tests.faults import syscalls_partly
from tests.faults.ground import Reply, World
from tests.faults.scenarios import Scenario
from tests.faults.strace import Call, Fault
from tests.faults.syscalls_fallbacks import FALLBACKS

STATUSES: Mapping[str, int] = {
    "EIO": 500,
    "ENOSPC": 507,
    "EDQUOT": 507,
    "EACCES": 403,
    "EROFS": 403,
    "EMFILE": 503,
    "EINTR": 500,
    "EOPNOTSUPP": 500,
    "EXDEV": 403,
    "EINVAL": 400,
    "EAGAIN": 503,
}
"""What each error is answered with. After EINTR a call may also be made again; Linux gives it for
none of those that Python does not repeat (PEP 475), so that to fail is sound there.
"""

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "EMFILE", "EINTR")
"""What every call fails with."""

STORE_STATUSES = (500, 503)
"""SQLite tells the kind of a failure and never its errno: what is not a full disk is a failed one,
or a busy one.
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request during which a call has failed.

    ``before_it`` are the calls that had succeeded by then, ``is_repeated`` says that the same
    system call was made later. ``wanted`` is the world after the same request without a fault,
    ``after`` the one on the disk now, ``seen`` the one that a client sees now.
    """

    scenario: Scenario
    fault: Fault
    call: Call
    before_it: Sequence[str]
    is_repeated: bool
    of_state: bool
    reply: Reply | Unanswered
    before: World
    wanted: World
    after: World
    seen: World

    @property
    def method(self) -> str:
        return self.scenario.method or self.scenario.kind

    @property
    def is_done(self) -> bool:
        """Whether the answer says that all was done, as far as it can be done."""
        return (
            not isinstance(self.reply, Unanswered)
            and self.reply.status < 300
            and self.reply.failed == self.scenario.failed
        )

    @property
    def is_old(self) -> bool:
        return _same(self.after, self.before)

    @property
    def is_new(self) -> bool:
        return _same(self.after, self.wanted)

    @property
    def excuse(self) -> str:
        """Why the request may have succeeded all the same; empty where it may not."""
        if self.fault.error == "EINTR" and self.is_repeated:
            return "made again"
        for fallback in FALLBACKS:
            scenario = self.scenario.name
            if fallback.excuses(scenario, self.fault.error, self.call, self.before_it):
                return fallback.reason
        return ""


def faulty(attempt: Attempt) -> Iterator[str]:
    """Everything that is wrong about an attempt, a phrase each."""
    if isinstance(attempt.reply, Unanswered):
        yield f"no whole answer ({attempt.reply})"
        return
    if not _same(attempt.after, attempt.seen) or attempt.after.lost:
        yield f"a client sees another world than is stored: {_differences(attempt)}"
    yield from _mixed(attempt, attempt.reply)
    if attempt.is_done:
        if attempt.fault.error and not attempt.excuse:
            yield f"answered {attempt.reply.status} although the call was needed"
    else:
        yield from _statuses(attempt, attempt.reply)


def _mixed(attempt: Attempt, reply: Reply) -> Iterator[str]:
    if attempt.is_done:
        if not attempt.is_new:
            yield f"MIXED: answered {reply.status}, but {_differences(attempt)}"
    elif reply.status == 207 and attempt.method != "PROPPATCH":
        for phrase in syscalls_partly.faulty(
            attempt.scenario, attempt.before, attempt.after, reply
        ):
            yield f"MIXED: answered 207, but {phrase}"
    elif attempt.is_new and not attempt.is_old and reply.status < 500:
        yield f"answered {reply.status}, but all was done"
    elif not attempt.is_old and not attempt.is_new:
        yield f"MIXED: answered {reply.status}, but {_differences(attempt)}"


def _statuses(attempt: Attempt, reply: Reply) -> Iterator[str]:
    expected = {STATUSES.get(attempt.fault.error, 500), *attempt.scenario.failed.values()}
    if attempt.of_state:
        expected |= {*STORE_STATUSES}
    if attempt.is_new or reply.status == 207:
        # What failed was only to keep what was done, which is told of as such.
        expected.add(500)
    told = set(reply.failed.values()) if reply.status == 207 else {reply.status}
    if wrong := told - expected:
        yield f"answered {sorted(wrong)} instead of {sorted(expected)}"


def _same(one: World, other: World) -> bool:
    return one.things == other.things and one.locks == other.locks


def _differences(attempt: Attempt) -> str:
    """What is neither as before nor as wanted, in short."""
    told = []
    for name, world in (("stored", attempt.after), ("seen", attempt.seen)):
        near = attempt.before
        if len(_unlike(world, attempt.wanted)) < len(_unlike(world, near)):
            near = attempt.wanted
        which = "old" if near is attempt.before else "new"
        if unlike := _unlike(world, near):
            told.append(f"{name} differs from the {which} in {', '.join(sorted(unlike))}")
        else:
            told.append(f"{name} is the {which}")
    if attempt.after.lost:
        told.append(f"rows without a resource: {sorted(attempt.after.lost)}")
    return "; ".join(told)


def _unlike(one: World, other: World) -> list[str]:
    paths = {*one.things, *other.things}
    tokens = {*one.locks, *other.locks}
    return [
        *("/".join(path) for path in paths if one.things.get(path) != other.things.get(path)),
        *(f"lock {token}" for token in tokens if one.locks.get(token) != other.locks.get(token)),
    ]

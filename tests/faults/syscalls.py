"""Proof: every system call of every verb fails in turn, and nothing is ever half done.

One server with one worker answers a request of each verb; strace tells which calls of storage it
makes. Then the request is sent again and again, each time to a new world of the same kind, with
another of those calls failing. After a batch the server is killed, recovers, and every world of
the batch is looked at once more.
"""

import os
import random
import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.client import Unanswered
from tests.faults import strace
from tests.faults.ground import World
from tests.faults.proof import Report
from tests.faults.remains import Unreadable
from tests.faults.scenarios import BARE, FILES, SINGLES, TREES, Scenario
from tests.faults.strace import Call, Fault, NotAttached
from tests.faults.syscalls_fallbacks import UNSUPPORTED
from tests.faults.syscalls_site import Site, Unusable
from tests.faults.syscalls_verdict import ERRORS, Attempt, faulty
from tests.faults.syscalls_world import Placed, plain

SCENARIOS = (*SINGLES, *FILES, *BARE, *TREES)
MEMORY = "/dev/shm"
LATER = ("DELETE a tree", "MOVE a tree onto a collection", "COPY a tree onto a collection")
"""Scenarios of which something is left to do for later."""
LIES = ("renameat2", "renameat", "linkat", "mkdirat", "unlinkat", "fsync", "fdatasync")
"""Calls that can be left out and told to have succeeded."""


class Spoiled(Exception):
    """The fault has met something else than was meant: a lock that is not let go of, say, with
    which no server is what it was.
    """


@dataclass(frozen=True, slots=True)
class Course:
    """What a scenario does without a fault: the world that it leaves, and its calls of storage; or
    with ``later`` those that the server makes for it when it has answered.
    """

    scenario: Scenario
    wanted: World
    calls: Sequence[Call]
    later: bool = False

    def numbers(self, call: str) -> list[int]:
        """Which invocations of a system call are about the tree or the state."""
        return [number for number, one in enumerate(self.named(call), 1) if one.told]

    def named(self, call: str) -> list[Call]:
        return [one for one in self.calls if one.name == call]


@dataclass(frozen=True, slots=True)
class Try:
    """A scenario and the fault that it will meet. ``last`` says that the scenario has no more
    calls of this kind, as far as is known.
    """

    course: Course
    fault: Fault
    last: bool = False


@dataclass(slots=True)
class Tally:
    """What has come out so far. ``counts`` are the figures of the report."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    excuses: Counter[str] = field(default_factory=Counter)

    def judge(self, attempt: Attempt) -> None:
        """Count an attempt, and what is wrong about it."""
        wrong = list(faulty(attempt))
        for phrase in wrong:
            self.blame(attempt, phrase)
        self.counts["mixed"] += any("MIXED" in phrase for phrase in wrong)
        self.counts["faults injected"] += 1
        if not attempt.is_done:
            self.counts["refused"] += 1
            self.counts["refused and rolled forward"] += attempt.is_new and not attempt.is_old
        elif attempt.fault.error == "EINTR":
            self.counts["retried"] += 1
        elif attempt.excuse:
            self.counts["fallbacks"] += 1
            self.excuses[attempt.excuse] += 1

    def judge_again(self, attempt: Attempt, again: Attempt) -> None:
        """Judge an attempt once more, after a recovery: is anything new wrong about it?"""
        known = set(faulty(attempt))
        for phrase in faulty(again):
            if phrase not in known:
                self.blame(attempt, f"after recovery {phrase}")

    def blame(self, attempt: Attempt, phrase: str) -> None:
        self.violations.append(f"{attempt.scenario}: {attempt.fault}: {phrase} <- {attempt.call}")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--attempts", type=int, default=1200, help="how many faults are drawn of all (1200)"
    )
    parser.add_argument(
        "--later", type=int, default=60, help="the same of what is done after the answer (60)"
    )
    parser.add_argument("--all", action="store_true", help="try every fault, however long it takes")
    parser.add_argument("--batch", type=int, default=60, help="attempts between two kills (60)")
    parser.add_argument(
        "--folder",
        default=MEMORY if os.access(MEMORY, os.W_OK) else None,
        help="where to make what is served; a disk in memory, if there is one, is the fastest",
    )
    parser.add_argument("--only", default="", help="only scenarios with this in their name")
    parser.add_argument("--calls", default="", help="only these system calls, with commas between")
    parser.add_argument(
        "--lie",
        choices=LIES,
        help="the control: this call is left out, and told to have succeeded",
    )


def run(options: Namespace) -> Report:
    if options.server != "davserver":
        return _report(options, Tally(), "only davserver is known to have one worker thread")
    if why := strace.refusal():
        return _report(options, Tally(), why)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="davserver-syscalls-", dir=options.folder) as made:
        courses = list(_courses(Path(made), options.only, tally))
        for later, size in ((False, options.attempts), (True, options.later)):
            tries = [one for one in _tries(courses, options) if one.course.later == later]
            tally.counts["faults known"] += len(tries)
            waiting = deque(tries if options.all else _drawn(tries, options.seed, size))
            while waiting:
                tally.counts["kills"] += 1
                folder = Path(made, f"batch{tally.counts['kills']}")
                folder.mkdir()
                _batch(folder, waiting, options, tally)
                shutil.rmtree(folder)
    return _report(options, tally)


def _report(options: Namespace, tally: Tally, skipped: str = "") -> Report:
    figures = {
        name: tally.counts[name]
        for name in (
            *("faults known", "faults injected", "not met", "refused"),
            *("refused and rolled forward", "retried", "fallbacks"),
            *("kills", "mixed", "leftovers"),
        )
    }
    figures |= {f"  {reason}": number for reason, number in sorted(tally.excuses.items())}
    return Report(
        "syscalls", options.server, options.seed, figures, tuple(tally.violations), skipped
    )


def _courses(made: Path, only: str, tally: Tally) -> Iterator[Course]:
    """Every scenario without a fault."""
    folder = made / "courses"
    folder.mkdir()
    with Site(folder) as site:
        for scenario in SCENARIOS:
            if only not in scenario.name:
                continue
            yield _course(site, scenario, tally)
            if scenario.name in LATER:
                yield _course(site, replace(scenario, name=f"later: {scenario}"), tally, later=True)


def _course(site: Site, scenario: Scenario, tally: Tally, *, later: bool = False) -> Course:
    placed = site.build(scenario)
    reply, trace = site.ask_traced(placed, later=later)
    if isinstance(reply, Unanswered) or reply.status != scenario.status:
        raise Unusable(f"{scenario} without a fault: {reply}")
    wanted, seen = site.on_disk(placed), site.over_http(placed)
    if (wanted.things, wanted.locks) != (seen.things, seen.locks):
        tally.violations.append(f"{scenario}: without a fault a client sees another world")
    calls = [call if site.is_stored(call.told) else replace(call, told="") for call in trace.calls]
    return Course(scenario, wanted, calls, later)


def _tries(courses: Iterable[Course], options: Namespace) -> Iterator[Try]:
    """Every fault that can be met, one after another."""
    chosen = options.calls.split(",") if options.calls else ()
    for course in courses:
        for call in dict.fromkeys(one.name for one in course.calls):
            if (chosen and call not in chosen) or (options.lie and call != options.lie):
                continue
            errors = [*ERRORS, UNSUPPORTED[call]] if call in UNSUPPORTED else ERRORS
            numbers = course.numbers(call)
            for error in ("",) if options.lie else errors:
                for number in numbers:
                    yield Try(course, Fault(call, error, number), number == numbers[-1])


def _drawn(tries: Sequence[Try], seed: int, size: int) -> list[Try]:
    """A part of them, of each verb, call and error in turn."""
    chance = random.Random(seed)
    classes: dict[tuple[str, str, str], list[Try]] = {}
    for one in tries:
        scenario = one.course.scenario
        key = (scenario.method or scenario.kind, one.fault.call, one.fault.error)
        classes.setdefault(key, []).append(one)
    for members in classes.values():
        chance.shuffle(members)
    classes = dict(chance.sample([*classes.items()], len(classes)))
    found: list[Try] = []
    while classes and len(found) < size:
        found += [members.pop() for members in classes.values()]
        classes = {key: members for key, members in classes.items() if members}
    found = found[:size]
    chance.shuffle(found)
    return found


def _batch(folder: Path, waiting: deque[Try], options: Namespace, tally: Tally) -> None:
    """Some attempts on a server of their own, its death, and what is there after its recovery."""
    done: list[tuple[Placed, Attempt]] = []
    with Site(folder) as site:
        try:
            while waiting and len(done) < options.batch:
                one = waiting.popleft()
                attempt = _attempt(site, one, tally, done)
                if attempt and one.last and options.all:
                    waiting.appendleft(
                        replace(one, fault=replace(one.fault, when=one.fault.when + 1))
                    )
        except Spoiled:
            pass
        except (Unusable, Unreadable, NotAttached) as error:
            last = done[-1][1] if done else None
            tally.violations.append(
                f"the server is of no use any more: {error}, after {last and last.scenario}: "
                f"{last and last.fault}; its log ends with {site.last_words()}"
            )
        site.kill()
        try:
            site.start()
            _look_again(site, done, tally)
        except (Unusable, Unreadable, NotAttached) as error:
            tally.violations.append(f"the server is of no use after recovery: {error}")


def _look_again(site: Site, done: Sequence[tuple[Placed, Attempt]], tally: Tally) -> None:
    """What is there after the recovery from a kill."""
    left = site.leftovers()
    tally.counts["leftovers"] += len(left)
    for name in left:
        attempts = [a for placed, a in done if name.startswith(f"{placed.name}/")]
        told = f"{attempts[0].scenario}: {attempts[0].fault}" if attempts else "some attempt"
        tally.violations.append(f"{told}: left over after recovery: {name}")
    for placed, attempt in done:
        after = site.on_disk(placed)
        if after != attempt.after:
            tally.judge_again(attempt, replace(attempt, after=after, seen=site.over_http(placed)))


def _attempt(
    site: Site, one: Try, tally: Tally, done: list[tuple[Placed, Attempt]]
) -> Attempt | None:
    """Give the attempt, where its fault was met."""
    placed = site.build(one.course.scenario)
    reply, trace = site.ask_traced(placed, one.fault, later=one.course.later)
    if not trace.injected:
        tally.counts["not met"] += 1
        return None
    if not site.is_stored(trace.injected[0].told):
        tally.counts["not met"] += 1
        raise Spoiled
    if not site.is_alive:
        raise Unusable("it has ended")
    met = trace.injected[0]
    calls = trace.calls
    position = calls.index(met)
    since = tuple(str(call) for call in calls[:position] if call.is_done)
    attempt = Attempt(
        one.course.scenario,
        one.fault,
        met.below(site.folder),
        since,
        any(call.name == met.name for call in calls[position + 1 :]),
        site.is_of_state(met.told),
        reply,
        plain(one.course.scenario.world),
        one.course.wanted,
        site.on_disk(placed),
        site.over_http(placed),
    )
    done.append((placed, attempt))
    tally.judge(attempt)
    return attempt

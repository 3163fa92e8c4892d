"""What must be true after a request that was done in part, and answered with a 207 that says so.

A failed member with a status of 500 or more may have been done all the same: what failed then was
to keep it. One with a lesser status was not touched.
"""

from collections.abc import Iterator, Mapping, Set

from davserver.protocol.paths import Path
from tests.faults.ground import Reply, Thing, World
from tests.faults.scenarios import Scenario

Tree = Mapping[Path, Thing]


def faulty(scenario: Scenario, before: World, after: World, reply: Reply) -> Iterator[str]:
    """Everything that is wrong, a phrase each."""
    if scenario.kind == "DELETE":
        yield from _deleted(scenario, before, after, reply)
    elif scenario.kind == "MOVE":
        yield from _moved(scenario, before, after, reply)
    elif scenario.kind == "COPY":
        yield from _copied(scenario, before, after, reply)
    else:
        yield "it has no members"
    for token, path in after.locks.items():
        if path not in after.things:
            yield f"lock {token} is on nothing"


def _deleted(scenario: Scenario, before: World, after: World, reply: Reply) -> Iterator[str]:
    old, left = before.below(scenario.source), after.below(scenario.source)
    if not left.items() <= old.items():
        yield "something else is there now"
    yield from _stays(_failed(reply, scenario.source), left, old)


def _moved(scenario: Scenario, before: World, after: World, reply: Reply) -> Iterator[str]:
    whole, left = before.below(scenario.source), after.below(scenario.source)
    replaced, new = before.below(scenario.target), after.below(scenario.target)
    if left == whole and new == replaced:
        return
    if replaced:
        yield "two half trees"
    if not left.items() <= whole.items():
        yield "the source holds something else"
    if not new.items() <= whole.items():
        yield "the destination holds something else"
    for path, thing in whole.items():
        if path not in left and path not in new:
            yield f"{'/'.join(path)} is lost"
        if path in left and path in new and thing.content is not None:
            yield f"{'/'.join(path)} is in both places"
    # What the destination cannot take is told of by its href there.
    yield from _stays(_failed(reply, scenario.source, scenario.target), left, whole)


def _copied(scenario: Scenario, before: World, after: World, reply: Reply) -> Iterator[str]:
    source, target = scenario.source, scenario.target
    whole = before.below(source)
    if after.below(source) != whole:
        yield "the source has changed"
    new = after.below(target)
    failed = {path[len(source) :] for path in reply.failed if path[: len(source)] == source}
    if len(failed) < len(reply.failed):
        if new != before.below(target):
            yield "the destination is at fault, and has changed"
        return
    wanted = {path: thing for path, thing in whole.items() if not _in(path, failed)}
    if new != (wanted if scenario.deep else {(): whole[()]}):
        yield "the copy is not the source without its failed members"


def _failed(reply: Reply, *tops: Path) -> dict[Path, int]:
    """The failed members, relative to the trees that they are in."""
    return {
        path[len(top) :]: status
        for path, status in reply.failed.items()
        for top in tops
        if path[: len(top)] == top
    }


def _stays(failed: Mapping[Path, int], left: Tree, whole: Tree) -> Iterator[str]:
    """What is left is a failed member, in one, or above one; the untouched ones are left."""
    for path in left:
        if not _in(path, set(failed)) and not any(one[: len(path)] == path for one in failed):
            yield f"{'/'.join(path)} is there still, and not told of"
    for path, status in failed.items():
        if status < 500 and path in whole and path not in left:
            yield f"{'/'.join(path)} has failed with {status}, and is gone"


def _in(path: Path, roots: Set[Path]) -> bool:
    return any(path[: len(one)] == one for one in roots)

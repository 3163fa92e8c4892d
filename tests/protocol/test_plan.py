"""What is decided over facts alone, and the walk of a tree."""

from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import plan
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event, Step, Subject, Walk
from tests.protocol.values import FILE, FOLDER, LINK, PIPE, Facts


def subject(
    path: str = "/a",
    facts: Facts | None = None,
    parent: Facts | None = FOLDER,
    *,
    root: bool = False,
    link: bool = False,
) -> Subject:
    names = tuple(name for name in path.split("/") if name)
    return Subject(names, facts, parent, (), path.endswith("/"), root, link)


def status(decide: Callable[[], object]) -> int | bool | None:
    try:
        found = decide()
    except Fault as fault:
        return int(fault.status)
    return found if isinstance(found, bool) else None


PUT = {
    "nothing is there": (subject(), True),
    "a file is there": (subject(facts=FILE), False),
    "a collection is there": (subject(facts=FOLDER), 405),
    "no parent": (subject(parent=None), 409),
    "a parent that is a file": (subject(parent=FILE), 409),
    "a parent that is a link": (subject(parent=LINK), 409),
    "a slash at the end": (subject("/a/"), 409),
    "a slash after a file": (subject("/a/", FILE), 409),
    "a link that nobody sees": (subject(facts=LINK), 403),
    "a link that is followed": (subject(facts=LINK, link=True), 403),
    "a special file": (subject(facts=PIPE), 403),
}


@pytest.mark.parametrize(("at", "expected"), PUT.values(), ids=PUT)
def test_put(at: Subject, expected: int | bool) -> None:
    assert status(lambda: plan.put(at, "GET")) == expected


MKCOL = {
    "nothing is there": (subject("/a/"), None),
    "no slash": (subject("/a"), None),
    "a file is there": (subject(facts=FILE), 405),
    "a collection is there": (subject(facts=FOLDER), 405),
    "no parent": (subject(parent=None), 409),
    "a parent that is a file": (subject(parent=FILE), 409),
    "a link is there": (subject(facts=LINK), 403),
    "a special file is there": (subject(facts=PIPE), 403),
}


@pytest.mark.parametrize(("at", "expected"), MKCOL.values(), ids=MKCOL)
def test_mkcol(at: Subject, expected: int | None) -> None:
    assert status(lambda: plan.mkcol(at, "GET")) == expected


def test_405_says_what_may_be_done() -> None:
    with pytest.raises(Fault) as refused:
        plan.put(subject(facts=FOLDER), "GET, HEAD")
    assert ("Allow", "GET, HEAD") in refused.value.headers


REMOVAL = {
    "a file": (subject(facts=FILE), None),
    "a collection": (subject("/a/", FOLDER), None),
    "a collection without its slash": (subject("/a", FOLDER), None),
    "nothing": (subject(), 404),
    "a file with a slash": (subject("/a/", FILE), 404),
    "a link that nobody sees": (subject(facts=LINK), 404),
    "a link that is followed": (subject(facts=LINK, link=True), None),
    "a special file": (subject(facts=PIPE), 404),
    "the root of a share": (subject("/", FOLDER, root=True), 403),
}


@pytest.mark.parametrize(("at", "expected"), REMOVAL.values(), ids=REMOVAL)
def test_removal(at: Subject, expected: int | None) -> None:
    assert status(lambda: plan.removal(at)) == expected


TRANSFER: dict[str, tuple[Subject, Subject, int | bool, int | bool]] = {
    "to a new name": (subject(facts=FILE), subject("/b"), True, True),
    "onto a file": (subject(facts=FILE), subject("/b", FILE), False, False),
    "onto a collection": (subject(facts=FILE), subject("/b/", FOLDER), False, False),
    "nothing": (subject(), subject("/b"), 404, 404),
    "onto itself": (subject(facts=FILE), subject(facts=FILE), 403, 403),
    "onto itself, with a slash": (subject("/a", FOLDER), subject("/a/", FOLDER), 403, 403),
    "into itself": (subject("/a", FOLDER), subject("/a/b"), 403, 403),
    "onto what holds it": (subject("/a/b", FILE), subject("/a", FOLDER), 403, 403),
    "the root of a share": (subject("/s", FOLDER, root=True), subject("/t/b"), True, 403),
    "onto the root of a share": (subject(facts=FILE), subject("/s", FOLDER, root=True), 403, 403),
    "below nothing": (subject(facts=FILE), subject("/b/c", parent=None), 409, 409),
    "below a file": (subject(facts=FILE), subject("/b/c", parent=FILE), 409, 409),
    "a file to a name with a slash": (subject(facts=FILE), subject("/b/"), 409, 409),
    "a collection to a name with a slash": (subject("/a/", FOLDER), subject("/b/"), True, True),
    "onto a link that nobody sees": (subject(facts=FILE), subject("/b", LINK), 403, 403),
    "a link that is followed": (subject(facts=LINK, link=True), subject("/b"), True, True),
}


@pytest.mark.parametrize(("source", "target", "copies", "moves"), TRANSFER.values(), ids=TRANSFER)
def test_transfer(source: Subject, target: Subject, copies: int | bool, moves: int | bool) -> None:
    assert status(lambda: plan.transfer(source, target, moves=False)) == copies
    assert status(lambda: plan.transfer(source, target, moves=True)) == moves


def test_a_lock_of_an_unmapped_url_may_be_made_where_a_file_may() -> None:
    plan.lock_unmapped(subject())
    for at, expected in (
        (subject(parent=None), 409),
        (subject("/a/"), 409),
        (subject(facts=LINK), 403),
    ):
        # mypy infers no types for the default that binds the lambda to its turn.
        assert status(lambda at=at: plan.lock_unmapped(at)) == expected  # type: ignore[misc]


def test_no_parent_names_what_is_missing() -> None:
    missing = Subject(("a", "b", "c"), None, None)
    with pytest.raises(Fault, match="/a/b/") as refused:
        plan.put(missing, "")
    assert refused.value.status is HTTPStatus.CONFLICT


Node = dict[str, "Node | None"]
TREES: st.SearchStrategy[Node] = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.none(), max_size=3),
    lambda below: st.dictionaries(st.sampled_from("abcd"), st.none() | below, max_size=3),
    max_leaves=10,
)


def paths_of(tree: Node, at: Path = ()) -> dict[Path, bool]:
    """Every path at and below, and whether it is a collection."""
    found = {at: True}
    for name, below in tree.items():
        if below is None:
            found[(*at, name)] = False
        else:
            found |= paths_of(below, (*at, name))
    return found


def node(tree: Node, path: Path) -> Node:
    for name in path:
        below = tree[name]
        assert below is not None
        tree = below
    return tree


@given(TREES, st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_a_walk_does_what_can_be_done(tree: Node, closed: set[int], stuck: set[int]) -> None:
    """Members before what holds them; what fails keeps everything above it."""
    every = sorted(paths_of(tree))
    walk = Walk((), collection=True)
    gone: list[Path] = []
    failed: set[Path] = set()
    unseen: set[Path] = set()
    while walk.step is not None:
        step = walk.step
        number = every.index(step.path)
        if step.event is Event.ENTER:
            if number in closed:
                failed.add(step.path)
                unseen |= {path for path in every if path[: len(step.path)] == step.path}
                walk.answer(False)
            else:
                walk.answer(
                    [(name, below is not None) for name, below in node(tree, step.path).items()]
                )
            continue
        below = {path for path in failed if path[: len(step.path)] == step.path}
        assert step.whole is not bool(below) or step.event is Event.LEAF
        done = step.whole and number not in stuck
        if done:
            gone.append(step.path)
        elif step.whole:
            failed.add(step.path)
        walk.answer(done)
    assert len(gone) == len(set(gone))
    for path in gone:
        inside = [other for other in gone if other[: len(path)] == path]
        assert inside[-1] == path
    kept = {path for path in every if any(top[: len(path)] == path for top in failed)}
    assert set(gone) == set(every) - unseen - kept


def test_a_walk_of_a_file_is_one_step() -> None:
    walk = Walk(("a",), collection=False)
    assert walk.step == Step(Event.LEAF, ("a",))
    walk.answer(True)
    assert walk.step is None


def test_what_is_not_entered_is_neither_left_nor_counted_as_failed() -> None:
    """Entering answered with True: passed over."""
    walk = Walk((), collection=True)
    walk.answer([("skipped", True), ("file", False)])
    assert walk.step == Step(Event.ENTER, ("skipped",))
    walk.answer(True)
    assert walk.step == Step(Event.LEAF, ("file",))
    walk.answer(True)
    assert walk.step == Step(Event.LEAVE, (), whole=True)

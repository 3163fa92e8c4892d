"""What every State keeps: the same cases in one process, through another one, and after each step
reopened.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.state import Intent, Operation, Reader, Settle, Writer
from davserver.state.sqlite import SqliteState

NOW = 1_000_000.0
Stores = tuple[Callable[[], Reader], Callable[..., AbstractContextManager[Writer]]]


def lock(
    token: str,
    root: Path,
    *,
    deep: bool = False,
    expires: float = NOW + 60,
    stamp: Stamp = UNKNOWN,
) -> Lock:
    return Lock(token, root, deep, True, "<o/>", "me", 60, expires, stamp)


@pytest.fixture(params=["one store", "two stores", "reopened after each step"])
def stores(request: pytest.FixtureRequest, tmp_path: FilePath) -> Iterator[Stores]:
    """How to read and how to write: by the same store, by two on one file, by a new one each."""
    file = tmp_path / "state" / "state.db"
    opened: list[SqliteState] = []

    def store() -> SqliteState:
        opened.append(SqliteState(file))
        return opened[-1]

    if request.param == "one store":
        one = store()
        yield one.read, one.write
    elif request.param == "two stores":
        first, second = store(), store()
        yield first.read, second.write
    else:

        @contextmanager
        def write(settle: Settle | None = None) -> Iterator[Writer]:
            state = SqliteState(file)
            try:
                with state.write(settle) as writer:
                    yield writer
            finally:
                state.close()

        yield lambda: store().read(), write
    for state in opened:
        state.close()


A, AB, ABC = ("a",), ("a", "b"), ("a", "b", "c")
NEIGHBOURS: tuple[Path, ...] = (
    ("a",),
    ("a", "b"),
    ("a", "b", "c"),
    ("a0",),
    ("a0", "b"),
    ("a-b",),
    ("a-b", "c"),
    ("a.",),
    ("a.", "b"),
    ("a\x2e\x30",),
    ("a b",),
    ("a", "0"),
    ("a", "-"),
    ("a", "\udcff"),
    ("a", "\udcff", "é"),
    ("A",),
    ("a", "%"),
    ("a", "_"),
    ("a\udcff",),
    ("a'\"",),
)
"""Names with bytes just below, at and above the slash, and others that a query could mistake."""


def is_at_or_below(path: Path, top: Path) -> bool:
    return path[: len(top)] == top


def tokens(found: tuple[Lock, ...]) -> set[str]:
    return {one.token for one in found}


def test_a_lock_comes_back_as_it_was(stores: Stores) -> None:
    read, write = stores
    given = Lock(
        "t", ("a", "\udcfe\n"), True, False, "<o xmlns='x'>é</o>", "\u202eme", 7, NOW + 7.5
    )
    with write() as writer:
        writer.add_lock(given)
    assert read().lock("t", NOW) == given
    assert read().lock("u", NOW) is None


def test_locks_are_found_from_above_and_with_those_below(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        writer.add_lock(lock("root", ()))
        for number, path in enumerate(NEIGHBOURS):
            writer.add_lock(lock(f"{number}", path, deep=number % 2 == 0))
    for path in ((), *NEIGHBOURS, ("none",), ("a", "none", "deep")):
        above = {
            f"{number}" for number, one in enumerate(NEIGHBOURS) if is_at_or_below(path, one)
        } | {"root"}
        below = {f"{number}" for number, one in enumerate(NEIGHBOURS) if is_at_or_below(one, path)}
        assert tokens(read().locks(path, NOW)) == above
        assert tokens(read().locks(path, NOW, below=True)) == above | below


def test_locks_on_members_are_those_of_direct_members(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        writer.add_lock(lock("root", ()))
        for number, path in enumerate(NEIGHBOURS):
            writer.add_lock(lock(f"{number}", path))
        writer.add_lock(lock("second", AB))
    for top in ((), A, AB, ABC):
        expected = {one[-1] for one in NEIGHBOURS if one[:-1] == top}
        found = read().locks_on_members(top, NOW)
        assert set(found) == expected
    assert tokens(tuple(read().locks_on_members(A, NOW)["b"])) == {"1", "second"}


def test_a_lock_ends_by_the_time_that_is_given(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        writer.add_lock(lock("t", AB, expires=NOW + 10))
    for now, lives in ((NOW, True), (NOW + 9.99, True), (NOW + 10, False), (NOW - 1e6, True)):
        assert bool(read().locks(AB, now)) is lives
        assert bool(read().locks(A, now, below=True)) is lives
        assert (read().lock("t", now) is not None) is lives
        assert bool(read().locks_on_members(A, now)) is lives
        assert read().count_locks(now) == lives
        assert read().has_ended_locks(now) is not lives
    with write() as writer:
        writer.refresh_lock("t", 90, NOW + 100)
    found = read().lock("t", NOW + 50)
    assert found is not None
    assert (found.timeout, found.expires) == (90, NOW + 100)
    with write() as writer:
        writer.add_lock(lock("u", AB, expires=NOW + 10))
        writer.remove_ended_locks(NOW + 10)
    assert tokens(read().locks(AB, NOW)) == {"t"}
    assert not read().has_ended_locks(NOW + 99)
    assert read().has_ended_locks(NOW + 100)
    with write() as writer:
        writer.remove_lock("t")
    assert not read().has_ended_locks(NOW + 100)


def test_locks_are_removed_by_token_and_by_tree(stores: Stores) -> None:
    read, write = stores

    def fill() -> None:
        with write() as writer:
            for number, path in enumerate(NEIGHBOURS):
                writer.remove_lock(f"{number}")
                writer.add_lock(lock(f"{number}", path))

    for top in NEIGHBOURS:
        for at in (True, False):
            fill()
            with write() as writer:
                writer.remove_locks(top, at=at)
            left = {
                f"{number}"
                for number, one in enumerate(NEIGHBOURS)
                if not is_at_or_below(one, top) or (one == top and not at)
            }
            assert tokens(read().locks((), NOW, below=True)) == left
    with write() as writer:
        writer.remove_lock("0")
        writer.remove_locks(())
    assert read().locks((), NOW, below=True) == ()


def fill_properties(writer: Writer) -> None:
    for path in NEIGHBOURS:
        writer.set_property(path, "{urn:x}p", f"<p>{path!a}</p>")


def having(reader: Reader) -> set[Path]:
    return set(reader.with_properties(()))


def test_properties_are_kept_with_their_place(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        fill_properties(writer)
        writer.set_property((), "{urn:x}p", "<root/>")
        writer.set_property(
            AB, "{urn:x}é", "<x>\ud83d\ude00</x>".encode("utf-16", "surrogatepass").decode("utf-16")
        )
        writer.set_property(A, "{urn:x}p", "<again/>")
        writer.remove_property(("a0",), "{urn:x}p")
        writer.remove_property(("a0",), "{urn:x}none")
    assert read().properties(()) == {"{urn:x}p": "<root/>"}
    assert read().properties(A) == {"{urn:x}p": "<again/>"}
    assert read().properties(AB) == {"{urn:x}p": f"<p>{AB!a}</p>", "{urn:x}é": "<x>😀</x>"}
    assert read().properties(("a0",)) == {}
    members = read().properties_of_members(A)
    assert set(members) == {one[1] for one in NEIGHBOURS if one[:1] == A and len(one) == 2}
    assert members["b"] == read().properties(AB)
    assert set(read().properties_of_members(())) == {
        one[0] for one in NEIGHBOURS if len(one) == 1 and one != ("a0",)
    }


def test_trees_of_properties_have_exact_borders(stores: Stores) -> None:
    read, write = stores
    for top in NEIGHBOURS:
        with write() as writer:
            fill_properties(writer)
        below = {one for one in NEIGHBOURS if is_at_or_below(one, top)}
        assert set(read().with_properties(top)) == below
        with write() as writer:
            writer.remove_properties(top)
        assert having(read()) == set(NEIGHBOURS) - below


MOVES: dict[str, tuple[Path, Path]] = {
    "a tree to a new name": (A, ("z",)),
    "a tree to a longer name": (A, ("a name that is longer",)),
    "a tree to a shorter place": (AB, ("z",)),
    "a tree deeper": (A, ("x", "y", "z")),
    "a tree to a name that begins like it": (A, ("a1",)),
    "a tree whose name comes again in its members": (("a", "\udcff"), ("a", "\udcfe")),
    "a leaf": (ABC, ("a", "c")),
    "what has none": (("none",), ("z",)),
}


@pytest.mark.parametrize(("source", "target"), MOVES.values(), ids=MOVES)
def test_properties_follow_a_move(stores: Stores, source: Path, target: Path) -> None:
    read, write = stores
    with write() as writer:
        fill_properties(writer)
        writer.move_properties(source, target)
    expected = {
        target + one[len(source) :] if is_at_or_below(one, source) else one for one in NEIGHBOURS
    }
    assert having(read()) == expected
    for one in NEIGHBOURS:
        if is_at_or_below(one, source):
            moved = target + one[len(source) :]
            assert read().properties(moved) == {"{urn:x}p": f"<p>{one!a}</p>"}


def test_a_repeated_name_is_replaced_only_once(stores: Stores) -> None:
    read, write = stores
    deep = ("a", "x", "a", "a")
    with write() as writer:
        writer.set_property(deep, "p", "<p/>")
        writer.move_properties(A, ("b",))
    assert having(read()) == {("b", "x", "a", "a")}


def test_properties_are_copied_one_by_one(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        fill_properties(writer)
        writer.copy_properties(A, ("copy\udcff",))
    assert read().properties(("copy\udcff",)) == read().properties(A)
    assert having(read()) == {*NEIGHBOURS, ("copy\udcff",)}


def test_a_section_that_raises_leaves_nothing(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        writer.add_lock(lock("kept", A))
        fill_properties(writer)

    def fail() -> None:
        with write() as writer:
            writer.add_lock(lock("t", AB))
            writer.remove_lock("kept")
            writer.move_properties(A, ("z",))
            assert tokens(writer.locks(AB, NOW)) == {"t"}
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert tokens(read().locks((), NOW, below=True)) == {"kept"}
    assert having(read()) == set(NEIGHBOURS)
    with write() as writer:
        writer.add_lock(lock("t", AB))


FILE, OTHER_FILE = Stamp(7, 1_700_000_000_000_000_001, 0o100000), Stamp(8, 0, 0o100000)
COLLECTION = Stamp((1 << 63) - 1, -1, 0o040000)


def test_rows_have_the_stamp_of_their_resource(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        for number, path in enumerate(NEIGHBOURS):
            stamp = Stamp(number + 1, 5, 0o100000)
            if number % 3 != 1:
                writer.set_property(path, "p", "<p/>", stamp)
            if number % 3 != 2:
                writer.add_lock(lock(f"{number}", path, stamp=stamp, expires=NOW - 1))
        writer.set_property((), "p", "<p/>", COLLECTION)
    stamps = {path: Stamp(number + 1, 5, 0o100000) for number, path in enumerate(NEIGHBOURS)}
    for top in ((), *NEIGHBOURS, ("none",)):
        expected = {one: stamp for one, stamp in stamps.items() if is_at_or_below(one, top)}
        if not top:
            expected[()] = COLLECTION
        assert read().stamps(top) == expected
    assert read().properties(()).kind == COLLECTION.kind
    assert read().properties_of_members(())["a"].kind == 0o100000


def test_rows_are_there_at_a_path_and_below_it(stores: Stores) -> None:
    read, write = stores
    for number, path in enumerate(NEIGHBOURS):
        with write() as writer:
            writer.remove_properties(())
            writer.remove_locks(())
            if number % 2:
                writer.set_property(path, "p", "<p/>")
            else:
                # One that has ended counts: it is a row all the same.
                writer.add_lock(lock("t", path, expires=NOW - 1))
        for top in ((), *NEIGHBOURS, ("none",)):
            assert read().has_rows(top) is is_at_or_below(path, top)
            assert read().has_rows(top, below=False) is (path == top)


def test_a_new_stamp_is_for_one_path_alone(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        for path in (A, AB, ABC):
            writer.set_property(path, "p", "<p/>", FILE)
            writer.add_lock(lock("/".join(path), path, stamp=FILE))
        writer.restamp(AB, OTHER_FILE)
    assert read().stamps(()) == {A: FILE, AB: OTHER_FILE, ABC: FILE}
    assert read().locks(AB, NOW)[-1].stamp in (FILE, OTHER_FILE)
    assert {one.root: one.stamp for one in read().locks(ABC, NOW)} == read().stamps(())


def test_a_new_stamp_ends_the_rows_of_another_kind_of_resource(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        for path in (A, AB, ABC):
            writer.set_property(path, "p", "<p/>", FILE)
            writer.add_lock(lock("/".join(path), path, stamp=FILE))
        writer.set_property(AB, "unknown", "<p/>")
        writer.restamp(AB, COLLECTION)
    assert read().properties(AB) == {"unknown": "<p/>"}
    assert read().properties(AB).kind == COLLECTION.kind
    assert tokens(read().locks(ABC, NOW)) == {"a", "a/b/c"}
    with write() as writer:
        writer.restamp(ABC, COLLECTION, FILE.kind)
        writer.restamp(A, FILE, COLLECTION.kind)
    assert read().stamps(()) == {AB: COLLECTION, ABC: COLLECTION}


def test_properties_of_another_kind_of_resource_are_not_copied(stores: Stores) -> None:
    read, write = stores
    with write() as writer:
        writer.set_property(A, "p", "<p/>", FILE)
        writer.set_property(A, "unknown", "<p/>")
        writer.copy_properties(A, ("file",), OTHER_FILE)
        writer.copy_properties(A, ("collection",), COLLECTION)
        writer.copy_properties(A, ("anything",))
    assert set(read().properties(("file",))) == {"p", "unknown"}
    assert set(read().properties(("collection",))) == {"unknown"}
    assert set(read().properties(("anything",))) == {"p", "unknown"}
    assert read().stamps(("file",)) == {("file",): OTHER_FILE}


ODD: tuple[Path, ...] = (
    (),
    ("a",),
    ("a", "\udcff"),
    ("\n", " "),
    ("'\"", "%", "é", "😀"),
    ("a" * 255,),
)


def test_an_intent_comes_back_as_it_was(stores: Stores) -> None:
    read, write = stores
    given = []
    for number, operation in enumerate(Operation):
        source, target, staged, aside, displaced = (
            ODD[(number + shift) % len(ODD)] for shift in range(5)
        )
        intent = Intent(
            operation,
            source,
            target,
            staged,
            aside,
            displaced,
            moved=COLLECTION,
            left=OTHER_FILE,
            replaced=UNKNOWN,
            old_time=-(1 << 70),
            new_time=1 << 70,
            lasts=True,
        )
        with write() as writer:
            given.append(writer.add_intent(intent))
        assert given[-1].owner
        assert replace(given[-1], id=0, owner="") == intent
    assert read().intents() == tuple(given)
    changed = replace(given[3], displaced=("x",), moved=FILE, lasts=False)
    with write() as writer:
        writer.change_intent(changed)
        writer.remove_intent(given[0].id)
        writer.remove_intent(given[0].id)
    assert read().intents() == (*given[1:3], changed, *given[4:])
    with write() as writer:
        for intent in given:
            writer.remove_intent(intent.id)
        again = writer.add_intent(Intent(Operation.WALK, A))
    assert again.id not in {intent.id for intent in given}


def test_an_intent_is_an_orphan_where_its_owner_is_dead_or_has_failed(tmp_path: FilePath) -> None:
    first, second = (SqliteState(tmp_path / "state.db") for _ in range(2))
    with first.write() as writer:
        lasting = writer.add_intent(Intent(Operation.WALK, A, lasts=True))
        failed = writer.add_intent(Intent(Operation.MOVE, A, AB))
        assert not writer.is_orphan(lasting)
        assert writer.is_orphan(failed)
    with second.write() as writer:
        assert not writer.is_orphan(lasting)
        assert writer.is_orphan(failed)
    first.close()
    with second.write() as writer:
        assert writer.is_orphan(lasting)
        second.bury_owners()
        assert writer.is_orphan(lasting)
        mine = writer.add_intent(Intent(Operation.WALK, A, lasts=True))
        assert not writer.is_orphan(mine)
    second.close()


def test_what_was_committed_stays_whatever_comes(stores: Stores) -> None:
    read, write = stores

    def fail() -> None:
        with write() as writer:
            writer.set_property(A, "p", "<p/>")
            writer.commit()
            writer.set_property(AB, "p", "<p/>")
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert read().with_properties(()) == (A,)


def test_an_attempt_is_taken_back_alone(stores: Stores) -> None:
    read, write = stores

    def fail(writer: Writer, *, commits: bool) -> None:
        with writer.attempt():
            writer.set_property(AB, "p", "<p/>")
            if commits:
                writer.commit()
            writer.set_property(ABC, "p", "<p/>")
            raise RuntimeError("on purpose")

    with write() as writer:
        writer.set_property(A, "p", "<p/>")
        with pytest.raises(RuntimeError, match="on purpose"):
            fail(writer, commits=False)
        assert set(writer.with_properties(())) == {A}
        writer.set_property(("z",), "p", "<p/>")
    assert having(read()) == {A, ("z",)}
    with write() as writer:
        with pytest.raises(RuntimeError, match="on purpose"):
            fail(writer, commits=True)
        with writer.attempt():
            writer.remove_property(A, "p")
            writer.commit()
            writer.remove_property(("z",), "p")
    assert having(read()) == {AB}


def test_what_is_kept_stays_whatever_follows(stores: Stores) -> None:
    read, write = stores

    def fail(writer: Writer) -> None:
        writer.set_property(A, "p", "<p/>")
        writer.keep()
        writer.set_property(AB, "p", "<p/>")
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), write() as writer:
        fail(writer)
    assert having(read()) == {A}
    with write() as writer:
        writer.remove_property(A, "p")
        with pytest.raises(RuntimeError, match="on purpose"), writer.attempt():
            fail(writer)
        writer.set_property(("z",), "p", "<p/>")
    assert having(read()) == {A, ("z",)}
    with write() as writer:
        writer.keep()
    assert having(read()) == {A, ("z",)}


def test_a_failure_is_settled_where_an_intent_was_kept(stores: Stores) -> None:
    read, write = stores
    settled: list[tuple[Intent, ...]] = []

    def settle(writer: Writer) -> None:
        settled.append(writer.intents())
        for intent in writer.intents():
            writer.remove_intent(intent.id)
            writer.set_property(intent.source, "settled", "<p/>")

    def run(*, intends: bool, fails: bool) -> None:
        with write(settle) as writer:
            writer.set_property(A, "p", "<p/>")
            if intends:
                writer.add_intent(Intent(Operation.REMOVE, AB))
                writer.commit()
            writer.set_property(ABC, "p", "<p/>")
            if fails:
                raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        run(intends=False, fails=True)
    assert settled == []
    assert having(read()) == set()
    with pytest.raises(RuntimeError, match="on purpose"):
        run(intends=True, fails=True)
    assert [[one.source for one in found] for found in settled] == [[AB]]
    assert having(read()) == {A, AB}
    assert read().intents() == ()
    run(intends=True, fails=False)
    assert len(settled) == 1
    assert [one.source for one in read().intents()] == [AB]


def test_a_settling_that_fails_leaves_the_intent(stores: Stores) -> None:
    read, write = stores

    def settle(writer: Writer) -> None:
        writer.set_property(A, "p", "<p/>")
        raise OSError(5, "on purpose")

    def run() -> None:
        with write(settle) as writer:
            writer.add_intent(Intent(Operation.REMOVE, AB))
            writer.commit()
            raise RuntimeError("the first failure")

    with pytest.raises(RuntimeError, match="the first failure"):
        run()
    assert [one.source for one in read().intents()] == [AB]
    assert having(read()) == set()


def test_who_settles_does_not_trust_what_the_failed_one_saw(stores: Stores) -> None:
    """It has seen an end of its intent that was taken back."""
    _, write = stores
    settled: list[Operation] = []

    def settle(writer: Writer) -> None:
        settled.extend(intent.operation for intent in writer.intents())

    def fail() -> None:
        with write(settle) as writer:
            kept = writer.add_intent(Intent(Operation.MOVE, A, AB))
            writer.commit()
            writer.remove_intent(kept.id)
            assert writer.intents() == ()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert settled == [Operation.MOVE]

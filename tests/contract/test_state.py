"""What every State keeps: the same cases in one process, through another one, and after each step
reopened.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path as FilePath

import pytest

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.state import Reader, Writer
from davserver.state.sqlite import SqliteState

NOW = 1_000_000.0
Stores = tuple[Callable[[], Reader], Callable[[], AbstractContextManager[Writer]]]


def lock(token: str, root: Path, *, deep: bool = False, expires: float = NOW + 60) -> Lock:
    return Lock(token, root, deep, True, "<o/>", "me", 60, expires)


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
        def write() -> Iterator[Writer]:
            state = SqliteState(file)
            try:
                with state.write() as writer:
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
    with write() as writer:
        writer.refresh_lock("t", 90, NOW + 100)
    found = read().lock("t", NOW + 50)
    assert found is not None
    assert (found.timeout, found.expires) == (90, NOW + 100)
    with write() as writer:
        writer.add_lock(lock("u", AB, expires=NOW + 10))
        writer.remove_ended_locks(NOW + 10)
    assert tokens(read().locks(AB, NOW)) == {"t"}


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

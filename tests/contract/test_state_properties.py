"""What every State keeps of dead properties."""

import pytest

from davserver.protocol.paths import Path
from tests.contract.ground import (
    AB,
    ABC,
    COLLECTION,
    FILE,
    NEIGHBOURS,
    OTHER_FILE,
    A,
    Stores,
    fill_properties,
    having,
    is_at_or_below,
)

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

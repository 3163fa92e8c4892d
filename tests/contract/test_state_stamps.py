"""Every State knows which resource its rows are of."""

from davserver.protocol.resources import Stamp
from tests.contract.ground import (
    AB,
    ABC,
    COLLECTION,
    FILE,
    NEIGHBOURS,
    NOW,
    OTHER_FILE,
    A,
    Stores,
    is_at_or_below,
    lock,
    tokens,
)


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

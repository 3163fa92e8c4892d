"""What every State keeps of locks."""

import math

from davserver.protocol.locks import Lock
from tests.contract.ground import AB, ABC, NEIGHBOURS, NOW, A, Stores, is_at_or_below, lock, tokens


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
        assert (read().first_end() <= now) is not lives
    with write() as writer:
        writer.refresh_lock("t", 90, NOW + 100)
    found = read().lock("t", NOW + 50)
    assert found is not None
    assert (found.timeout, found.expires) == (90, NOW + 100)
    with write() as writer:
        writer.add_lock(lock("u", AB, expires=NOW + 10))
        writer.remove_ended_locks(NOW + 10)
    assert tokens(read().locks(AB, NOW)) == {"t"}
    assert read().first_end() == NOW + 100
    with write() as writer:
        writer.remove_lock("t")
    assert read().first_end() == math.inf


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

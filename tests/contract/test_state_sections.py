"""What every State keeps of a section, however that ends."""

import pytest

from davserver.state import Writer
from tests.contract.ground import (
    AB,
    ABC,
    NEIGHBOURS,
    NOW,
    A,
    Stores,
    fill_properties,
    having,
    lock,
    tokens,
)


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

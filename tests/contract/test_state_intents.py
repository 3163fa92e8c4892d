"""What every State keeps of intents, and who ends those that are left."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN
from davserver.state import Intent, Operation, Writer
from davserver.state.sqlite import SqliteState
from tests.contract.ground import AB, ABC, COLLECTION, FILE, OTHER_FILE, A, Stores, having

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

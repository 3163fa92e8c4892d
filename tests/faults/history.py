"""A history of one URL, and whether one order of its operations explains all that was answered.

An operation has taken effect at one moment between its request and its answer (linearizability). A
register has one value at a time, or none where nothing is mapped: what an operation demands of it
and what it leaves behind is all that counts. An operation without an answer may have taken effect
at any moment after its request, or never.

The check goes through requests and answers in their order and keeps every state that the register
can be in, with the operations under way that have then taken effect already. It is exact. It stays
small because of what makes no difference: an operation that leaves the value alone takes effect as
soon as it can; a value that nobody will ask for is like any other of that kind; of operations
without an answer that do the same the first is tried; and of two states that differ only in how
many of those are used up the one with fewer goes on.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Value = str | None
"""What is there, by a name that no other write has; None is nothing."""

OTHER = "(another value)"
"""Stands for each value that nobody will ask for any more: one is as good as the other."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an operation demands of the value: anything, this one, or any but this one."""

    rule: str
    value: Value = None

    def met(self, value: Value) -> bool:
        return self.rule == "any" or (value == self.value) == (self.rule == "is")


ANY = Needs("any")
ABSENT = Needs("is", None)
PRESENT = Needs("not", None)


def exactly(value: Value) -> Needs:
    return Needs("is", value)


def other_than(value: Value) -> Needs:
    return Needs("not", value)


@dataclass(frozen=True, slots=True)
class Op:
    """An operation: its times, None where no answer came; what it needed, and what it has written
    where ``writes`` says that it did. ``told`` is how it is called in a complaint.
    """

    start: int
    end: int | None
    needs: Needs
    writes: bool = False
    value: Value = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What the register can be like: its value, and the operations under way that have happened:
    ``done`` those that are answered later, ``spent`` those that never are.
    """

    value: Value
    done: frozenset[int]
    spent: frozenset[int]


def unexplained(ops: Iterable[Op], begin: Value = None) -> str:
    """The first answer that no order of the operations explains, as a sentence; empty if none is.

    ``begin`` is the value before the first of them.
    """
    known = [op for op in ops if op.writes or op.end is not None]
    check = _Check(known)
    states = {State(check.name(begin), frozenset(), frozenset())}
    for number, is_answer in _moments(known):
        if not is_answer:
            check.under_way.add(number)
            continue
        after = check.answered(number, states)
        if not after:
            could = ", ".join(sorted({str(state.value) for state in states}))
            op = known[number]
            return f"{op.told or op} at {op.end} has no explanation: the value was {could}"
        states = after
    return ""


def _moments(ops: Sequence[Op]) -> Iterator[tuple[int, bool]]:
    """Each operation by its number: its request, and where there is one its answer. What happens at
    the same time counts as overlapping.
    """
    moments = [(op.start, False, number) for number, op in enumerate(ops)]
    moments += [(op.end, True, number) for number, op in enumerate(ops) if op.end is not None]
    for _, is_answer, number in sorted(moments):
        yield number, is_answer


class _Check:
    """The operations under way, by number, and how often each value may still be asked for."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self.under_way: set[int] = set()
        self._ops = ops
        self._asked_for = Counter(op.needs.value for op in ops)
        self._asked_for[None] += 1

    def name(self, value: Value) -> Value:
        return value if self._asked_for[value] else OTHER

    def answered(self, number: int, states: Iterable[State]) -> set[State]:
        """The states after an answer, reached from those that there were after the last one."""
        op = self._ops[number]
        reached = list(self._reachable(states))
        self.under_way.remove(number)
        self._asked_for[op.needs.value] -= 1
        same = self._same()
        after = []
        for state in reached:
            value = state.value
            if number not in state.done:
                if not op.needs.met(value):
                    continue
                value = op.value if op.writes else value
            spent = frozenset(
                one for alike in same for one in alike[: len(state.spent.intersection(alike))]
            )
            after.append(State(self.name(value), state.done - {number}, spent))
        return set(_fewest(after))

    def _same(self) -> list[list[int]]:
        """The writes that are never answered, those together that do the same."""
        found: dict[tuple[Needs, Value], list[int]] = {}
        for number in sorted(self.under_way):
            op = self._ops[number]
            if op.end is None:
                found.setdefault((op.needs, self.name(op.value)), []).append(number)
        return list(found.values())

    def _reachable(self, states: Iterable[State]) -> Iterator[State]:
        """Every state that operations under way can lead to, those given among them."""
        same = self._same()
        ops = [(number, self._ops[number]) for number in sorted(self.under_way)]
        reads = [(number, op.needs) for number, op in ops if not op.writes]
        writes = [(number, op) for number, op in ops if op.writes and op.end is not None]

        def with_reads(value: Value, done: frozenset[int], spent: frozenset[int]) -> State:
            read = (number for number, needs in reads if needs.met(value))
            return State(value, done.union(read), spent)

        waiting = deque(with_reads(state.value, state.done, state.spent) for state in states)
        seen: dict[tuple[Value, frozenset[int]], list[frozenset[int]]] = {}
        while waiting:
            state = waiting.popleft()
            value, done, spent = state.value, state.done, state.spent
            before = seen.setdefault((value, done), [])
            if any(other <= spent for other in before):
                continue
            before.append(spent)
            yield state
            for number, op in writes:
                if number not in done and op.needs.met(value):
                    waiting.append(with_reads(self.name(op.value), done | {number}, spent))
            for alike in same:
                number = next((one for one in alike if one not in spent), -1)
                if number >= 0 and (op := self._ops[number]).needs.met(value):
                    waiting.append(with_reads(self.name(op.value), done, spent | {number}))


def _fewest(states: Sequence[State]) -> Iterator[State]:
    """The states, without those that have used up more than another one like them."""
    alike: dict[tuple[Value, frozenset[int]], list[State]] = {}
    for state in states:
        alike.setdefault((state.value, state.done), []).append(state)
    for group in alike.values():
        for state in group:
            if not any(other.spent < state.spent for other in group):
                yield state

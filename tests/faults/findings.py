"""What a proof finds, by kind: the same kinds for every server."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock

LOST = "lost"
TORN = "torn"
HALF_DONE = "half_done"
LEFTOVERS = "leftovers"
ORPHAN_ROWS = "orphan_rows"
LOST_LOCKS = "lost_locks"
LOST_UPDATES = "lost_updates"
WRONG = "wrong"

KINDS: Mapping[str, str] = {
    LOST: "an acknowledged change is not there",
    TORN: "a content or pair of properties that nobody wrote, or not all of it",
    HALF_DONE: "an operation that was not acknowledged is neither done nor undone",
    LEFTOVERS: "a name of the server's own, an intent, or trash, once it is idle",
    ORPHAN_ROWS: "properties or a lock without a resource",
    LOST_LOCKS: "an acknowledged lock is not there",
    LOST_UPDATES: "two conditional writes succeeded of which one must fail",
    WRONG: "any other answer, row or line of the log that must not be",
}
"""Kinds of violations, in the order of the report."""

MOST = 40
"""How many sentences are kept; all are counted."""


class Findings:
    """Violations and counts; any thread may add.

    While it is ``calm``, so before anything was killed, what is not there was never done: that is
    a wrong answer and nothing lost.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.calm = False
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, kind: str, sentence: str) -> None:
        """A violation of a kind."""
        assert kind in KINDS
        if self.calm and kind not in (TORN, LOST_UPDATES):
            kind = WRONG
        with self._lock:
            self._counts[kind] += 1
            if len(self.sentences) < MOST:
                self.sentences.append(f"{kind}: {sentence}")

    def count(self, name: str, by: int = 1) -> None:
        """Something that is no violation."""
        with self._lock:
            self._counts[name] += by

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def violations(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: self._counts[kind] for kind in KINDS}

    def found(self) -> dict[str, int]:
        """How many of the kinds of which there are any."""
        return {kind: count for kind, count in self.violations().items() if count}

    def told(self) -> tuple[str, ...]:
        """The sentences, and how many more there were."""
        more = sum(self.violations().values()) - len(self.sentences)
        return (*self.sentences, *([f"and {more} more"] if more > 0 else []))

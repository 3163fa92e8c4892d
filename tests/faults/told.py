"""What a proof has seen so far, also by several threads."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

MOST = 60
"""Violations that are kept as sentences; all are counted."""


class Told:
    """Counts by name, and what was wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._mutex = threading.Lock()

    def count(self, name: str, number: int = 1) -> None:
        with self._mutex:
            self.counts[name] += number

    def wrong(self, count: str, sentence: str, number: int = 1) -> None:
        """Count a violation, and keep a sentence about it."""
        with self._mutex:
            self.counts[count] += number
            if len(self.violations) < MOST:
                self.violations.append(sentence)

    def figures(self, names: Iterable[str]) -> Mapping[str, int]:
        return {name: self.counts[name] for name in names}

"""What PROPFIND has written lately, to be written again as long as `stat` says the same."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping

from davserver.protocol.forms import Entry

NOTING = 2
"""How many listings note what they write at a time: each may wait long for its reader."""


class Written:
    """What PROPFIND has written: up to ``most`` characters of what was listed last."""

    def __init__(self, most: int = 16 << 20) -> None:
        self.most = most
        self._mutex = threading.Lock()
        self._held = 0
        self._noting = 0
        self._collections: OrderedDict[Hashable, tuple[Mapping[str, Entry], int]] = OrderedDict()

    def begin(self) -> bool:
        """Whether one more listing may note what it writes; if so, it calls `end`."""
        with self._mutex:
            may = self._noting < NOTING
            self._noting += may
        return may

    def end(self) -> None:
        with self._mutex:
            self._noting -= 1

    def get(self, key: Hashable) -> Mapping[str, Entry]:
        with self._mutex:
            return self._collections.get(key, ({}, 0))[0]

    def put(self, key: Hashable, entries: Mapping[str, Entry], size: int) -> None:
        # An entry takes about as much again beside its text.
        size += 500 * (len(entries) + 1)
        with self._mutex:
            self._held += size - self._collections.pop(key, ({}, 0))[1]
            self._collections[key] = (entries, size)
            while self._held > self.most:
                self._held -= self._collections.popitem(last=False)[1][1]

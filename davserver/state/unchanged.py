"""What has been read from the store, kept as long as nobody has changed the store.

Every process that writes in WAL mode says so in the first bytes of the index of the log, which all
share as memory (SQLite, "WAL-mode File Format", section 2.1): a header that is as it was says that
no transaction has been committed since. It costs less to look there than to ask SQLite, which does
the same and then searches.
"""

import mmap
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_HEADER = 48
"""Bytes of the header; behind it lies a second copy, which is written first."""
_LARGEST = 16
"""Rows of a result that is worth keeping."""
MOST = 4096
"""Results that are kept."""

Result = list[tuple[Any, ...]]
Key = tuple[str, tuple[object, ...]]


class Unchanged:
    """Results of queries, by their text and values, for all threads of a process; ``file`` is that
    of the store.
    """

    def __init__(self, file: Path) -> None:
        self._file = f"{file}-shm"
        self._index: mmap.mmap | None = None
        self._descriptor = -1
        self._opening = threading.Lock()
        self._kept: tuple[bytes, dict[Key, Result]] = (b"", {})

    def close(self) -> None:
        """To be called when this process has no connection to the store any more: closing any
        descriptor of a file lets go of all locks of the process on it (fcntl(2)), SQLite's too, and
        others would take the index for one that nobody uses.
        """
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def mark(self) -> bytes:
        """What changes with every commit of anybody; empty where that cannot be told."""
        index = self._index or self._opened()
        return b"" if index is None else index[:_HEADER]

    def _opened(self) -> mmap.mmap | None:
        """The index, once it is there; what was opened stays open until `close`."""
        with self._opening, suppress(OSError, ValueError):
            if self._descriptor < 0:
                self._descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
            if self._index is None:
                self._index = mmap.mmap(self._descriptor, 2 * _HEADER, prot=mmap.PROT_READ)
        return self._index

    def find(self, mark: bytes, key: Key) -> Result | None:
        """What was kept at this mark."""
        then, results = self._kept
        return results.get(key) if then == mark else None

    def keep(self, mark: bytes, key: Key, result: Result) -> None:
        """Keep a result that was read after this mark, if nothing has changed meanwhile."""
        if not mark or len(result) > _LARGEST or self.mark() != mark:
            return
        then, results = self._kept
        if then != mark or len(results) >= MOST:
            self._kept = (mark, {key: result})
        else:
            results[key] = result

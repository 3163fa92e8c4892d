"""What a server leaves behind: reserved names in its tree, and unfinished intents in its state.

A server needs a moment to empty the trash: whoever asks waits for it, but not for ever.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from davserver.protocol.paths import RESERVED_PREFIX

TRASH = RESERVED_PREFIX + "trash"
SECONDS = 10.0
"""How long the server may take."""


class Unreadable(Exception):
    """The state cannot be read."""


def left(root: Path, state: Path, *, clean: bool = False) -> list[str]:
    """What a server that has nothing more to do has left in a tree and its state. The trash itself
    may be there, unless ``clean`` says that the server was stopped in good order.
    """
    return _patiently(lambda: [*reserved(root, clean=clean), *trash(root), *intents(state)])


def wait_for_rest(root: Path, state: Path, seconds: float = SECONDS) -> None:
    """Wait until the trash is empty and nothing is under way, but not for longer."""
    _patiently(lambda: [*trash(root), *intents(state)], seconds)


def reserved(root: Path, *, clean: bool = False) -> list[str]:
    """Reserved names anywhere in a tree, but for its trash unless it must not be there either."""
    found = []
    for folder, directories, files in os.walk(root):
        for name in [*directories, *files]:
            real = Path(folder, name)
            if name.startswith(RESERVED_PREFIX) and (clean or real != root / TRASH):
                found.append(str(real.relative_to(root)))
        directories[:] = [name for name in directories if not name.startswith(RESERVED_PREFIX)]
    return found


def trash(root: Path) -> list[str]:
    """What is in the trash of a tree."""
    with suppress(FileNotFoundError):
        return [f"{TRASH}/{name}" for name in os.listdir(root / TRASH)]
    return []


def intents(state: Path) -> list[str]:
    """What is under way, or was not finished."""
    if not rows(state, "SELECT name FROM sqlite_schema WHERE name = 'intent'"):
        return []
    return [f"intent {number}" for (number,) in rows(state, "SELECT id FROM intent")]


def rows(state: Path, query: str, values: Sequence[bytes] = ()) -> list[tuple[Any, ...]]:
    """Rows of the state, which may be in use. Raises Unreadable."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(state))}?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise Unreadable(f"the state cannot be read: {error}") from error


def _patiently(look: Callable[[], list[str]], seconds: float = SECONDS) -> list[str]:
    """What is still found after a while; nothing as soon as nothing is."""
    until = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < until:
        time.sleep(0.005)
    return found

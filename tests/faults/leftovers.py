"""What a server leaves behind and should not: names of its own, intents, rows of nothing."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

PATIENCE = 20.0
"""Seconds that a server may take to clear away in the background."""
_RESERVED = ".~dav-"
WORKPLACE = ".~dav-trash"


def reserved(root: Path) -> list[Path]:
    """Names of the server's own in a tree, but for the folder that it works in."""
    # rglob raises where something goes while it looks; os.walk does not.
    return [
        path
        for folder, below, files in os.walk(root)
        for path in (Path(folder, name) for name in (*below, *files) if name.startswith(_RESERVED))
        if path != root / WORKPLACE
    ]


def cleared(root: Path) -> list[Path]:
    """Wait until there are no such names. Gives those that are there for good."""
    until = time.monotonic() + PATIENCE
    while (found := reserved(root)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def of(root: Path, state: Path) -> Iterator[str]:
    """A sentence for each name, each intent, and each resource that has properties and is not
    there.
    """
    for path in reserved(root):
        yield f"{path.relative_to(root)} is left over"
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
        for row in database.execute("SELECT * FROM intent"):
            yield f"an intent is left over: {row}"
        for parent, name in database.execute("SELECT DISTINCT parent, name FROM property"):
            file = Path(os.fsdecode(parent + b"/" + name))
            if not file.exists():
                yield f"properties of nothing: {file}"

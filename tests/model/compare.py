"""Holds all that a server shows, and the tree on its disk, against the model."""

import os
import time
from contextlib import suppress
from pathlib import Path as FilePath

from davserver.protocol.paths import reserved
from davserver.tree import TRASH
from tests.model.asked import Path
from tests.model.client import Client, Shown
from tests.model.model import Model


def compare(
    model: Model, client: Client, root: FilePath, etags: dict[int, str], tokens: dict[int, str]
) -> None:
    """``etags`` are the entity tags of versions: those that are seen for the first time are added,
    all others have to be as they were. ``tokens`` are those of the locks, by number.
    """
    # Names of the server's own included: nothing is left over between two requests.
    contents = {path: file and file.content for path, file in model.entries.items()}
    assert on_disk(root) == contents
    listed = client.listing()
    assert set(listed) == set(model.entries)
    for path, shown in listed.items():
        _compare_one(model, path, shown, etags)
        expected = sorted(
            (tokens[held.number], held.root, held.deep, held.exclusive, held.owner)
            for held in model.covering(path)
        )
        told = [(one.token, one.root, one.deep, one.exclusive, one.owner) for one in shown.locks]
        assert sorted(told) == expected, f"locks of {path}"
        assert all(40_000 < one.timeout <= 86_400 for one in shown.locks)


def on_disk(root: FilePath) -> dict[Path, bytes | None]:
    """Every entry below a directory, with its content if it is a file, once all that is discarded
    in the background is gone.
    """
    until = time.monotonic() + 20
    while True:
        with suppress(FileNotFoundError):
            found = _entries(root)
            found.pop((TRASH,), None)
            if not any(reserved(path) for path in found):
                return found
        assert time.monotonic() < until, f"not discarded: {found.keys()}"
        time.sleep(0.002)


def _entries(root: FilePath) -> dict[Path, bytes | None]:
    found: dict[Path, bytes | None] = {(): None}
    pending: list[Path] = [()]
    while pending:
        path = pending.pop()
        with os.scandir(root.joinpath(*path)) as entries:
            for entry in entries:
                below = (*path, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    found[below] = None
                    pending.append(below)
                else:
                    found[below] = FilePath(entry.path).read_bytes()
    return found


def _compare_one(model: Model, path: Path, shown: Shown, etags: dict[int, str]) -> None:
    file = model.entries[path]
    assert shown.collection is (file is None)
    stored = dict(model.properties.get(path, {}))
    # Without one from a client it is the last name; of the root nobody says what it is.
    stored.setdefault("displayname", path[-1] if path else shown.stored["displayname"])
    assert shown.stored == stored, f"properties of {path}"
    if file is None:
        assert shown.etag is None
        return
    assert shown.length == str(len(file.content))
    assert shown.etag is not None
    if file.version not in etags:
        assert shown.etag not in etags.values(), "two contents with one entity tag"
        etags[file.version] = shown.etag
    assert shown.etag == etags[file.version], f"entity tag of {path}"

"""What the databases in `fixtures/` hold, one for each schema there has been, and what makes them.

`python tests/state/stores.py tests/state/fixtures` makes `schema-N.db` with the davserver that it
finds, where N is the schema of that one. Run it for a new schema before the release that has it;
a file that is there is never made again. `schema-1.db` was made so by the tree at commit 6f2bade,
which `PYTHONPATH` led to.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path as FilePath

from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.state import sqlite

ODD = "\udcff %2F'\"é\n"
"""A name that is neither UTF-8 nor easy."""

PROPERTIES: dict[Path, dict[str, str]] = {
    ("srv", "dav"): {"{urn:x}root": '<x:root xmlns:x="urn:x"/>'},
    ("srv", "dav", "file"): {
        "{urn:x}a": '<x:a xmlns:x="urn:x">é &amp; \u202e</x:a>',
        "{urn:x}b": f'<x:b xmlns:x="urn:x">{"long " * 2000}</x:b>',
        "none": "<none/>",
    },
    ("srv", "dav", ODD): {"{urn:x}a": '<x:a xmlns:x="urn:x"><x:b/></x:a>'},
    ("srv", "dav", ODD, "below"): {
        "{DAV:}getcontenttype": "<D:getcontenttype>a/b</D:getcontenttype>"
    },
}
EXPIRES = 4_000_000_000.5
LOCKS = (
    Lock("urn:uuid:1", ("srv", "dav", "file"), False, True, "<D:owner>me</D:owner>", "me", 60, 1.5),
    Lock("urn:uuid:2", ("srv", "dav", ODD), True, False, "", "", 7, EXPIRES),
    Lock("urn:uuid:3", ("srv", "dav", ODD), True, False, "", "\u202eyou", 7, EXPIRES),
)


def fill(state: sqlite.SqliteState) -> None:
    """Keep what a store of any schema can."""
    with state.write() as writer:
        for path, stored in PROPERTIES.items():
            for name, value in stored.items():
                writer.set_property(path, name, value)
        for lock in LOCKS:
            writer.add_lock(lock)


def fill_since_2(state: sqlite.SqliteState) -> None:
    """Keep what there has been since schema 2: stamps, intents, the clock."""
    with state.write() as writer:
        for path in PROPERTIES:
            writer.restamp(path, stamp(path))
        for intent in intents():
            writer.add_intent(intent)
    state.ahead("a boot", 12.5)


def stamp(path: Path) -> "Stamp":
    """That of a resource of schema 2 and later."""
    return Stamp(1 << 62 | len(path), 1_700_000_000_123_456_789, 0o100000)


def intents() -> "tuple[Intent, ...]":
    """One of everything that can be under way."""
    source, target = ("srv", "dav", "from"), ("srv", "dav", ODD, "to")
    staged, aside = ("srv", "dav", ".~dav-1"), ("srv", "dav", ".~dav-trash", ".~dav-2")
    return tuple(
        Intent(
            operation,
            source,
            target,
            staged,
            aside,
            moved=stamp(source),
            replaced=stamp(target),
            old_time=-(1 << 70),
            new_time=1 << 70,
            lasts=operation is Operation.WALK,
        )
        for operation in Operation
    )


try:
    from davserver.protocol.resources import Stamp
    from davserver.state import Intent, Operation
except ImportError:
    pass


def make(folder: FilePath) -> FilePath:
    """Make the file of the present schema."""
    part = folder / "new.db"
    state = sqlite.SqliteState(part)
    fill(state)
    if hasattr(state, "ahead"):
        fill_since_2(state)
    state.close()
    with closing(sqlite3.connect(part, isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")
        opened.execute("VACUUM")
        (version,) = opened.execute("PRAGMA user_version").fetchone()
    for beside in folder.glob("new.db-*"):
        if beside.is_dir():
            beside.rmdir()
        else:
            beside.unlink()
    file = folder / f"schema-{version}.db"
    assert not file.exists(), f"{file} is there already"
    return part.rename(file)


if __name__ == "__main__":
    print(make(FilePath(sys.argv[1])))

"""What is changed behind the server's back: whose rows are whose then."""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.security.inside import LOCKINFO, PATCH, Inside

OTHER = PATCH.replace(b"<x xmlns='urn:x'>1</x>", b"<y xmlns='urn:x'>2</y>")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def app(tmp_path: Path, root: Path) -> Iterator[Inside]:
    app = Inside(tmp_path / "state.db", {"": root})
    yield app
    app.close()


def locked(app: Inside, url: str) -> str:
    """Give a resource a property and a lock. Gives the token."""
    assert app("PROPPATCH", url, body=PATCH).status == 207
    return app("LOCK", url, body=LOCKINFO).headers["lock-token"]


def names(app: Inside, url: str, depth: str = "0") -> set[str]:
    """The dead properties that are told of a resource, and `lock` where it has one."""
    body = app("PROPFIND", url, f"Depth: {depth}").body.decode()
    found = set(re.findall(r"<(?:\w+:)?([xy])[ >/]", body))
    return found | ({"lock"} if "<D:activelock" in body or "activelock>" in body else set())


def rows(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        counts = (
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("property", "lock", "intent")
        )
        return sum(counts)


def test_what_is_there_is_seen(app: Inside, root: Path) -> None:
    """The control of `names`."""
    (root / "f").write_bytes(b"old")
    assert names(app, "/f") == set()
    locked(app, "/f")
    assert names(app, "/f") == {"x", "lock"} == names(app, "/", "1")
    assert app("PUT", "/f", body=b"new").status == 423


@pytest.mark.parametrize("kind", ["file", "collection"])
def test_what_has_vanished_has_no_lock_and_nothing_new_inherits(
    app: Inside, root: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "file":
        (root / "r").write_bytes(b"old")
        locked(app, "/r")
        (root / "r").unlink()
    else:
        (root / "r").mkdir()
        (root / "r" / "member").write_bytes(b"old")
        locked(app, "/r/member")
        assert app("PROPPATCH", "/r", body=PATCH).status == 207
        shutil.rmtree(root / "r")
    for method in ("PUT", "MKCOL"):
        assert app(method, "/r").status == 201
        assert names(app, "/r") == set() == names(app, "/", "1")
        if method == "MKCOL":
            assert app("PUT", "/r/member").status == 201
            assert names(app, "/r/member") == set() == names(app, "/r", "1")
        assert rows(tmp_path) == 0
        assert app("DELETE", "/r").status == 204


def test_a_lock_is_granted_where_that_of_something_vanished_was(app: Inside, root: Path) -> None:
    (root / "f").write_bytes(b"old")
    token = locked(app, "/f")
    (root / "f").unlink()
    given = app("LOCK", "/f", body=LOCKINFO)
    assert given.status == 201
    assert given.headers["lock-token"] != token
    assert names(app, "/f") == {"lock"}
    assert app("PUT", "/f", f"If: ({token})").status == 412
    assert app("PUT", "/f", f"If: ({given.headers['lock-token']})").status == 204


def test_an_editor_that_replaces_a_file_leaves_it_its_rows(app: Inside, root: Path) -> None:
    (root / "f").write_bytes(b"old")
    token = locked(app, "/f")
    (root / "f~").write_bytes(b"saved by an editor")
    (root / "f~").rename(root / "f")
    assert names(app, "/f") == {"x", "lock"}
    assert app("PUT", "/f", body=b"new").status == 423
    assert app("PUT", "/f", f"If: ({token})", body=b"new").status == 204
    assert names(app, "/f") == {"x", "lock"}
    assert app("MOVE", "/f", "Destination: /g", f"If: ({token})").status == 201
    assert names(app, "/g") == {"x"}


def _to_collection(root: Path) -> None:
    (root / "r").unlink()
    (root / "r").mkdir()


def _to_file(root: Path) -> None:
    (root / "r").rmdir()
    (root / "r").write_bytes(b"another kind")


BECOMES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "a file becomes a collection": (lambda root: (root / "r").write_bytes(b"old"), _to_collection),
    "a collection becomes a file": (lambda root: (root / "r").mkdir(), _to_file),
}


@pytest.fixture(params=BECOMES.values(), ids=list(BECOMES))
def became(request: pytest.FixtureRequest, app: Inside, root: Path) -> str:
    """The token of `/r`, which had a property and a lock, and is of another kind now."""
    make, change = request.param
    make(root)
    token = locked(app, "/r")
    change(root)
    return token


def test_another_kind_of_resource_has_no_rows(app: Inside, became: str) -> None:
    assert names(app, "/r") == set() == names(app, "/", "1")
    assert app("LOCK", "/r", f"If: ({became})").status == 412


def test_another_kind_of_resource_gets_no_old_rows_by_a_change(app: Inside, became: str) -> None:
    del became
    assert app("PROPPATCH", "/r", body=OTHER).status == 207
    assert names(app, "/r") == {"y"} == names(app, "/", "1")
    assert app("PROPPATCH", "/r", body=OTHER).status == 207


def test_another_kind_of_resource_gets_no_old_rows_by_new_content(
    app: Inside, root: Path, became: str
) -> None:
    del became
    if (root / "r").is_dir():
        assert app("PUT", "/r/f").status == 201
    else:
        assert app("PUT", "/r").status == 204
    assert names(app, "/r") == set()
    assert app("DELETE", "/r").status == 204


def test_another_kind_of_resource_gets_no_old_rows_by_a_lock(app: Inside, became: str) -> None:
    del became
    given = app("LOCK", "/r", body=LOCKINFO)
    assert given.status == 200
    assert names(app, "/r") == {"lock"}
    token = given.headers["lock-token"]
    assert app("UNLOCK", "/r", f"Lock-Token: {token}").status == 204
    assert names(app, "/r") == set()


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_another_kind_of_resource_hands_no_old_rows_on(
    app: Inside, became: str, method: str
) -> None:
    del became
    assert app("PROPPATCH", "/", body=OTHER).status == 207
    assert app(method, "/r", "Destination: /new").status == 201
    assert names(app, "/new") == set()


def test_members_of_another_kind_hand_no_old_rows_on(app: Inside, root: Path) -> None:
    (root / "d").mkdir()
    (root / "d" / "r").write_bytes(b"old")
    assert app("PROPPATCH", "/d/r", body=PATCH).status == 207
    (root / "d" / "r").unlink()
    (root / "d" / "r").mkdir()
    assert app("COPY", "/d", "Destination: /new").status == 201
    assert names(app, "/new/r") == set()


def test_a_collection_that_was_a_file_keeps_what_its_members_have(app: Inside, root: Path) -> None:
    (root / "r").write_bytes(b"old")
    assert app("PROPPATCH", "/r", body=PATCH).status == 207
    _to_collection(root)
    assert app("PUT", "/r/f").status == 201
    token = locked(app, "/r/f")
    assert app("PROPPATCH", "/r", body=OTHER).status == 207
    assert names(app, "/r/f") == {"x", "lock"}
    assert app("PUT", "/r/f", f"If: ({token})").status == 204


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize("onto", ["file", "collection"])
@pytest.mark.parametrize("kind", ["file", "collection"])
def test_the_lock_of_what_is_replaced_stays(
    app: Inside, root: Path, method: str, kind: str, onto: str
) -> None:
    """A lock guards its URL still, whatever the owner of it has put there through the server."""
    for name, what in (("source", kind), ("target", onto)):
        if what == "file":
            (root / name).write_bytes(b"old")
        else:
            (root / name).mkdir()
    assert app("PROPPATCH", "/source", body=OTHER).status == 207
    token = locked(app, "/target")
    asked = ("Destination: /target", f"If: </target> ({token})")
    assert app(method, "/source", *asked).status == 204
    assert names(app, "/target") == {"y", "lock"}
    assert app("PROPPATCH", "/target", body=OTHER).status == 423
    assert app("PROPPATCH", "/target", f"If: ({token})", body=PATCH).status == 207
    assert names(app, "/target") == {"x", "y", "lock"}
    assert app("UNLOCK", "/target", f"Lock-Token: {token}").status == 204


def test_a_new_link_in_the_place_of_a_file_has_no_rows(app: Inside, root: Path) -> None:
    (root / "f").write_bytes(b"old")
    locked(app, "/f")
    (root / "f").unlink()
    os.symlink("elsewhere", root / "f")
    assert app("PUT", "/f").status == 403
    (root / "f").unlink()
    assert app("PUT", "/f").status == 201
    assert names(app, "/f") == set()

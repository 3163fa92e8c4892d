"""With durability "sync" all that an answer tells of is on the disk before it, and in an order in
which a loss of power between any two steps leaves no name without its content.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from davserver.share.names import Names
from tests.security.inside import LOCKINFO, Inside
from tests.share.cases import LARGE
from tests.share.disk import Disk

NOTE = (
    b"<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><x xmlns='urn:x'>1</x></D:prop></D:set>"
    b"</D:propertyupdate>"
)
TIME = (
    b"<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:getlastmodified>"
    b"Mon, 12 Jan 1998 09:25:56 GMT</D:getlastmodified></D:prop></D:set></D:propertyupdate>"
)
DST, ONTO = "Destination: /new", "Destination: /into/old"


@dataclass(frozen=True)
class Case:
    """A request and its answer. With ``intends`` it changes names and rows together: then the
    intent is forgotten only after the names are safe.
    """

    method: str
    target: str
    status: int
    fields: tuple[str, ...] = ()
    body: bytes = b""
    intends: bool = False


CASES = {
    "PUT a new file": Case("PUT", "/d/new", 201, body=b"x"),
    "PUT over a file": Case("PUT", "/d/plain", 204, body=b"x"),
    "PUT over a file with properties": Case("PUT", "/d/f", 204, body=b"x"),
    "MKCOL": Case("MKCOL", "/d/new", 201),
    "LOCK of nothing yet": Case("LOCK", "/d/new", 201, body=LOCKINFO, intends=True),
    "PROPPATCH of a time": Case("PROPPATCH", "/d/f", 207, body=TIME),
    "DELETE of a file": Case("DELETE", "/d/plain", 204),
    "DELETE of a file with properties": Case("DELETE", "/d/f", 204, intends=True),
    "DELETE of a tree": Case("DELETE", "/into", 204),
    "DELETE of a tree with properties": Case("DELETE", "/d", 204, intends=True),
    "DELETE around a lock": Case("DELETE", "/held", 207),
    "COPY of a file": Case("COPY", "/d/plain", 201, (DST,)),
    "COPY of a file with properties": Case("COPY", "/d/f", 201, (DST,), intends=True),
    "COPY of a tree": Case("COPY", "/d", 201, (DST,), intends=True),
    "COPY of a tree onto another": Case("COPY", "/d", 204, (ONTO,), intends=True),
    "MOVE of a file": Case("MOVE", "/d/plain", 201, (DST,)),
    "MOVE of a file with properties": Case("MOVE", "/d/f", 201, (DST,), intends=True),
    "MOVE of a tree": Case("MOVE", "/d", 201, (DST,), intends=True),
    "MOVE of a tree onto another": Case("MOVE", "/d", 204, (ONTO,), intends=True),
    "MOVE around a lock": Case("MOVE", "/held", 207, (DST,)),
}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for name in ("d/sub/deep", "d/plain", "d/f", "d/large", "into/old/m", "held/a/b", "held/c"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(LARGE if name.endswith("large") else b"old")
    return top


def served(top: Path, *, durable: bool) -> Inside:
    """An application over it, where some members have properties, and one a lock."""
    app = Inside(top.parent / "state.db", {"": top}, durable=durable)
    for name in ("/d/f", "/d/sub/deep"):
        assert app("PROPPATCH", name, body=NOTE).status == 207
    app.lock("/held/a/b")
    return app


@pytest.fixture
def app(top: Path) -> Iterator[Inside]:
    app = served(top, durable=True)
    yield app
    app.close()


@pytest.fixture
def disk(app: Inside, top: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """What is watched from the first request of a test."""
    disk = Disk(top)
    disk.watch(monkeypatch)
    return disk


def intents(top: Path) -> int:
    """How many intents a loss of power would leave."""
    file = top.parent / "state.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        ((count,),) = database.execute("SELECT count(*) FROM intent").fetchall()
    return int(count)


@pytest.mark.parametrize("name", CASES)
def test_what_is_answered_is_safe(name: str, app: Inside, disk: Disk, top: Path) -> None:
    case = CASES[name]
    kept: list[int] = []
    disk.at_sync = lambda: kept.append(intents(top))
    assert app(case.method, case.target, *case.fields, body=case.body).status == case.status
    assert disk.wrong == []
    assert disk.unsafe() == []
    assert disk.syncs
    if case.intends:
        assert kept
        assert all(kept), "an intent was forgotten before its names were safe"


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_durable_is_noticed(
    name: str, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    case = CASES[name]
    app = served(top, durable=False)
    disk = Disk(top)
    disk.watch(monkeypatch)
    assert app(case.method, case.target, *case.fields, body=case.body).status == case.status
    assert disk.unsafe()
    assert bool(disk.wrong) is (case.method in ("COPY", "PUT", "LOCK"))
    app.close()


@pytest.mark.parametrize("target", ["/d/new", "/d/plain", "/d/f"])
def test_content_that_the_disk_did_not_take_is_not_stored(
    target: str, app: Inside, disk: Disk, top: Path
) -> None:
    """The error is final: a second fsync would succeed, and the content be lost all the same."""
    disk.refuses = "file"
    assert app("PUT", target, body=b"x").status == 500
    assert disk.syncs == ["file"]
    file = top / target[1:]
    assert file.read_bytes() == b"old" if file.exists() else target == "/d/new"
    assert app("PUT", target, body=b"x").status in (201, 204)
    assert file.read_bytes() == b"x"


@pytest.mark.parametrize(
    "name", ["PUT a new file", "PUT over a file", "MKCOL", "MOVE of a tree", "DELETE of a file"]
)
def test_names_that_the_disk_did_not_take_are_no_success(
    name: str, app: Inside, disk: Disk
) -> None:
    case = CASES[name]
    disk.refuses = "directory"
    assert app(case.method, case.target, *case.fields, body=case.body).status == 500
    assert disk.refuses == ""


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [("PROPPATCH", "/d/new", NOTE, 207), ("LOCK", "/d/new", LOCKINFO, 200)],
)
def test_rows_wait_for_the_name_that_they_are_of(
    method: str,
    target: str,
    body: bytes,
    status: int,
    app: Inside,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has made it was killed, or still waits for the disk; and rows may lie on another."""
    with monkeypatch.context() as killed:
        killed.setattr(Names, "sync", lambda _: None)
        assert app("PUT", target, body=b"x").status == 201
    assert disk.unsafe() == ["names in d/"]
    assert app(method, target, body=body).status == status
    assert disk.unsafe() == []

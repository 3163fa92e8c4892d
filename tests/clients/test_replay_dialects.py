"""Single requests that some client writes in a way of its own, a row for each.

The longer stories of the clients are in the modules beside this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.clients import digests
from tests.clients.conftest import Served
from tests.clients.replay import DAV, Body, Session

XML = {"Content-Type": 'text/xml; charset="utf-8"'}
LOCK = (
    b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)
PATCH = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>'
    b'<executable xmlns="http://apache.org/dav/props/">T</executable></D:prop></D:set>'
    b"</D:propertyupdate>"
)
KIO = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propfind xmlns:D="DAV:"><D:prop>'
    b"<D:creationdate/><D:getcontentlength/><D:displayname/><D:source/><D:getcontentlanguage/>"
    b"<D:getcontenttype/><D:getlastmodified/><D:getetag/><D:supportedlock/><D:lockdiscovery/>"
    b"<D:resourcetype/><D:quota-available-bytes/><D:quota-used-bytes/></D:prop></D:propfind>"
)
FINDS = b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'


@dataclass(frozen=True, slots=True)
class Row:
    """A request on the tree of ``dialects``, and the status that its client needs."""

    client: str
    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = None


ROWS = [
    Row(
        "a reverse proxy that changed scheme and host",
        *("MOVE", "/file.txt", 201),
        {"Destination": "https://dav.example.org/moved.txt"},
    ),
    Row(
        "a user and a password in the Destination",
        *("COPY", "/file.txt", 204),
        {"Destination": "http://alice:p%40ss@dav.example.org:81/taken.txt"},
    ),
    Row("Floccus: a path as Destination", "MOVE", "/file.txt", 204, {"Destination": "/taken.txt"}),
    Row(
        "OmniFocus: a folder without its slash",
        *("MOVE", "/folder", 201),
        {"Destination": "/renamed/", "Overwrite": "F"},
    ),
    Row(
        "Apple: a folder with its slash, to one without",
        *("MOVE", "/folder/", 201),
        {"Destination": "/renamed"},
    ),
    Row("neon: a Depth on PROPPATCH", "PROPPATCH", "/file.txt", 207, {"Depth": "0", **XML}, PATCH),
    Row("davfs2: the x bit as a property", "PROPPATCH", "/file.txt", 207, XML, PATCH),
    Row(
        "gvfs: a header of a draft",
        *("PROPFIND", "/folder", 207),
        {"Depth": "1", "Apply-To-Redirect-Ref": "T", **XML},
        FINDS,
    ),
    Row("KDE: properties of RFC 2518", "PROPFIND", "/folder/", 207, {"Depth": "1", **XML}, KIO),
    Row(
        "npm webdav: no body at all",
        *("PROPFIND", "/folder/", 207),
        {"Depth": "1", "Accept": "text/plain,application/xml"},
    ),
    Row(
        "npm webdav: never over an older file",
        *("PUT", "/file.txt", 412),
        {"If-None-Match": "*"},
        b"after",
    ),
    Row(
        "npm webdav: a choice of timeouts",
        *("LOCK", "/file.txt", 200),
        {"Timeout": "Infinite, Second-4100000000", **XML},
        LOCK,
    ),
    Row(
        "iOS: the conditions of its cache on PROPFIND",
        *("PROPFIND", "/file.txt", 207),
        {"Depth": "0", "If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ),
    Row(
        "Joplin: a condition that is no entity tag, on DELETE",
        *("DELETE", "/file.txt", 204),
        {"If-None-Match": "JoplinIgnore-4711"},
    ),
    Row(
        "a body in chunks",
        *("PROPFIND", "/folder/", 207),
        {"Depth": "1", **XML},
        [FINDS[:20], FINDS[20:]],
    ),
    Row("a body in no chunks", "PROPFIND", "/folder/", 207, {"Depth": "1", **XML}, []),
    Row("Mini-Redirector: HEAD of a folder", "HEAD", "/folder", 200),
    Row("Cyberduck: HEAD of a folder", "HEAD", "/folder/", 200),
    Row("a folder without its slash", "PROPFIND", "/folder", 207, {"Depth": "0"}),
    Row("a file with a slash", "GET", "/file.txt/", 404),
]


@pytest.fixture
def dialects(served: Served) -> Iterator[Session]:
    (served.root / "file.txt").write_text("before")
    (served.root / "taken.txt").write_text("taken")
    (served.root / "still.txt").write_text("still")
    (served.root / "folder").mkdir()
    (served.root / "folder" / "inside.txt").write_text("inside")
    with Session(served.url, User_Agent="dialects/1.0") as session:
        yield session


@pytest.mark.parametrize("row", ROWS, ids=[row.client for row in ROWS])
def test_a_request_is_understood(row: Row, dialects: Session) -> None:
    reply = dialects.send(row.method, row.target, row.headers, row.body)

    assert reply.status == row.status, reply.body
    # Nothing of it was left over for the next request to fall over.
    assert dialects.send("GET", "/still.txt").body == b"still"


def test_a_part_of_a_file_is_refused_and_changes_nothing(served: Served, dialects: Session) -> None:
    before = digests.tree(served.root)

    part = {"Content-Range": "bytes 6-10/11"}
    assert dialects.send("PUT", "/file.txt", part, b"after").status == 400
    assert dialects.send("PUT", "/new.txt", part, b"after").status == 400

    assert digests.tree(served.root) == before


def test_a_lock_without_a_depth_is_deep(dialects: Session) -> None:
    locked = dialects.send("LOCK", "/folder", XML, LOCK)
    assert locked.status == 200
    assert locked.active_lock.findtext(f"{DAV}depth", "").lower() == "infinity"
    root = locked.active_lock.findtext(f"{DAV}lockroot/{DAV}href", "")
    assert root.rstrip("/") == "/folder"

    assert dialects.send("PUT", "/folder/inside.txt", {}, b"after").status == 423
    assert dialects.send("PUT", "/folder/new.txt", {}, b"new").status == 423
    condition = {"If": f"</folder> (<{locked.token}>)"}
    assert dialects.send("PUT", "/folder/inside.txt", condition, b"after").status == 204


def test_a_lock_that_has_no_end_gets_one(dialects: Session) -> None:
    timeout = {"Timeout": "Infinite, Second-4100000000", **XML}

    locked = dialects.send("LOCK", "/file.txt", timeout, LOCK)

    assert 0 < locked.seconds < 4_100_000_000


def test_a_token_without_brackets_unlocks(dialects: Session) -> None:
    token = dialects.send("LOCK", "/file.txt", XML, LOCK).token

    assert dialects.send("UNLOCK", "/file.txt", {"Lock-Token": "urn:uuid:0"}).status == 409
    assert dialects.send("UNLOCK", "/file.txt", {"Lock-Token": token}).status == 204
    assert dialects.send("PUT", "/file.txt", {}, b"after").status == 204


def test_options_answers_everywhere(dialects: Session) -> None:
    for target in ("/", "/folder", "/folder/", "/file.txt", "/nothing", "/no/thing", "*"):
        options = dialects.send("OPTIONS", target)
        assert options.status == 200, target
        assert options.levels >= {"1", "2", "3"}, target
        assert options["MS-Author-Via"] == "DAV", target
        assert options["Content-Length"] == "0", target

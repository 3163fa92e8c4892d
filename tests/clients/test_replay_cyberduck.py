"""Cyberduck (Sardine on Apache HttpClient): logs in, lists, uploads, stamps and renames.

From its source: DAVSession, DAVWriteFeature, DAVTimestampFeature, DAVMoveFeature.
"""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic
from tests.running import entries

SAR = "{SAR:}"
XML = {"Content-Type": "text/xml; charset=UTF-8"}
PROLOG = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
LIST = PROLOG + (
    b'<D:propfind xmlns:D="DAV:" xmlns:S="SAR:"><D:prop><D:getcontentlength/><D:resourcetype/>'
    b"<D:getlastmodified/><D:creationdate/><D:getetag/><D:displayname/><D:getcontenttype/>"
    b"<D:lockdiscovery/><S:lastmodified/><S:lastmodified_server/></D:prop></D:propfind>"
)
MODIFIED = PROLOG + (
    b'<D:propfind xmlns:D="DAV:"><D:prop><D:getlastmodified/></D:prop></D:propfind>'
)
LOCK = PROLOG + (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)


class Cyberduck(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            Connection="Keep-Alive",
            User_Agent="Cyberduck/8.7.1.40770 (Mac OS X/13.5) (aarch64)",
            Accept_Encoding="gzip,deflate",
        )

    def list(self, target: str, depth: str = "1") -> Reply:
        return self.send("PROPFIND", target, {"Depth": depth, **XML}, LIST)


@pytest.fixture
def cyberduck(served: Served) -> Iterator[Cyberduck]:
    with Cyberduck(served.url) as cyberduck:
        yield cyberduck


def test_a_login_begins_with_head(guarded: Served) -> None:
    cyberduck = Cyberduck(guarded.url)
    head, _, body = cyberduck.until_closed("HEAD", "/").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nWWW-Authenticate: Basic realm=" in head
    assert body == b""

    with cyberduck:
        # Over one connection: a body after the 401 would be read as the next answer.
        assert cyberduck.send("HEAD", "/").status == 401
        cyberduck.headers["Authorization"] = basic(USER, PASSWORD)
        assert cyberduck.send("HEAD", "/").status == 200
        assert set(cyberduck.list("/").members) == {"/"}


def test_an_upload_waits_to_be_told(served: Served, cyberduck: Cyberduck) -> None:
    content = digests.content(400_000)
    put = {"Content-Type": "image/jpeg", "Expect": "100-continue"}

    created = cyberduck.send("PUT", "/cat.jpg", put, content)

    assert created.status == 201
    assert (served.root / "cat.jpg").read_bytes() == content
    listed = cyberduck.list("/").members["/cat.jpg"]
    assert listed.text(f"{DAV}getetag") == created["ETag"]
    assert listed.text(f"{DAV}getcontentlength") == "400000"
    assert listed.statuses()[f"{SAR}lastmodified"] == 404


def test_a_time_is_kept_in_its_own_properties(served: Served, cyberduck: Cyberduck) -> None:
    (served.root / "cat.jpg").write_bytes(b"meow")

    # It asks with Depth 1, also of a file.
    reply = cyberduck.send("PROPFIND", "/cat.jpg", {"Depth": "1", **XML}, MODIFIED)
    modified = reply.members["/cat.jpg"].text(f"{DAV}getlastmodified")
    patch = (
        PROLOG
        + (
            '<D:propertyupdate xmlns:D="DAV:" xmlns:S="SAR:"><D:set><D:prop>'
            f"<S:lastmodified_server>{modified}</S:lastmodified_server>"
            "<S:lastmodified>Wed, 04 Nov 2020 13:25:51 GMT</S:lastmodified>"
            "</D:prop></D:set></D:propertyupdate>"
        ).encode()
    )
    patched = cyberduck.send("PROPPATCH", "/cat.jpg", XML, patch).members["/cat.jpg"]
    assert patched.statuses() == {f"{SAR}lastmodified": 200, f"{SAR}lastmodified_server": 200}

    listed = cyberduck.list("/").members["/cat.jpg"]
    assert listed.text(f"{SAR}lastmodified") == "Wed, 04 Nov 2020 13:25:51 GMT"
    assert listed.text(f"{SAR}lastmodified_server") == listed.text(f"{DAV}getlastmodified")


def test_a_locked_file_is_saved_and_renamed(served: Served, cyberduck: Cyberduck) -> None:
    (served.root / "a b.txt").write_text("before")
    target = "/a%20b.txt"

    token = cyberduck.send("LOCK", target, XML, LOCK).token
    assert cyberduck.send("PUT", target, {}, b"without it").status == 423
    condition = {"If": f"<{target}> (<{token}>)"}
    assert cyberduck.send("PUT", target, condition, b"after").status == 204

    move = {"Destination": f"{served.url}/c%20d.txt", "Overwrite": "F", **condition}
    assert cyberduck.send("MOVE", target, move).status == 201

    assert {path.name: path.read_text() for path in entries(served.root)} == {"c d.txt": "after"}
    # The lock stayed behind, and with the resource it went.
    assert cyberduck.send("PUT", "/c%20d.txt", {}, b"free").status == 204
    assert cyberduck.send("PUT", target, {}, b"free").status == 201


def test_an_upload_is_locked_and_unlocked(served: Served, cyberduck: Cyberduck) -> None:
    locked = cyberduck.send("LOCK", "/new.txt", XML, LOCK)
    assert locked.status == 201
    condition = {"If": f"</new.txt> (<{locked.token}>)"}

    assert cyberduck.send("PUT", "/new.txt", condition, b"content").status == 204
    unlock = {"Lock-Token": f"<{locked.token}>"}
    assert cyberduck.send("UNLOCK", "/new.txt", unlock).status == 204

    assert (served.root / "new.txt").read_text() == "content"


def test_a_folder_is_made_duplicated_and_renamed(served: Served, cyberduck: Cyberduck) -> None:
    assert cyberduck.send("MKCOL", "/album/").status == 201
    assert cyberduck.send("PUT", "/album/cat.jpg", {}, b"meow").status == 201

    copy = {"Destination": f"{served.url}/second%20album/", "Overwrite": "F"}
    assert cyberduck.send("COPY", "/album/", copy).status == 201
    move = {"Destination": f"{served.url}/third/", "Overwrite": "F"}
    assert cyberduck.send("MOVE", "/album/", move).status == 201
    assert cyberduck.send("DELETE", "/third/").status == 204

    assert digests.tree(served.root) == {
        "second album": digests.FOLDER,
        "second album/cat.jpg": digests.of(served.root / "second album" / "cat.jpg"),
    }


@pytest.mark.parametrize("name", ["a|b", "[draft] 1;2", "100% & more?", "a+b", "$HOME'~", "ü"])
def test_a_listed_href_is_good_for_the_next_request(
    name: str, served: Served, cyberduck: Cyberduck
) -> None:
    (served.root / name).write_text("found")

    (href,) = set(cyberduck.list("/").members) - {"/"}

    assert href == "/" + quote(name, safe="")
    assert cyberduck.send("GET", href).body == b"found"

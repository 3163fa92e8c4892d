"""KeePass2Android: saves a database through a temporary file, a DELETE and a MOVE.

From its source (WebDavStorage.java, on OkHttp).
"""

import re
from collections.abc import Iterator

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Body, Session, basic
from tests.running import entries

XML = {"Content-Type": "application/xml; charset=utf-8"}
BINARY = {"Content-Type": "application/binary"}
EXISTS = (
    b'<?xml version="1.0" encoding="utf-8" ?>\n<D:propfind xmlns:D="DAV:">\n    <D:prop>\n'
    b"        <D:resourcetype/>\n    </D:prop>\n</D:propfind>"
)
LIST = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<d:propfind xmlns:d="DAV:">\n'
    b" <d:prop><d:displayname/><d:getlastmodified/><d:getcontentlength/></d:prop>\n"
    b"</d:propfind>\n"
)
TARGET = "/passwords.kdbx"
TEMPORARY = "/passwords.kdbx.tmp.30481527"


class KeePass(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            Connection="Keep-Alive",
            Accept_Encoding="gzip",
            User_Agent="okhttp/4.10.0-RC1",
        )
        self.login = {"Authorization": basic(USER, PASSWORD)}

    def exists(self, target: str) -> bool:
        reply = self.send("PROPFIND", target, {"Depth": "0", **XML, **self.login}, EXISTS)
        assert reply.status in (207, 404)
        return reply.status == 207


@pytest.fixture
def keepass(guarded: Served) -> Iterator[KeePass]:
    with KeePass(guarded.url) as keepass:
        yield keepass


def chunks(content: bytes) -> list[bytes]:
    return [content[start : start + 10_000] for start in range(0, len(content), 10_000)]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_a_database_is_saved_in_a_transaction(
    chunked: bool, guarded: Served, keepass: KeePass
) -> None:
    (guarded.root / "passwords.kdbx").write_bytes(b"before")
    content = digests.content(45_000)
    body: Body = chunks(content) if chunked else content

    # The first try is always without a login, with the body behind it.
    assert keepass.send("PUT", TEMPORARY, BINARY, body).status == 401
    assert keepass.send("PUT", TEMPORARY, {**BINARY, **keepass.login}, body).status == 201
    assert keepass.exists(TARGET)
    assert keepass.send("DELETE", TARGET, keepass.login).status == 204
    assert not keepass.exists(TARGET)
    move = {"Destination": f"{guarded.url}{TARGET}", "Overwrite": "T", **keepass.login}
    assert keepass.send("MOVE", TEMPORARY, move).status == 201

    assert {path.name: path.read_bytes() for path in entries(guarded.root)} == {
        "passwords.kdbx": content
    }
    assert keepass.send("GET", TARGET, keepass.login).body == content


def test_a_database_is_replaced_without_the_delete(guarded: Served, keepass: KeePass) -> None:
    (guarded.root / "passwords.kdbx").write_bytes(b"before")

    keepass.send("PUT", TEMPORARY, {**BINARY, **keepass.login}, b"after")
    # The URL of its destination has the user and the password of its settings in it.
    address = re.sub("^http://", f"http://{USER}:p%40ss@", guarded.url)
    move = {"Destination": f"{address}{TARGET}", "Overwrite": "T", **keepass.login}
    assert keepass.send("MOVE", TEMPORARY, move).status == 204

    assert (guarded.root / "passwords.kdbx").read_bytes() == b"after"
    assert not (guarded.root / TEMPORARY[1:]).exists()


def test_a_folder_is_listed_and_made(guarded: Served, keepass: KeePass) -> None:
    (guarded.root / "passwords.kdbx").write_bytes(b"12345")

    assert keepass.send("MKCOL", "/My%20databases", keepass.login).status == 201
    # It asks for a folder by its name without a slash.
    reply = keepass.send("PROPFIND", "/", {"Depth": "1", **XML, **keepass.login}, LIST)
    listed = reply.members

    assert set(listed) == {"/", "/My%20databases/", TARGET}
    assert listed[TARGET].text(f"{DAV}getcontentlength") == "5"
    assert listed[TARGET].text(f"{DAV}displayname") == "passwords.kdbx"
    assert listed["/My%20databases/"].text(f"{DAV}displayname") == "My databases"
    inside = {"Depth": "1", **XML, **keepass.login}
    assert set(keepass.send("PROPFIND", "/My%20databases", inside, LIST).members) == {
        "/My%20databases/"
    }


def test_a_move_that_cannot_be_leaves_both(guarded: Served, keepass: KeePass) -> None:
    keepass.send("PUT", TEMPORARY, {**BINARY, **keepass.login}, b"after")

    move = {"Destination": f"{guarded.url}/none{TARGET}", "Overwrite": "T", **keepass.login}
    refused = keepass.send("MOVE", TEMPORARY, move)

    # It takes this one for a reason to delete and try again.
    assert refused.status == 409
    assert (guarded.root / TEMPORARY[1:]).read_bytes() == b"after"

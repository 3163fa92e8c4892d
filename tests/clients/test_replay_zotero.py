"""Zotero: verifies a server, uploads attachments and purges the orphaned ones.

From its source (xpcom/storage/webdav.js), the messages of its verification as test names.
"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic

XML = {"Content-Type": "text/xml; charset=utf-8"}
LENGTH = b"<propfind xmlns='DAV:'><prop><getcontentlength/></prop></propfind>"
MODIFIED = b"<propfind xmlns='DAV:'><prop><getlastmodified/></prop></propfind>"
PROP = b'<properties version="1"><mtime>1604496351000</mtime><hash>d41d8cd9</hash></properties>'
ZIP = {"Content-Type": "application/zip"}


class Zotero(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            User_Agent="Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Zotero/7.0.3",
            Accept="*/*",
            Accept_Language="en-US",
            Accept_Encoding="gzip, deflate",
            Connection="keep-alive",
        )

    def find(self, target: str, depth: str, body: bytes) -> Reply:
        return self.send("PROPFIND", target, {"Depth": depth, **XML}, body)


@pytest.fixture
def zotero(guarded: Served) -> Iterator[Zotero]:
    with Zotero(guarded.url) as zotero:
        zotero.headers["Authorization"] = basic(USER, PASSWORD)
        yield zotero


def test_the_directory_is_found_missing_and_made(guarded: Served, zotero: Zotero) -> None:
    options = zotero.send("OPTIONS", "/zotero/")
    assert options.status in (200, 204, 404)
    assert "1" in options.levels

    assert zotero.find("/zotero/", "0", LENGTH).status == 404
    assert zotero.find("/", "0", LENGTH).status == 207
    assert zotero.send("MKCOL", "/zotero/").status == 201
    assert zotero.find("/zotero/", "0", LENGTH).status == 207


def test_the_directory_is_verified(guarded: Served, zotero: Zotero) -> None:
    (guarded.root / "zotero").mkdir()

    assert "1" in zotero.send("OPTIONS", "/zotero/").levels
    found = zotero.find("/zotero/", "0", LENGTH).members["/zotero/"]
    assert found.statuses() == {f"{DAV}getcontentlength": 404}
    assert zotero.send("GET", "/zotero/nonexistent.prop").status == 404
    assert zotero.send("PUT", "/zotero/zotero-test-file.prop", {}, b" ").status == 201
    assert zotero.send("GET", "/zotero/zotero-test-file.prop").body == b" "
    assert zotero.send("DELETE", "/zotero/zotero-test-file.prop").status == 204


def test_an_attachment_is_uploaded_and_replaced(guarded: Served, zotero: Zotero) -> None:
    (guarded.root / "zotero").mkdir()
    first, second = digests.content(500_000, 1), digests.content(400_000, 2)

    assert zotero.send("GET", "/zotero/ABCD2345.prop").status == 404
    assert zotero.send("PUT", "/zotero/ABCD2345.zip", ZIP, first).status == 201
    assert zotero.send("PUT", "/zotero/ABCD2345.prop", XML, PROP).status == 201

    assert zotero.send("GET", "/zotero/ABCD2345.prop").body == PROP
    assert zotero.send("DELETE", "/zotero/ABCD2345.prop").status == 204
    assert zotero.send("PUT", "/zotero/ABCD2345.zip", ZIP, second).status == 204
    assert zotero.send("PUT", "/zotero/ABCD2345.prop", XML, PROP).status == 201

    assert zotero.send("GET", "/zotero/ABCD2345.zip").body == second
    assert len(digests.tree(guarded.root / "zotero")) == 2


def test_orphaned_files_are_found_by_their_href(guarded: Served, zotero: Zotero) -> None:
    (guarded.root / "zotero").mkdir()
    for name in ("ABCD2345.zip", "ABCD2345.prop", "lastsync.txt"):
        (guarded.root / "zotero" / name).write_bytes(b"x")

    listed = zotero.find("/zotero/", "1", MODIFIED).members

    assert all(href.startswith("/zotero/") for href in listed)
    assert len(listed) == 4
    for member in listed.values():
        assert parsedate_to_datetime(member.text(f"{DAV}getlastmodified"))
    for name in ("ABCD2345.zip", "ABCD2345.prop"):
        assert zotero.send("DELETE", f"/zotero/{name}").status == 204
    assert zotero.send("DELETE", "/zotero/ABCD2345.zip").status == 404


def test_an_upload_without_a_login_gets_an_answer(guarded: Served) -> None:
    (guarded.root / "zotero").mkdir()

    with Zotero(guarded.url) as zotero:
        refused = zotero.send("PUT", "/zotero/ABCD2345.zip", ZIP, digests.content(60_000))
        assert refused.status == 401
        assert refused["WWW-Authenticate"].startswith("Basic realm=")

        zotero.headers["Authorization"] = basic(USER, PASSWORD)
        assert zotero.send("PUT", "/zotero/ABCD2345.zip", ZIP, b"zip").status == 201


def test_the_one_for_ios_sends_conditions_from_its_cache(guarded: Served, zotero: Zotero) -> None:
    (guarded.root / "zotero").mkdir()
    stored = zotero.send("PUT", "/zotero/ABCD2345.prop", {}, PROP)

    seen = {"If-None-Match": stored["ETag"]}
    find = {"Depth": "0", **XML, **seen}
    assert zotero.send("PROPFIND", "/zotero/ABCD2345.prop", find, LENGTH).status == 207
    assert zotero.send("GET", "/zotero/ABCD2345.prop", seen).status == 304

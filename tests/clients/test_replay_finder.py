"""macOS Finder: webdavfs mounts, lists, saves and removes.

What it sends and needs is in its source, webdavfs (webdav_network.c, webdav_parse.c).
"""

import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic
from tests.running import entries

APPLE = "{http://www.apple.com/webdav_fs/props/}"
XML = {"Content-Type": "text/xml"}
STAT = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n'
    b"<D:getlastmodified/>\n<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n"
    b"</D:prop>\n</D:propfind>\n"
)
LIST = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n'
    b"<D:getlastmodified/>\n<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n"
    b'<A:appledoubleheader xmlns:A="http://www.apple.com/webdav_fs/props/"/>\n'
    b"</D:prop>\n</D:propfind>\n"
)
QUOTA = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n'
    b"<D:quota-available-bytes/>\n<D:quota-used-bytes/>\n<D:quota/>\n<D:quotaused/>\n"
    b"</D:prop>\n</D:propfind>\n"
)
LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:lockinfo xmlns:D="DAV:">\n'
    b"<D:lockscope><D:exclusive/></D:lockscope>\n<D:locktype><D:write/></D:locktype>\n"
    b"<D:owner>\n<D:href>http://www.apple.com/webdav_fs/</D:href>\n</D:owner>\n</D:lockinfo>\n"
)


class Finder(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            Accept="*/*",
            User_Agent="WebDAVFS/3.0.0 (03008000) Darwin/23.2.0 (arm64)",
            Connection="keep-alive",
        )

    def stat(self, target: str, **headers: str) -> Reply:
        return self.send("PROPFIND", target, {"Depth": "0", **XML, **headers}, STAT)

    def list(self, target: str) -> Reply:
        return self.send("PROPFIND", target, {"Depth": "1", **XML}, LIST)

    def lock(self, target: str) -> str:
        """Lock it as before every save, and give the header that goes with the writes."""
        reply = self.send("LOCK", target, {"Depth": "0", "Timeout": "Second-600", **XML}, LOCK)
        assert reply.status == 200
        assert reply.active_lock.findtext(f"{DAV}depth") == "0"
        assert 500 < reply.seconds <= 600
        assert reply.active_lock.find(f"{DAV}lockscope/{DAV}exclusive") is not None
        return f"(<{reply.token}>)"

    def unlock(self, target: str, condition: str) -> None:
        reply = self.send("UNLOCK", target, {"Lock-Token": condition[1:-1]})
        assert reply.status == 204


@pytest.fixture
def finder(served: Served) -> Iterator[Finder]:
    with Finder(served.url) as finder:
        yield finder


def test_a_volume_is_mounted_with_a_login(guarded: Served) -> None:
    with Finder(guarded.url) as finder:
        options = finder.send("OPTIONS", "/")
        # Level 1 alone would mount it read-only, and a 204 is refused.
        assert options.status == 200
        assert options.levels >= {"1", "2"}
        assert options["Content-Length"] == "0"

        refused = finder.stat("/")
        assert refused.status == 401
        assert refused["WWW-Authenticate"].startswith("Basic realm=")

        finder.headers["Authorization"] = basic(USER, PASSWORD)
        root = finder.stat("/").members["/"]
        assert root.is_folder
        assert root.text(f"{DAV}getlastmodified").endswith(" GMT")

        reply = finder.send("PROPFIND", "/", {"Depth": "0", **XML}, QUOTA)
        quota = reply.members["/"]
        assert int(quota.text(f"{DAV}quota-available-bytes")) > 0
        assert int(quota.text(f"{DAV}quota-used-bytes")) > 0
        assert quota.statuses()[f"{DAV}quota"] == 404
        assert quota.statuses()[f"{DAV}quotaused"] == 404


@pytest.mark.parametrize(
    "name",
    [
        "._.",
        ".metadata_never_index",
        ".metadata_never_index_unless_rootfs",
        "Backups.backupdb",
        "Contents",
        "mach_kernel",
        ".Spotlight-V100",
        ".hidden",
        ".DS_Store",
        "._Photos",
    ],
)
def test_what_it_looks_for_on_each_volume(name: str, finder: Finder) -> None:
    assert finder.stat(f"/{name}").status == 404


def test_a_folder_is_listed(served: Served, finder: Finder) -> None:
    (served.root / "Photos" / "2024").mkdir(parents=True)
    (served.root / "Photos" / "cat|dog.jpg").write_bytes(b"meow")

    members = finder.list("/Photos/").members

    assert set(members) == {"/Photos/", "/Photos/2024/", "/Photos/cat%7Cdog.jpg"}
    cat = members["/Photos/cat%7Cdog.jpg"]
    assert cat.text(f"{DAV}getcontentlength") == "4"
    assert cat.text(f"{DAV}creationdate")
    assert not cat.is_folder
    assert cat.statuses()[f"{APPLE}appledoubleheader"] == 404
    assert members["/Photos/2024/"].is_folder
    assert members["/Photos/2024/"].statuses()[f"{DAV}getcontentlength"] == 404


def test_a_file_is_copied_in(served: Served, finder: Finder) -> None:
    content = digests.content(300_000)
    target = "/cat.jpg"

    assert finder.stat(target).status == 404
    created = finder.send("PUT", target, {}, b"")
    assert created.status == 201
    assert finder.stat("/._cat.jpg").status == 404
    condition = finder.lock(target)

    chunks = [content[start : start + 8192] for start in range(0, len(content), 8192)]
    length = {"X-Expected-Entity-Length": str(len(content)), "If": condition}
    stored = finder.send("PUT", target, length, chunks)
    assert stored.status == 204
    # Without both of them it asks once more with a PROPFIND.
    assert stored["ETag"] != created["ETag"]
    assert stored["Last-Modified"].endswith(" GMT")
    finder.unlock(target, condition)

    assert (served.root / "cat.jpg").read_bytes() == content
    got = finder.send("GET", target)
    assert got.body == content
    assert got["Content-Length"] == str(len(content))
    assert got["ETag"] == stored["ETag"]
    assert finder.send("GET", target, {"If-None-Match": got["ETag"]}).status == 304
    seen = {"If-Modified-Since": got["Last-Modified"]}
    assert finder.send("GET", target, seen).status == 304


def test_a_lock_is_refreshed_at_half_time(served: Served, finder: Finder) -> None:
    (served.root / "note.txt").write_text("one")
    condition = finder.lock("/note.txt")

    refresh = {"If": condition, "Timeout": "Second-600"}
    refreshed = finder.send("LOCK", "/note.txt", refresh, b"")
    assert refreshed.status == 200
    token = refreshed.active_lock.findtext(f"{DAV}locktoken/{DAV}href")
    assert f"(<{token}>)" == condition
    assert "Lock-Token" not in refreshed.headers

    assert finder.send("LOCK", "/note.txt", {"If": condition}).status == 200
    finder.unlock("/note.txt", condition)
    assert finder.send("LOCK", "/note.txt", refresh, b"").status == 412


def test_an_application_saves_safely(served: Served, finder: Finder) -> None:
    (served.root / "My Letter.txt").write_text("before")
    temporary = "/My%20Letter.txt.sb-1a2b3c4d-XyZ123"

    assert finder.send("PUT", temporary, {}, b"").status == 201
    condition = finder.lock(temporary)
    length = {"X-Expected-Entity-Length": "5", "If": condition}
    assert finder.send("PUT", temporary, length, [b"aft", b"er"]).status == 204
    finder.unlock(temporary, condition)
    move = {"Destination": f"{served.url}/My%20Letter.txt", "Overwrite": "T"}
    assert finder.send("MOVE", temporary, move).status == 204

    assert {path.name: path.read_text() for path in entries(served.root)} == {
        "My Letter.txt": "after"
    }


def test_an_empty_folder_is_removed(served: Served, finder: Finder) -> None:
    assert finder.send("MKCOL", "/untitled%20folder/").status == 201
    assert list(finder.list("/untitled%20folder/").members) == ["/untitled%20folder/"]
    assert finder.send("DELETE", "/untitled%20folder/").status == 204

    assert digests.tree(served.root) == {}


def test_a_folder_is_renamed(served: Served, finder: Finder) -> None:
    (served.root / "one").mkdir()
    (served.root / "one" / "file").write_text("kept")

    move = {"Destination": f"{served.url}/two%20%231/", "Overwrite": "F"}
    assert finder.send("MOVE", "/one/", move).status == 201

    assert (served.root / "two #1" / "file").read_text() == "kept"


def test_a_decomposed_name_stays_decomposed(served: Served, finder: Finder) -> None:
    name = unicodedata.normalize("NFD", "Über.txt")
    target = "/" + quote(name, safe="")

    assert finder.stat(target).status == 404
    assert finder.send("PUT", target, {}, b"").status == 201

    assert [path.name for path in entries(served.root)] == [name]
    assert set(finder.list("/").members) == {"/", target}

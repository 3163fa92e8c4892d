"""Windows Explorer: the Mini-Redirector mounts, lists, copies in, renames and deletes.

The sequences are those in logs that users of WsgiDAV (#112), SFTPGo (#207), npm WebDAV-Server
(#19, #34) and GCDWebServer (#319) have published.
"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic

WIN32 = "{urn:schemas-microsoft-com:}"
XML = {"Content-Type": 'text/xml; charset="utf-8"'}
NO_CACHE = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
LOCK = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
    b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>"
    b"<D:href>DESKTOP-1\\alice</D:href></D:owner></D:lockinfo>"
)
TIMES = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" '
    b'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
    b"<Z:Win32CreationTime>Wed, 04 Nov 2020 13:25:51 GMT</Z:Win32CreationTime>"
    b"<Z:Win32LastAccessTime>Sat, 05 Dec 2020 21:16:12 GMT</Z:Win32LastAccessTime>"
    b"<Z:Win32LastModifiedTime>Wed, 04 Nov 2020 13:25:51 GMT</Z:Win32LastModifiedTime>"
    b"<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
)
WIN32_NAMES = {
    f"{WIN32}{name}"
    for name in (
        "Win32CreationTime",
        "Win32LastAccessTime",
        "Win32LastModifiedTime",
        "Win32FileAttributes",
    )
}


class Explorer(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            Connection="Keep-Alive",
            User_Agent="Microsoft-WebDAV-MiniRedir/10.0.19045",
            translate="f",
        )

    def look(self, target: str, depth: str = "0", **headers: str) -> Reply:
        """Its PROPFIND has no body, and says so."""
        return self.send("PROPFIND", target, {"Depth": depth, **headers}, b"")

    def stamp(self, target: str, headers: dict[str, str]) -> None:
        """Set the four Win32 properties. Anything but a 207 of 200s makes it report an error."""
        reply = self.send("PROPPATCH", target, {**NO_CACHE, **XML, **headers}, TIMES)
        (stamped,) = reply.members.values()
        assert stamped.statuses() == dict.fromkeys(WIN32_NAMES, 200)


@pytest.fixture
def explorer(served: Served) -> Iterator[Explorer]:
    with Explorer(served.url) as explorer:
        yield explorer


def test_a_drive_is_mapped_with_a_login(guarded: Served) -> None:
    (guarded.root / "share").mkdir()

    with Explorer(guarded.url) as explorer:
        options = explorer.send("OPTIONS", "/")
        assert options.status == 200
        assert options.levels == {"1", "2", "3"}
        assert options["MS-Author-Via"] == "DAV"
        assert {"PROPFIND", "PROPPATCH", "LOCK"} <= options.allowed
        assert options.body == b""

        refused = explorer.look("/share")
        assert refused.status == 401
        assert refused["WWW-Authenticate"].startswith("Basic realm=")
        assert explorer.send("HEAD", "/share").status == 401

        login = {"Authorization": basic(USER, PASSWORD)}
        (folder,) = explorer.look("/share", **login).members.values()
        assert folder.is_folder
        assert set(explorer.look("/share", "1", **login).members) == {"/share/"}


def test_a_refused_head_has_no_body(guarded: Served) -> None:
    explorer = Explorer(guarded.url)

    head, _, body = explorer.until_closed("HEAD", "/share").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 401 ")
    assert body == b""


def test_a_folder_is_listed(served: Served, explorer: Explorer) -> None:
    (served.root / "Photos").mkdir()
    (served.root / "Photos" / "My Cat.jpg").write_bytes(b"meow")
    (served.root / "Photos" / "2024").mkdir()

    listing = explorer.look("/Photos", "1")

    assert listing["Content-Type"].split(";")[0] in {"application/xml", "text/xml"}
    # It does not understand a default namespace.
    assert b":multistatus" in listing.body
    assert b'xmlns="DAV:"' not in listing.body
    assert set(listing.members) == {"/Photos/", "/Photos/2024/", "/Photos/My%20Cat.jpg"}
    cat = listing.members["/Photos/My%20Cat.jpg"]
    assert not cat.is_folder
    assert cat.text(f"{DAV}getcontentlength") == "4"
    assert cat.text(f"{DAV}getlastmodified").endswith(" GMT")
    assert cat.text(f"{DAV}creationdate").endswith("Z")
    assert listing.members["/Photos/2024/"].is_folder


@pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db", "AutoRun.inf", "Photos/x"])
def test_what_it_asks_for_and_nobody_has(name: str, explorer: Explorer) -> None:
    assert explorer.look(f"/{name}").status == 404


def test_a_file_is_copied_in(served: Served, explorer: Explorer) -> None:
    content = digests.content(200_000)
    target = "/My%20Report.docx"

    assert explorer.look(target).status == 404
    assert explorer.look("/").status == 207
    assert explorer.send("PUT", target, NO_CACHE, b"").status == 201

    locked = explorer.send("LOCK", target, {**XML, "Timeout": "Second-3600"}, LOCK)
    assert locked.status == 200
    assert locked.active_lock.findtext(f"{DAV}depth", "").lower() == "infinity"
    assert 3500 < locked.seconds <= 3600
    owner = locked.active_lock.findtext(f"{DAV}owner/{DAV}href")
    assert owner == "DESKTOP-1\\alice"
    with_token = {"If": f"(<{locked.token}>)"}

    explorer.stamp(target, with_token)
    head = explorer.send("HEAD", target)
    assert (head.status, head["Content-Length"]) == (200, "0")
    assert parsedate_to_datetime(head["Last-Modified"])
    assert explorer.send("PUT", target, {**NO_CACHE, **with_token}, content).status == 204
    explorer.stamp(target, with_token)
    unlocked = explorer.send("UNLOCK", target, {"Lock-Token": f"<{locked.token}>"})
    assert unlocked.status == 204

    assert (served.root / "My Report.docx").read_bytes() == content
    assert explorer.send("GET", target).body == content
    shown = explorer.look(target).members[target]
    assert shown.text(f"{WIN32}Win32FileAttributes") == "00000020"
    assert shown.text(f"{WIN32}Win32CreationTime") == "Wed, 04 Nov 2020 13:25:51 GMT"


def test_a_copy_without_its_token_changes_nothing(served: Served, explorer: Explorer) -> None:
    (served.root / "file.txt").write_text("before")
    explorer.send("LOCK", "/file.txt", {**XML, "Timeout": "Second-3600"}, LOCK)

    refused = explorer.send("PUT", "/file.txt", NO_CACHE, b"after")

    assert refused.status == 423
    assert f"{DAV}lock-token-submitted" in refused.conditions
    assert explorer.send("PROPPATCH", "/file.txt", XML, TIMES).status == 423
    assert (served.root / "file.txt").read_text() == "before"


def test_windows_xp_unlocks_without_brackets(served: Served, explorer: Explorer) -> None:
    (served.root / "file.txt").write_text("before")
    token = explorer.send("LOCK", "/file.txt", {**XML, "Timeout": "Second-3600"}, LOCK).token

    assert explorer.send("UNLOCK", "/file.txt", {"Lock-Token": token}).status == 204
    assert explorer.send("PUT", "/file.txt", {}, b"after").status == 204


def test_a_new_folder_gets_its_name(served: Served, explorer: Explorer) -> None:
    assert explorer.look("/New%20folder").status == 404
    assert explorer.send("MKCOL", "/New%20folder", NO_CACHE, b"").status == 201
    explorer.stamp("/New%20folder", {})
    assert explorer.look("/New%20folder").status == 207

    move = {"Destination": f"{served.url}/Holiday%20%26%20more", "Overwrite": "F"}
    assert explorer.send("MOVE", "/New%20folder", {**NO_CACHE, **move}, b"").status == 201

    assert digests.tree(served.root) == {"Holiday & more": digests.FOLDER}
    moved = explorer.look("/Holiday%20%26%20more").members["/Holiday%20%26%20more/"]
    assert moved.text(f"{WIN32}Win32FileAttributes") == "00000020"


def test_a_name_that_is_taken(served: Served, explorer: Explorer) -> None:
    (served.root / "one.txt").write_text("one")
    (served.root / "two.txt").write_text("two")

    move = {"Destination": f"{served.url}/two.txt", "Overwrite": "F"}
    assert explorer.send("MOVE", "/one.txt", {**NO_CACHE, **move}, b"").status == 412

    assert (served.root / "one.txt").read_text() == "one"
    assert (served.root / "two.txt").read_text() == "two"


def test_a_folder_is_deleted(served: Served, explorer: Explorer) -> None:
    (served.root / "Photos" / "2024").mkdir(parents=True)
    (served.root / "Photos" / "2024" / "cat.jpg").write_bytes(b"meow")

    assert explorer.send("HEAD", "/Photos").status == 200
    assert explorer.send("DELETE", "/Photos", NO_CACHE).status == 204

    assert explorer.look("/Photos").status == 404
    assert digests.tree(served.root) == {}

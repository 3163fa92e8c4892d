"""Microsoft Office: finds out that a server can be written to, opens, saves and closes.

From [MS-OCPROTO], and the logs in FubarDevelopment/WebDavServer (#18, #41) and redmine_dmsf.
"""

from collections.abc import Iterator

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic

XML = {"Content-Type": "text/xml; charset=utf-8"}
FIND = (
    b'<?xml version="1.0" encoding="utf-8"?><a:propfind xmlns:a="DAV:" '
    b'xmlns:b="http://schemas.microsoft.com/repl/"><a:prop><a:resourcetype/><a:getetag/>'
    b"<a:getcontentlength/><a:getmodifiedby/><a:creationdate/><a:getlastmodified/>"
    b"<a:lockdiscovery/><a:supportedlock/><b:repl-uid/></a:prop></a:propfind>"
)
LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
    b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>"
    b"<D:href>OFFICE\\alice</D:href></D:owner></D:lockinfo>"
)
STAMP = (
    b'<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:" '
    b'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>'
    b"<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
)


class Office(Session):
    def __init__(self, url: str, user: str = "OFFICE\\alice") -> None:
        super().__init__(
            url,
            Connection="Keep-Alive",
            User_Agent="Microsoft Office Word 2014",
            X_Office_Major_Version="16",
            X_MS_CookieUri_Requested="t",
            X_FeatureVersion="1",
            X_IDCRL_ACCEPTED="t",
            Accept_Auth="badger,Wlid1.1,Bearer,Basic,NTLM,Digest,Kerberos,Negotiate,Nego2",
        )
        self.lock_body = LOCK.replace(b"OFFICE\\alice", user.encode())

    def discover(self, folder: str) -> Reply:
        agent = {"User-Agent": "Microsoft Office Protocol Discovery", "X-MSGETWEBURL": "t"}
        return self.send("OPTIONS", folder, agent, b"")

    def exists(self, target: str) -> Reply:
        return self.send("HEAD", target, {"User-Agent": "Microsoft Office Existence Discovery"})

    def find(self, target: str) -> Reply:
        headers = {"Depth": "0", "Translate": "f", "Brief": "t", **XML}
        return self.send("PROPFIND", target, headers, FIND)

    def lock(self, target: str) -> Reply:
        headers = {"Depth": "infinity", "Timeout": "Second-3600", **XML}
        return self.send("LOCK", target, headers, self.lock_body)


@pytest.fixture
def office(served: Served) -> Iterator[Office]:
    (served.root / "docs").mkdir()
    (served.root / "docs" / "report.docx").write_bytes(b"before")
    with Office(served.url) as office:
        yield office


def test_a_folder_says_before_a_login_that_it_can_be_written_to(guarded: Served) -> None:
    (guarded.root / "docs").mkdir()
    (guarded.root / "docs" / "report.docx").write_bytes(b"before")

    with Office(guarded.url) as office:
        options = office.discover("/docs/")
        assert options.status == 200
        # Without it a document opens read-only.
        assert options["MS-Author-Via"] == "DAV"
        assert {"1", "2"} <= options.levels
        assert {"LOCK", "UNLOCK", "PROPFIND", "PROPPATCH"} <= options.allowed
        assert office.exists("/docs/report.docx").status == 401
        office.headers["Authorization"] = basic(USER, PASSWORD)
        assert office.exists("/docs/report.docx").status == 200


def test_a_document_is_opened_saved_and_closed(served: Served, office: Office) -> None:
    target = "/docs/report.docx"
    content = digests.content(150_000)

    assert office.discover("/docs/").status == 200
    assert office.exists(target).status == 200
    found = office.find(target).members[target]
    assert found.text(f"{DAV}getcontentlength") == "6"
    scopes = found.element(f"{DAV}supportedlock").iter(f"{DAV}exclusive")
    assert len(list(scopes)) == 1
    assert found.element(f"{DAV}lockdiscovery").find(f"{DAV}activelock") is None
    assert found.statuses()[f"{DAV}getmodifiedby"] == 404

    locked = office.lock(target)
    assert locked.status == 200
    assert locked.active_lock.findtext(f"{DAV}owner/{DAV}href") == "OFFICE\\alice"
    assert locked.active_lock.findtext(f"{DAV}locktoken/{DAV}href") == locked.token
    condition = {"If": f"(<{locked.token}>)"}
    got = office.send("GET", target, {"Translate": "f"})
    assert (got.body, got["ETag"]) == (b"before", found.text(f"{DAV}getetag"))

    owner_file = "/docs/~$report.docx"
    assert office.exists(owner_file).status == 404
    assert office.send("PUT", owner_file, {}, b"\x05alice" + b" " * 156).status == 201

    stored = office.send("PUT", target, {"Translate": "f", **condition}, content)
    assert stored.status == 204
    refreshed = office.send("LOCK", target, {"Timeout": "Second-3600", **condition}, b"")
    assert refreshed.status == 200
    assert 3500 < refreshed.seconds <= 3600
    found = office.find(target).members[target]
    assert found.text(f"{DAV}getetag") == stored["ETag"]
    assert found.element(f"{DAV}lockdiscovery").find(f"{DAV}activelock") is not None

    assert office.send("UNLOCK", target, {"Lock-Token": f"<{locked.token}>"}).status == 204
    # It sends this one without a token, after it has let go of the lock.
    (stamped,) = office.send("PROPPATCH", target, XML, STAMP).members.values()
    assert set(stamped.statuses().values()) == {200}
    assert office.send("DELETE", owner_file).status == 204
    assert digests.tree(served.root / "docs") == {
        "report.docx": digests.of(served.root / "docs" / "report.docx")
    }
    assert (served.root / "docs" / "report.docx").read_bytes() == content


def test_a_second_reader_is_told_who_holds_the_document(served: Served, office: Office) -> None:
    target = "/docs/report.docx"
    token = office.lock(target).token

    with Office(served.url, "OFFICE\\bob") as second:
        refused = second.lock(target)
        assert refused.status == 423
        assert f"{DAV}no-conflicting-lock" in refused.conditions
        assert refused.xml.findtext(f"{DAV}no-conflicting-lock/{DAV}href") == target
        held = second.find(target).members[target].element(f"{DAV}lockdiscovery")
        assert held.findtext(f"{DAV}activelock/{DAV}owner/{DAV}href") == "OFFICE\\alice"
        assert held.findtext(f"{DAV}activelock/{DAV}lockroot/{DAV}href") == target
        assert second.send("GET", target).body == b"before"
        assert second.send("PUT", target, {}, b"mine").status == 423

        unlocked = office.send("UNLOCK", target, {"Lock-Token": f"<{token}>"})
        assert unlocked.status == 204
        assert second.lock(target).status == 200


def test_a_new_document_is_saved(served: Served, office: Office) -> None:
    target = "/docs/new%20one.docx"

    assert office.exists(target).status == 404
    assert office.find(target).status == 404
    assert office.send("PUT", target, {}, b"").status == 201
    condition = {"If": f"(<{office.lock(target).token}>)"}
    assert office.send("PUT", target, condition, b"content").status == 204

    assert (served.root / "docs" / "new one.docx").read_bytes() == b"content"

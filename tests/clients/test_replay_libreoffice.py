"""LibreOffice: opens a document, keeps it locked while it is open, saves and closes it.

Bodies and headers as its content provider writes them (ucb, webdav-curl, CurlSession.cxx):
default namespaces, a namespace on each property, a refresh without a body.
"""

from collections.abc import Iterator

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.clients.replay import DAV, Reply, Session, basic

OFFICE = "{http://ucb.openoffice.org/dav/props/}"
XML = {"Content-Type": "application/xml"}
PROLOG = b'<?xml version="1.0" encoding="UTF-8"?>\n'
FIND = PROLOG + (
    b'<propfind xmlns="DAV:"><prop><resourcetype xmlns="DAV:"/>'
    b'<IsReadOnly xmlns="http://ucb.openoffice.org/dav/props/"/>'
    b'<getcontenttype xmlns="DAV:"/><supportedlock xmlns="DAV:"/></prop></propfind>'
)
NAMES = PROLOG + b'<propfind xmlns="DAV:"><propname/></propfind>'
LOCK = PROLOG + (
    b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>'
    b"<owner>LibreOffice - Alice &lt;alice@example.org&gt;</owner></lockinfo>"
)
TITLE = b"<type>string</type><value>Fish &amp; chips</value>"
PATCH = PROLOG + (
    b'<propertyupdate xmlns="DAV:"><set><prop>'
    b'<Title xmlns="http://ucb.openoffice.org/dav/props/"><ucbprop>' + TITLE + b"</ucbprop></Title>"
    b'</prop></set><remove><prop><Old xmlns="http://ucb.openoffice.org/dav/props/"></Old>'
    b"</prop></remove></propertyupdate>"
)


class LibreOffice(Session):
    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            User_Agent="LibreOffice 7.6.4.1 denylistedbackend/8.4.0 OpenSSL/3.1.4",
            Accept="*/*",
        )

    def find(self, target: str) -> Reply:
        return self.send("PROPFIND", target, {"Depth": "0", **XML}, FIND)

    def lock(self, target: str, depth: str = "0", timeout: str = "Second-180") -> Reply:
        return self.send("LOCK", target, {**XML, "Depth": depth, "Timeout": timeout}, LOCK)


@pytest.fixture
def office(served: Served) -> Iterator[LibreOffice]:
    (served.root / "report.odt").write_bytes(b"before")
    with LibreOffice(served.url) as office:
        yield office


def test_a_document_is_opened_saved_and_closed(served: Served, office: LibreOffice) -> None:
    target = "/report.odt"
    content = digests.content(60_000)

    assert {"1", "2"} <= office.send("OPTIONS", target).levels
    found = office.find(target).members[target]
    assert not found.is_folder
    assert found.text(f"{DAV}getcontenttype") == "application/vnd.oasis.opendocument.text"
    entries = found.element(f"{DAV}supportedlock").findall(f"{DAV}lockentry")
    assert any(entry.find(f"{DAV}lockscope/{DAV}exclusive") is not None for entry in entries)
    assert found.statuses()[f"{OFFICE}IsReadOnly"] == 404

    locked = office.lock(target)
    assert locked.status == 200
    owner = locked.active_lock.findtext(f"{DAV}owner")
    assert owner == "LibreOffice - Alice <alice@example.org>"
    assert 100 < locked.seconds <= 180
    condition = {"If": f"(<{locked.token}>)"}
    assert office.send("GET", target).body == b"before"

    for _ in range(2):
        refreshed = office.send("LOCK", target, {"Timeout": "Second-180", **condition})
        assert refreshed.status == 200
        assert refreshed.active_lock.findtext(f"{DAV}locktoken/{DAV}href") == locked.token
        assert refreshed.active_lock.findtext(f"{DAV}owner") == owner
    assert office.send("PUT", target, condition, content).status == 204
    assert office.send("UNLOCK", target, {"Lock-Token": f"<{locked.token}>"}).status == 204

    assert (served.root / "report.odt").read_bytes() == content


def test_a_document_that_is_new_is_locked_before_it_exists(
    served: Served, office: LibreOffice
) -> None:
    target = "/new%20report.odt"

    assert office.find(target).status == 404
    locked = office.lock(target, "infinity", "Infinite")
    assert locked.status == 201
    condition = {"If": f"(<{locked.token}>)"}
    assert office.send("PUT", target, condition, b"content").status == 204
    assert office.send("UNLOCK", target, {"Lock-Token": f"<{locked.token}>"}).status == 204

    assert (served.root / "new report.odt").read_bytes() == b"content"


def test_a_document_that_someone_else_holds(served: Served, office: LibreOffice) -> None:
    office.lock("/report.odt")

    with LibreOffice(served.url) as second:
        refused = second.lock("/report.odt")

    assert refused.status == 423
    assert f"{DAV}no-conflicting-lock" in refused.conditions


def test_a_property_with_a_structure_comes_back(served: Served, office: LibreOffice) -> None:
    (patched,) = office.send("PROPPATCH", "/report.odt", XML, PATCH).members.values()
    assert patched.statuses() == {f"{OFFICE}Title": 200, f"{OFFICE}Old": 200}

    reply = office.send("PROPFIND", "/report.odt", {"Depth": "0", **XML}, NAMES)
    assert f"{OFFICE}Title" in reply.members["/report.odt"].properties

    ask = PROLOG + (
        b'<propfind xmlns="DAV:"><prop>'
        b'<Title xmlns="http://ucb.openoffice.org/dav/props/"/></prop></propfind>'
    )
    reply = office.send("PROPFIND", "/report.odt", {"Depth": "0", **XML}, ask)
    title = reply.members["/report.odt"].element(f"{OFFICE}Title")
    # The children had no prefix of their own: they are in the namespace of their parent.
    assert title.findtext(f"{OFFICE}ucbprop/{OFFICE}type") == "string"
    assert title.findtext(f"{OFFICE}ucbprop/{OFFICE}value") == "Fish & chips"


def test_a_document_is_saved_under_another_name(served: Served, office: LibreOffice) -> None:
    copy = {"Destination": f"{served.url}/second.odt", "Overwrite": "F"}
    assert office.send("COPY", "/report.odt", copy).status == 201
    assert office.send("COPY", "/report.odt", copy).status == 412
    assert office.send("COPY", "/report.odt", {**copy, "Overwrite": "T"}).status == 204

    assert (served.root / "second.odt").read_bytes() == b"before"


def test_a_login(guarded: Served) -> None:
    (guarded.root / "report.odt").write_bytes(b"before")

    with LibreOffice(guarded.url) as office:
        assert office.send("OPTIONS", "/report.odt").status == 200
        assert office.find("/report.odt").status == 401
        assert office.lock("/report.odt").status == 401
        office.headers["Authorization"] = basic(USER, PASSWORD)
        assert office.find("/report.odt").status == 207
        assert office.lock("/report.odt").status == 200

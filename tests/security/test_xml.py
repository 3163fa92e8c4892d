"""Hostile XML through the whole application: refused in every method, and nothing is fetched."""

import socket
from pathlib import Path

import pytest

from davserver.protocol import multistatus
from tests.security.inside import Inside, digest

BODIES = {
    "PROPFIND": "<propfind xmlns='DAV:'><prop><getetag/>{use}</prop></propfind>",
    "PROPPATCH": "<propertyupdate xmlns='DAV:'><set><prop><displayname>{use}</displayname></prop>"
    "</set></propertyupdate>",
    "LOCK": "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype>"
    "<owner>{use}</owner></lockinfo>",
}
DOCTYPES = {
    "an external DTD": "<!DOCTYPE x SYSTEM '{url}'>",
    "an external entity": "<!DOCTYPE x [<!ENTITY e SYSTEM '{url}'>]>",
    "a file": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file://{canary}'>]>",
    "a parameter entity": "<!DOCTYPE x [<!ENTITY % p SYSTEM '{url}'>%p;]>",
    "nothing but a name": "<!DOCTYPE x>",
}


@pytest.mark.parametrize("method", BODIES)
@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES)
def test_a_document_type_is_refused(tmp_path: Path, method: str, doctype: str) -> None:
    (tmp_path / "canary").write_text("a canary")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    before = digest(root)
    ask = Inside(tmp_path / "state.db", {"": root})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        use = "&e;" if "ENTITY e" in doctype else ""
        head = doctype.replace("{url}", url).replace("{canary}", str(tmp_path / "canary"))
        body = head + BODIES[method].replace("{use}", use)
        for target in ("/file", "/new"):
            answer = ask(method, target, "Depth: 0", body=body.encode())
            assert answer.status == 400
            assert b"a canary" not in answer.body
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert digest(root) == before
    assert b"canary" not in ask("PROPFIND", "/file", "Depth: 0").body
    ask.close()


@pytest.mark.parametrize("method", BODIES)
def test_without_a_document_type_it_is_taken(tmp_path: Path, method: str) -> None:
    """The control."""
    (tmp_path / "file").write_bytes(b"content")
    ask = Inside(tmp_path / "state.db", {"": tmp_path})
    body = BODIES[method].replace("{use}", "")
    assert ask(method, "/file", "Depth: 0", body=body.encode()).status in (200, 207)
    ask.close()


def test_what_was_stored_does_not_reach_other_elements(tmp_path: Path) -> None:
    """Values are XML of a client's own: they stay within their property."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"")
    ask = Inside(tmp_path / "state.db", {"": root})
    value = (
        "<D:x xmlns:D='urn:mine'><D:response/><status xmlns='DAV:'>HTTP/1.1 404 x</status></D:x>"
        "<y xmlns='urn:y'>]]&gt;&lt;/D:prop&gt;<![CDATA[</D:prop></D:propstat>]]></y>"
    )
    body = (
        f"<p:propertyupdate xmlns:p='DAV:'><p:set><p:prop>{value}</p:prop></p:set>"
        "</p:propertyupdate>"
    )
    assert ask("PROPPATCH", "/file", body=body.encode()).status == 207
    found = ask("PROPFIND", "/file", "Depth: 0").body.decode()
    assert found.count("<D:response><D:href>") == 1
    (response,) = multistatus.parse(found.encode())
    assert [int(one.status) for one in response.propstats] == [200]
    ask.close()

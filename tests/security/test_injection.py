"""Names that try to speak: to end a header, an element, an attribute, a log line."""

import logging
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import etree, html

from davserver.protocol import multistatus
from tests.security.inside import Inside

NAMES = {
    "a header": "a\r\nSet-Cookie: x=1\r\n\r\n<script>alert(1)<script>",
    "a line feed": "a\nb",
    "a carriage return": "a\rb",
    "all control characters": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028",
    "an element": "</D:href><D:status>HTTP/1.1 200 OK</D:status>".replace("/", "\u2215"),
    "markup": "<img src=x onerror=alert(1)>",
    "an attribute": '" onmouseover="alert(1)" x=\'',
    "an entity": "&lt;&#x3c;&amp;",
    "the end of CDATA": "]]><!--",
    "a script's address": "javascript:alert(1)",
    "a network address": "\\\\evil.example\\x",
    "bytes that are not UTF-8": "a\udcff\udcc3",
    "right to left": "\u202egnp.exe",
    "a format": "%s %n {0} ${x} %(a)s",
    "a media type": "x.a\r\nb",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_says_nothing_but_itself(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    root = tmp_path / "root"
    root.mkdir()
    ask = Inside(tmp_path / "state.db", {"": root})
    url = "/" + quote(name.encode("utf-8", "surrogateescape"), safe="")
    answers = [
        ask("PUT", url, body=b"content"),
        ask("GET", url),
        ask("HEAD", url),
        ask("GET", url, "Range: bytes=0-1,3-4"),
        ask("PROPFIND", "/", "Depth: 1"),
        ask("GET", "/"),
        ask("MKCOL", url),
        ask("PUT", f"{url}/below/x", body=b""),
        ask("DELETE", f"{url}/"),
        ask("COPY", url, f"Destination: {url}.copy"),
        ask("MOVE", f"{url}.copy", f"Destination: {url}/x"),
        ask("LOCK", url, body=b"nonsense"),
        ask("OPTIONS", url),
    ]
    for answer in answers:
        assert answer.status < 500
        for header, value in answer.headers.items():
            assert re.fullmatch(r"[a-z-]+", header)
            assert re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value)
        assert "set-cookie" not in answer.headers
    responses = multistatus.parse(answers[4].body)
    assert {one.href for one in responses} == {"/", url}
    shown = etree.fromstring(answers[4].body).xpath("//*[local-name() = 'displayname']/text()")
    assert multistatus.clean(name) in shown or "\r" in name
    _check_page(answers[5].body)
    for record in caplog.records:
        if record.name.startswith("davserver"):
            assert record.getMessage().isprintable(), record.getMessage()
    ask.close()


def _check_page(page: bytes) -> None:
    """Nothing in a listing acts, and every link leads to this server."""
    read = html.fromstring(page)
    allowed = {"html", "head", "meta", "base", "title", "body", "h1", "ul", "li", "a"}
    for element in read.iter():
        assert element.tag in allowed
        assert not [name for name in element.attrib if str(name).startswith("on")]
    for link in read.iter("a"):
        assert re.fullmatch(r"[A-Za-z0-9._~%-]+/?", str(link.get("href")))


def test_a_reflected_target_is_only_text(tmp_path: Path) -> None:
    ask = Inside(tmp_path / "state.db", {"": tmp_path})
    for target in ("/<script>alert(1)</script>", "/%3Cscript%3E", "/a%0d%0aSet-Cookie:x"):
        for method in ("GET", "MKCOL", "PUT", "COPY"):
            answer = ask(method, f"{target}/x/", "Destination: /<script>/x/y")
            assert b"<script" not in answer.body
            kind = answer.headers.get("content-type", "text/plain")
            assert kind.startswith(("text/plain", "application/xml"))
            assert "set-cookie" not in answer.headers
    ask.close()


def test_a_stored_media_type_cannot_end_a_header(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    ask = Inside(tmp_path / "state.db", {"": root})
    for value in (
        "text/html&#13;&#10;Set-Cookie: x=1",
        "text/html&#10;x",
        "a/b é",
        "é/b",
        "a/b;&#9;c",
    ):
        body = (
            "<propertyupdate xmlns='DAV:'><set><prop><getcontenttype>"
            f"{value}</getcontenttype></prop></set></propertyupdate>"
        )
        assert ask("PROPPATCH", "/file", body=body.encode()).status == 207
        for fields in ((), ("Range: bytes=0-0,3-3",)):
            answer = ask("GET", "/file", *fields)
            assert answer.status in (200, 206)
            for text in answer.headers.values():
                assert re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text)
            assert b"Set-Cookie" not in answer.body
    for value in ("de&#13;&#10;Set-Cookie: x=1", "de, en"):
        body = (
            "<propertyupdate xmlns='DAV:'><set><prop><getcontentlanguage>"
            f"{value}</getcontentlanguage></prop></set></propertyupdate>"
        )
        ask("PROPPATCH", "/file", body=body.encode())
        found = ask("GET", "/file").headers.get("content-language", "")
        assert re.fullmatch(r"[\x20-\x7e]*", found)
    ask.close()

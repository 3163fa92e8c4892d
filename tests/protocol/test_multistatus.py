"""The 207: what is written reads back the same, here and by lxml."""

from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from davserver.protocol import documents, faults, multistatus
from davserver.protocol.faults import Fault
from davserver.protocol.multistatus import Propstat, Response
from tests.protocol import values
from tests.protocol.elements import ELEMENTS

TEXT = values.XML_TEXT
TRIMMED = TEXT.map(str.strip)
"""Hrefs are URIs: they neither begin nor end with white space."""

CONDITIONS = st.sampled_from(
    ["", "lock-token-submitted", "no-conflicting-lock", "cannot-modify-protected-property"]
)
STATUSES = st.sampled_from(list(HTTPStatus))

PROPSTATS = st.builds(
    Propstat,
    STATUSES,
    st.lists(ELEMENTS.map(documents.standalone), max_size=2).map(tuple),
    CONDITIONS,
    TEXT,
)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    condition = draw(CONDITIONS)
    hrefs = draw(st.lists(TRIMMED, max_size=2).map(tuple)) if condition else ()
    status = draw(st.none() | STATUSES)
    propstats: tuple[Propstat, ...] = ()
    if status is None:
        propstats = tuple(draw(st.lists(PROPSTATS, max_size=3)))
    return Response(draw(TRIMMED), status, propstats, condition, hrefs, draw(TEXT))


def written(all_of_them: list[Response]) -> bytes:
    return b"".join(multistatus.stream(map(multistatus.render, all_of_them)))


@settings(max_examples=150, deadline=None)
@given(st.lists(responses(), max_size=3))
def test_what_is_written_reads_back_the_same(expected: list[Response]) -> None:
    assert list(multistatus.parse(written(expected))) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(responses(), max_size=3))
def test_lxml_reads_the_same(expected: list[Response]) -> None:
    root = etree.fromstring(written(expected))
    assert root.tag == "{DAV:}multistatus"
    found = root.findall("{DAV:}response")
    assert [one.findtext("{DAV:}href") for one in found] == [one.href for one in expected]
    for one, response in zip(found, expected, strict=True):
        stats = one.findall("{DAV:}propstat")
        assert len(stats) == len(response.propstats)
        for stat, propstat in zip(stats, response.propstats, strict=True):
            line = stat.findtext("{DAV:}status") or ""
            assert line.split(" ")[:2] == ["HTTP/1.1", str(propstat.status.value)]
            prop = stat.find("{DAV:}prop")
            assert prop is not None
            assert tuple(map(documents.standalone, prop)) == propstat.properties
        description = one.findtext("{DAV:}responsedescription") or ""
        assert description == response.description
        hrefs = one.findall("{DAV:}error/*/{DAV:}href")
        assert [href.text or "" for href in hrefs] == list(response.condition_hrefs)


@given(values.ANY_TEXT)
def test_any_text_becomes_text_that_xml_can_hold(text: str) -> None:
    read = etree.fromstring(f"<a>{multistatus.text(text)}</a>")
    assert (read.text or "") == multistatus.clean(text)
    assert len(multistatus.clean(text)) == len(text)


def test_a_fault_is_a_response() -> None:
    found = multistatus.failure("/a", faults.locked(["/a/", "/b"]))
    assert (found.status, found.condition) == (HTTPStatus.LOCKED, "lock-token-submitted")
    assert found.condition_hrefs == ("/a/", "/b")
    assert list(multistatus.parse(written([found]))) == [found]


def test_blocks_are_given_out_while_the_listing_goes_on() -> None:
    blocks = list(multistatus.stream(["x" * 1000] * 300))
    assert len(blocks) > 4
    assert max(map(len, blocks)) < multistatus.BLOCK + 2000
    assert b"".join(blocks).count(b"x") >= 300_000


def test_names_become_elements_in_any_namespace() -> None:
    for name in ("{DAV:}getetag", "{urn:x}a", "{http://h/?a&b'c}a", "a"):
        document = f"<D:p xmlns:D='DAV:'>{multistatus.element(name, '1')}</D:p>"
        (found,) = etree.fromstring(document)
        assert (found.tag, found.text) == (name, "1")
        document = f"<D:p xmlns:D='DAV:'>{multistatus.element(name)}</D:p>"
        assert etree.fromstring(document)[0].tag == name


def test_a_207_of_another_server_is_read() -> None:
    body = b"""<?xml version="1.0"?>
    <!-- c --><multistatus xmlns="DAV:"><responsedescription>x</responsedescription>
      <response><href> /a%20b </href><href>/c</href><status>HTTP/1.0 507 Full</status></response>
      <response><href>/d</href><propstat><prop><getetag>"e"</getetag></prop>
        <status>HTTP/1.1 200</status></propstat></response></multistatus>"""
    first, second = multistatus.parse(body)
    assert (first.href, first.status) == ("/a%20b", HTTPStatus.INSUFFICIENT_STORAGE)
    assert second.propstats[0].status is HTTPStatus.OK
    assert etree.fromstring(second.propstats[0].properties[0]).text == '"e"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<multistatus/>",
        b"<D:prop xmlns:D='DAV:'/>",
        b"<D:multistatus xmlns:D='DAV:'><D:response><D:status>200</D:status></D:response>"
        b"</D:multistatus>",
    ],
)
def test_what_is_no_207_is_400(body: bytes) -> None:
    with pytest.raises(Fault, match="400"):
        multistatus.parse(body)

"""What PROPPATCH may change, and what becomes of the rest (RFC 4918 section 9.2)."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import properties
from davserver.protocol.documents import Change
from davserver.protocol.properties import LIVE
from tests.protocol import values

PROTECTED = (
    *("getcontentlength", "getetag", "lockdiscovery", "resourcetype", "supportedlock"),
    *("quota-available-bytes", "quota-used-bytes"),
)


def change(name: str, text: str | None = "") -> Change:
    return Change(name, None if text is None else "<x/>", text or "")


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_properties_are_neither_set_nor_removed(name: str) -> None:
    for text in ("1", None):
        fault = properties.refusal(change(f"{{DAV:}}{name}", text))
        assert fault is not None
        assert fault.status is HTTPStatus.FORBIDDEN
        assert fault.condition == "cannot-modify-protected-property"


def test_everything_else_may_be_removed_but_a_files_time() -> None:
    for name in set(LIVE) - {f"{{DAV:}}{one}" for one in PROTECTED}:
        fault = properties.refusal(change(name, None))
        assert (fault is not None) is (name == "{DAV:}getlastmodified")
    assert properties.refusal(change("{urn:x}a", None)) is None
    assert properties.refusal(change("getetag", "1")) is None


VALUES: dict[str, tuple[str, str, bool]] = {
    "a display name": ("displayname", "anything <at> all", True),
    "a language": ("getcontentlanguage", "de-CH, en", True),
    "no language": ("getcontentlanguage", "de\r\nX: y", False),
    "an empty language": ("getcontentlanguage", "", False),
    "a media type": ("getcontenttype", "text/plain; charset=utf-8", True),
    "no media type": ("getcontenttype", "text", False),
    "a media type that ends the header": ("getcontenttype", "text/plain\r\nX: y", False),
    "a media type with a letter of another script": ("getcontenttype", "text/plain; a=é", False),
    "a time": ("getlastmodified", "Sun, 06 Nov 1994 08:49:37 GMT", True),
    "no time": ("getlastmodified", "yesterday", False),
    "a date of creation": ("creationdate", "1994-11-06T08:49:37Z", True),
    "a date of creation with an offset": ("creationdate", "1994-11-06T08:49:37.5+01:00", True),
    "no date of creation": ("creationdate", "06.11.1994", False),
    "white space around a value": ("creationdate", " 1994-11-06T08:49:37Z\n", True),
}


@pytest.mark.parametrize(("name", "text", "taken"), VALUES.values(), ids=VALUES)
def test_a_live_property_takes_only_what_it_can_mean(name: str, text: str, taken: bool) -> None:
    fault = properties.refusal(change(f"{{DAV:}}{name}", text))
    assert (fault is None) is taken
    assert fault is None or fault.status is HTTPStatus.CONFLICT


@given(st.sampled_from(sorted(LIVE)), values.XML_TEXT)
def test_any_value_is_taken_or_refused(name: str, text: str) -> None:
    fault = properties.refusal(change(name, text))
    assert fault is None or fault.status in (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)


def outcome(*changes: Change) -> dict[str, tuple[int, str]]:
    found = {}
    for one in properties.patched(changes):
        for xml in one.properties:
            found[xml] = (int(one.status), one.condition)
    return found


def test_all_is_done_or_nothing() -> None:
    a, b = change("{DAV:}displayname", "x"), change("{DAV:}getcontentlanguage", "de")
    assert set(outcome(a, b).values()) == {(200, "")}
    assert properties.succeeded(properties.patched((a, b)))
    protected = change("{DAV:}getetag", "x")
    assert outcome(a, protected, b) == {
        "<D:displayname/>": (424, ""),
        "<D:getetag/>": (403, "cannot-modify-protected-property"),
        "<D:getcontentlanguage/>": (424, ""),
    }
    assert not properties.succeeded(properties.patched((a, protected)))
    wrong = change("{DAV:}creationdate", "x")
    assert {status for status, _ in outcome(wrong, protected).values()} == {409, 403}


def test_a_name_is_told_once_however_often_it_is_changed() -> None:
    again = [change("{DAV:}displayname", text) for text in ("a", None, "b")]
    assert outcome(*again) == {"<D:displayname/>": (200, "")}
    (one,) = properties.patched(again)
    assert len(one.properties) == 1


def test_the_text_of_a_stored_property() -> None:
    stored = {
        "{DAV:}getcontenttype": "<D:getcontenttype xmlns:D='DAV:'> a<b/>/b </D:getcontenttype>"
    }
    assert properties.stored_text(stored, "{DAV:}getcontenttype") == "a/b"
    assert properties.stored_text(stored, "{DAV:}getcontentlanguage") is None

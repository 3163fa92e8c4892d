"""XML bodies become values."""

import pytest
from hypothesis import given, settings
from lxml import etree

from davserver.protocol import documents, multistatus
from davserver.protocol.documents import ALLPROP, Lockinfo, Propfind
from davserver.protocol.faults import Fault
from tests.protocol import values
from tests.protocol.elements import ELEMENTS

PROPFIND = {
    "an empty body": ("", ALLPROP),
    "white space alone": (" \r\n", ALLPROP),
    "allprop": ("<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>", ALLPROP),
    "propname": ("<propfind xmlns='DAV:'><propname/></propfind>", Propfind("propname")),
    "names, each once, in their order": (
        "<D:propfind xmlns:D='DAV:'><D:prop><D:getetag/><x xmlns='urn:x'/><y/><D:getetag/>"
        "</D:prop></D:propfind>",
        Propfind("prop", ("{DAV:}getetag", "{urn:x}x", "y")),
    ),
    "no names": (
        "<D:propfind xmlns:D='DAV:'><D:prop/></D:propfind>",
        Propfind("prop", ()),
    ),
    "allprop with include": (
        "<D:propfind xmlns:D='DAV:'><D:allprop/><D:include><D:acl/></D:include></D:propfind>",
        Propfind("allprop", ("{DAV:}acl",)),
    ),
    "include before allprop": (
        "<D:propfind xmlns:D='DAV:'><D:include><D:acl/></D:include><D:allprop/></D:propfind>",
        Propfind("allprop", ("{DAV:}acl",)),
    ),
    "comments and processing instructions": (
        "<?xml version='1.0'?><!-- a --><?p?><D:propfind xmlns:D='DAV:'><!-- b --><D:prop><?q?>"
        "<!-- c --><D:getetag/></D:prop></D:propfind><!-- d -->",
        Propfind("prop", ("{DAV:}getetag",)),
    ),
    "unknown elements and attributes are passed over": (
        "<D:propfind xmlns:D='DAV:' xmlns:e='urn:e' e:a='1'><e:x><D:prop/></e:x><D:propname/>"
        "</D:propfind>",
        Propfind("propname"),
    ),
    "UTF-16": (
        "<?xml version='1.0' encoding='utf-16'?><propfind xmlns='DAV:'><propname/></propfind>",
        Propfind("propname"),
    ),
}


@pytest.mark.parametrize(("text", "expected"), PROPFIND.values(), ids=PROPFIND)
def test_propfind(text: str, expected: Propfind) -> None:
    body = text.encode("utf-16" if "utf-16" in text else "utf-8")
    assert documents.propfind(body) == expected


WRONG = {
    "text": "hello",
    "an open element": "<D:propfind xmlns:D='DAV:'>",
    "a prefix that is not declared": "<D:propfind><D:allprop/></D:propfind>",
    "another root": "<D:prop xmlns:D='DAV:'/>",
    "a root in another namespace": "<propfind xmlns='dav:'><allprop/></propfind>",
    "a root in no namespace": "<propfind><allprop/></propfind>",
    "nothing asked": "<D:propfind xmlns:D='DAV:'/>",
    "two things asked": "<D:propfind xmlns:D='DAV:'><D:allprop/><D:propname/></D:propfind>",
    "prop twice": "<D:propfind xmlns:D='DAV:'><D:prop/><D:prop/></D:propfind>",
    "include without allprop": "<D:propfind xmlns:D='DAV:'><D:include/></D:propfind>",
    "a null byte": "<D:propfind xmlns:D='DAV:'>\0<D:allprop/></D:propfind>",
    "an unknown entity": "<D:propfind xmlns:D='DAV:'>&x;<D:allprop/></D:propfind>",
    "two roots": "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind><a/>",
    "an unknown encoding": "<?xml version='1.0' encoding='klingon'?><a/>",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_propfind_is_400(text: str) -> None:
    with pytest.raises(Fault) as refused:
        documents.propfind(text.encode())
    assert refused.value.status == 400


def test_a_propertyupdate_keeps_the_order_of_its_instructions() -> None:
    body = (
        b"<D:propertyupdate xmlns:D='DAV:' xmlns:x='urn:x'><D:set><D:prop><x:a>1</x:a><x:b/>"
        b"</D:prop></D:set><x:other/><D:remove><D:prop><x:a/></D:prop></D:remove>"
        b"<D:set><D:prop><x:a>2</x:a></D:prop></D:set></D:propertyupdate>"
    )
    found = documents.propertyupdate(body)
    assert [(one.name, one.value is None, one.text) for one in found] == [
        ("{urn:x}a", False, "1"),
        ("{urn:x}b", False, ""),
        ("{urn:x}a", True, ""),
        ("{urn:x}a", False, "2"),
    ]


def test_a_propertyupdate_that_changes_nothing_is_400() -> None:
    for inner in ("", "<D:set/>", "<D:set><D:prop/></D:set>", "<D:other/>"):
        body = f"<D:propertyupdate xmlns:D='DAV:'>{inner}</D:propertyupdate>"
        with pytest.raises(Fault, match="400"):
            documents.propertyupdate(body.encode())


def lockinfo(inner: str) -> Lockinfo:
    return documents.lockinfo(f"<D:lockinfo xmlns:D='DAV:'>{inner}</D:lockinfo>".encode())


WRITE = "<D:locktype><D:write/></D:locktype>"
EXCLUSIVE = f"<D:lockscope><D:exclusive/></D:lockscope>{WRITE}"


def test_lockinfo() -> None:
    shared = f"<D:lockscope><D:shared/></D:lockscope>{WRITE}"
    owner = "<D:owner>\n <D:href>mailto:me</D:href> &amp; <x xmlns='urn:x'/></D:owner>"
    assert lockinfo(EXCLUSIVE) == Lockinfo(True, "")
    assert lockinfo(shared).exclusive is False
    kept = etree.fromstring(f"<p xmlns:D='DAV:'>{lockinfo(EXCLUSIVE + owner).owner}</p>")
    assert kept.xpath("string()") == "\n mailto:me & "
    assert kept.find("{DAV:}owner/{urn:x}x") is not None


@pytest.mark.parametrize(
    "inner",
    [
        "",
        WRITE,
        "<D:lockscope><D:exclusive/></D:lockscope>",
        f"<D:lockscope/>{WRITE}",
        f"<D:lockscope><D:exclusive/><D:shared/></D:lockscope>{WRITE}",
        "<D:lockscope><D:shared/></D:lockscope><D:locktype><D:read/></D:locktype>",
        f"{EXCLUSIVE}<D:owner>{'a' * 9000}</D:owner>",
    ],
)
def test_a_wrong_lockinfo_is_400(inner: str) -> None:
    with pytest.raises(Fault, match="400"):
        lockinfo(inner)


def value_of(prop: str, attributes: str = "") -> str:
    """The value that a PROPPATCH keeps of one property element."""
    body = f"<D:propertyupdate xmlns:D='DAV:'{attributes}><D:set><D:prop>{prop}</D:prop></D:set>"
    (change,) = documents.propertyupdate(f"{body}</D:propertyupdate>".encode())
    assert change.value is not None
    return change.value


def placed(value: str) -> documents.Element:
    """A kept value, read where answers put it."""
    frame = multistatus.HEAD + value + multistatus.TAIL
    return documents.read(frame.encode())[0]


def test_a_namespace_that_is_used_only_in_content_is_kept() -> None:
    kept = placed(value_of("<x:a xmlns:x='urn:x'>q:name</x:a>", " xmlns:q='urn:q'"))
    assert kept.nsmap["q"] == "urn:q"
    assert kept.text == "q:name"


def test_the_prefix_d_keeps_its_meaning() -> None:
    other = placed(value_of("<D:a xmlns:D='urn:other'>D:b<D:c/></D:a>"))
    assert (other.tag, other.nsmap["D"], other[0].tag) == (
        "{urn:other}a",
        "urn:other",
        "{urn:other}c",
    )
    ours = placed(value_of("<a xmlns='urn:x' D:k='1'>D:b</a>"))
    assert ours.nsmap["D"] == "DAV:"
    assert dict(ours.attrib) == {"{DAV:}k": "1"}


def test_no_namespace_within_a_default_namespace_is_kept() -> None:
    body = (
        b"<propertyupdate xmlns='DAV:'><set><prop><a xmlns=''>1<b xmlns='urn:b'><c xmlns=''/></b>"
        b"</a></prop></set></propertyupdate>"
    )
    (change,) = documents.propertyupdate(body)
    assert change.name == "a"
    kept = placed(change.value or "")
    assert [one.tag for one in kept.iter()] == ["a", "{urn:b}b", "c"]


LANG = "{http://www.w3.org/XML/1998/namespace}lang"
LANGUAGES = {
    "on the property": ("<x xmlns='urn:x' xml:lang='de'/>", "", "de"),
    "in scope above it": ("<x xmlns='urn:x'/>", " xml:lang='fr'", "fr"),
    "the nearest counts": ("<x xmlns='urn:x' xml:lang='de'/>", " xml:lang='fr'", "de"),
    "taken back": ("<x xmlns='urn:x' xml:lang=''/>", " xml:lang='fr'", ""),
    "none": ("<x xmlns='urn:x'/>", "", None),
}


@pytest.mark.parametrize(("prop", "attributes", "lang"), LANGUAGES.values(), ids=LANGUAGES)
def test_the_language_in_scope_is_kept(prop: str, attributes: str, lang: str | None) -> None:
    assert placed(value_of(prop, attributes)).get(LANG) == lang


def test_mixed_content_and_white_space_are_kept() -> None:
    prop = "<x xmlns='urn:x'>\n  a <b> c </b>\t&#13;d\n<b/> e&lt;&amp;<![CDATA[<f>]]></x>"
    kept = placed(value_of(prop))
    assert kept.text == "\n  a "
    assert [(one.text, one.tail) for one in kept] == [
        (" c ", "\t\rd\n"),
        (None, " e<&<f>"),
    ]


Meaning = tuple[object, ...]


def meaning(element: documents.Element) -> Meaning:
    """All that an element says, whatever its prefixes: those in scope count, since they may stand
    in content; `D`, which every answer of ours declares, does not.
    """
    scope = {prefix: uri for prefix, uri in element.nsmap.items() if uri}
    if scope.get("D") == documents.DAV:
        del scope["D"]
    members = [(meaning(child), child.tail or "") for child in element]
    return element.tag, dict(element.attrib), element.text or "", scope, members


@settings(max_examples=200, deadline=None)
@given(ELEMENTS)
def test_any_value_keeps_its_meaning_and_stands_still(element: documents.Element) -> None:
    once = documents.standalone(element)
    again = placed(once)
    assert meaning(again) == meaning(element)
    assert documents.standalone(again) == once


@pytest.mark.parametrize("space", ["a b", "%zz", 'urn:"x', "x", ":", "[", "é", "http://[/", " "])
def test_a_strange_namespace_is_kept_or_refused(space: str) -> None:
    uri = space.replace('"', "&quot;")
    prop = f'<x:a xmlns:x="{uri}">x:b</x:a>'
    body = f"<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop>{prop}</D:prop></D:set>"
    found: list[documents.Change] = []
    if values.refused(
        lambda: found.extend(documents.propertyupdate(f"{body}</D:propertyupdate>".encode()))
    ):
        return
    (change,) = found
    assert placed(change.value or "").tag == change.name == f"{{{space}}}a"
    assert placed(multistatus.element(change.name)).tag == change.name


def test_names_are_split() -> None:
    assert documents.split("{urn:x}a") == ("urn:x", "a")
    assert documents.split("a") == ("", "a")

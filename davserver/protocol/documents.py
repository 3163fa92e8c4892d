"""XML bodies become values here: propfind, propertyupdate, lockinfo, and dead property values.

lxml is the reader. It expands no entities and knows no network; any DOCTYPE is refused, because no
client needs one and every XML attack does. Unknown elements, comments and processing instructions
are passed over (RFC 4918 section 17).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from lxml import etree

from davserver.protocol import faults

Element: TypeAlias = etree._Element

DAV = "DAV:"
LARGEST_BODY = 1 << 20
"""Bytes that an XML body may have."""
LARGEST_VALUES = 4 << 20
"""Characters that all values of a request may have: each carries the namespaces in scope along."""
MOST_ELEMENTS = 10_000
MOST_PROPERTIES = 1_000
MOST_NAMESPACES = 100
"""Declarations in scope at a time: each property that is set carries them all along."""
MOST_ATTRIBUTES = 100
DEEPEST = 64
LONGEST_OWNER = 8192
"""Characters of XML that the owner of a lock may have."""
_USUAL = 1 << 10
"""Bytes of a lockinfo up to which it is kept: a client sends the same one for each of its locks."""

_XML = "http://www.w3.org/XML/1998/namespace"
_LANG = f"{{{_XML}}}lang"
_FRAME: Mapping[str | None, str] = {"D": DAV}
"""What every answer of ours declares."""

_SPECIAL = re.compile("[&<>\r]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


@dataclass(frozen=True, slots=True)
class Propfind:
    """RFC 4918 section 14.20. ``names`` are the asked properties as `{namespace}name`: those of
    `prop`, or those of `include` beside `allprop`.
    """

    kind: str
    names: tuple[str, ...] = ()


ALLPROP = Propfind("allprop")


@dataclass(frozen=True, slots=True)
class Change:
    """One instruction of a PROPPATCH, in document order. ``value`` is the property element as XML
    that stands on its own, and None where the property is to be removed.
    """

    name: str
    value: str | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Lockinfo:
    """RFC 4918 section 14.11. ``owner`` is the XML of the owner element, or empty."""

    exclusive: bool
    owner: str


def propfind(body: bytes) -> Propfind:
    """Read what a PROPFIND asks for; an empty body asks for all (RFC 4918 section 9.1).

    Raises Fault 400, or 413 beyond the limits.
    """
    if not body.strip():
        return ALLPROP
    root = _parse(body, "propfind")
    asked = [child for child in root if child.tag in _PROPFIND_CHILDREN]
    kinds = [etree.QName(child).localname for child in asked]
    if sorted(kinds) == ["allprop", "include"]:
        include = asked[kinds.index("include")]
        return Propfind("allprop", _names(include))
    if kinds == ["prop"]:
        return Propfind("prop", _names(asked[0]))
    if kinds in (["allprop"], ["propname"]):
        return Propfind(kinds[0])
    raise faults.bad_document(
        "A propfind element holds one of prop, propname, and allprop (with or without include)."
    )


def propertyupdate(body: bytes) -> tuple[Change, ...]:
    """Read the instructions of a PROPPATCH (RFC 4918 section 14.19). Raises Fault 400 or 413."""
    root = _parse(body, "propertyupdate")
    changes: list[Change] = []
    size = 0
    for instruction in root:
        if instruction.tag not in (f"{{{DAV}}}set", f"{{{DAV}}}remove"):
            continue
        removes = instruction.tag == f"{{{DAV}}}remove"
        for prop in instruction.iterchildren(f"{{{DAV}}}prop"):
            for element in prop:
                if removes:
                    changes.append(Change(_name(element), None))
                    continue
                value = standalone(element)
                size += len(value)
                if size > LARGEST_VALUES:
                    raise faults.too_large("The properties are too large together.")
                changes.append(Change(_name(element), value, "".join(element.itertext())))
    if not changes:
        raise faults.bad_document("A propertyupdate element names the properties to set or remove.")
    if len(changes) > MOST_PROPERTIES:
        raise faults.too_large(f"More than {MOST_PROPERTIES} properties in one request.")
    return tuple(changes)


def lockinfo(body: bytes) -> Lockinfo:
    """Read what a LOCK wants (RFC 4918 section 14.11). Raises Fault 400 or 413."""
    return _kept_lockinfo(body) if len(body) <= _USUAL else _lockinfo(body)


def _lockinfo(body: bytes) -> Lockinfo:
    root = _parse(body, "lockinfo")
    scope = root.find(f"{{{DAV}}}lockscope")
    kind = root.find(f"{{{DAV}}}locktype")
    scopes = [] if scope is None else [child.tag for child in scope if child.tag in _SCOPES]
    if len(scopes) != 1 or kind is None or kind.find(f"{{{DAV}}}write") is None:
        raise faults.bad_document(
            "A lockinfo element holds a lockscope, exclusive or shared, and the locktype write."
        )
    owner = root.find(f"{{{DAV}}}owner")
    text = "" if owner is None else standalone(owner)
    if len(text) > LONGEST_OWNER:
        raise faults.bad_document(f"The owner of a lock has at most {LONGEST_OWNER} characters.")
    return Lockinfo(_SCOPES[scopes[0]], text)


_kept_lockinfo = lru_cache(64)(_lockinfo)


def standalone(element: Element) -> str:
    """The XML of an element that means the same in any answer of ours.

    It declares every namespace in scope, since prefixes may stand in content (RFC 4918 section
    4.3), but for `D`, which our answers declare for `DAV:`. It carries the `xml:lang` in scope.
    What it gives for its own result, read back out of an answer, is that result.
    """
    languages = (one.get(_LANG) for one in (element, *element.iterancestors()))
    lang = next((lang for lang in languages if lang is not None), None)
    parts: list[str] = []
    _write(element, dict(_FRAME), parts, {} if lang is None else {_LANG: lang})
    return "".join(parts)


def read_standalone(xml: str) -> Element:
    """The element that `standalone` has written. Raises Fault 400."""
    return read(f'<D:value xmlns:D="{DAV}">{xml}</D:value>'.encode())[0]


def read_only(xml: str) -> Element:
    """The one element that a text from elsewhere is. Raises Fault 400."""
    try:
        root = read(f'<D:value xmlns:D="{DAV}">{xml}</D:value>'.encode())
    except UnicodeEncodeError as error:
        raise faults.bad_document("This is no text.") from error
    if len(root) != 1 or (root.text or "").strip() or (root[0].tail or "").strip():
        raise faults.bad_document("This is not one element.")
    return root[0]


def read(body: bytes) -> Element:
    """Parse a document that this server may have written. Raises Fault 400 or 413."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise faults.bad_document("The request body is not well-formed XML.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise faults.bad_document("A document type declaration is not accepted.")
    return root


_SCOPES: dict[str | bytes | bytearray | etree.QName, bool] = {
    f"{{{DAV}}}exclusive": True,
    f"{{{DAV}}}shared": False,
}
_PROPFIND_CHILDREN = frozenset(f"{{{DAV}}}{n}" for n in ("allprop", "include", "prop", "propname"))


def _parse(body: bytes, expected: str) -> Element:
    if len(body) > LARGEST_BODY:
        raise faults.too_large(f"An XML body has at most {LARGEST_BODY} bytes.")
    root = read(body)
    if root.tag != f"{{{DAV}}}{expected}":
        raise faults.bad_document(f"The root of the XML body must be the DAV: element {expected}.")
    _limit(root)
    return root


def _limit(root: Element) -> None:
    """Raises Fault 413 for a document that is deeper or larger than any client needs."""
    depth = count = namespaces = 0
    for event, element in etree.iterwalk(root, events=("start", "end", "start-ns", "end-ns")):
        depth += (event == "start") - (event == "end")
        namespaces += (event == "start-ns") - (event == "end-ns")
        count += event == "start"
        attributes = len(element.attrib) if isinstance(element, etree._Element) else 0
        if (
            depth > DEEPEST
            or count > MOST_ELEMENTS
            or namespaces > MOST_NAMESPACES
            or attributes > MOST_ATTRIBUTES
        ):
            raise faults.too_large(
                f"An XML body has at most {MOST_ELEMENTS} elements, {DEEPEST} deep, with "
                f"{MOST_NAMESPACES} namespaces in scope and {MOST_ATTRIBUTES} attributes each."
            )


def _names(prop: Element) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_name(element) for element in prop))
    if len(names) > MOST_PROPERTIES:
        raise faults.too_large(f"More than {MOST_PROPERTIES} properties in one request.")
    return names


def _name(element: Element) -> str:
    """`{namespace}name`, or just the name of an element in no namespace."""
    tag = element.tag
    return tag if isinstance(tag, str) else str(tag)


def _write(
    element: Element,
    scope: dict[str | None, str],
    parts: list[str],
    extra: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Add the text of an element to ``parts``; ``scope`` has the namespaces declared around it."""
    namespaces = {prefix: uri for prefix, uri in element.nsmap.items() if uri}
    head = [_qualified(element.prefix, split(str(element.tag))[1])]
    if scope.get(None) and element.prefix is None and not str(element.tag).startswith("{"):
        head.append('xmlns=""')
        scope = {prefix: uri for prefix, uri in scope.items() if prefix is not None}
    for prefix, uri in sorted(namespaces.items(), key=lambda item: item[0] or ""):
        if scope.get(prefix) != uri:
            head.append(f"{f'xmlns:{prefix}' if prefix else 'xmlns'}={_quoted(uri)}")
    scope = {**scope, **namespaces}
    attributes = {str(name): str(value) for name, value in element.attrib.items()} | dict(extra)
    for name, value in sorted(attributes.items()):
        namespace, local = split(name)
        head.append(f"{_qualified(_prefix(namespace, scope), local)}={_quoted(value)}")
    inner: list[str] = [escape(element.text or "")]
    for child in element:
        if isinstance(child.tag, str):
            _write(child, scope, inner)
        inner.append(escape(child.tail or ""))
    content = "".join(inner)
    start = " ".join(head)
    parts.append(f"<{start}>{content}</{head[0]}>" if content else f"<{start}/>")


def _prefix(namespace: str, scope: Mapping[str | None, str]) -> str | None:
    """A prefix for the namespace of an attribute: a default one does not count for attributes."""
    if not namespace:
        return None
    if namespace == _XML:
        return "xml"
    return min(prefix for prefix, uri in scope.items() if prefix and uri == namespace)


def _qualified(prefix: str | None, local: str) -> str:
    return f"{prefix}:{local}" if prefix else local


def _quoted(value: str) -> str:
    text = escape(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{text}"'


def escape(text: str) -> str:
    """Character data. A carriage return would be read back as a line feed."""
    if not _SPECIAL.search(text):
        return text
    return _SPECIAL.sub(lambda match: _ENTITIES[match[0]], text)


def split(name: str) -> tuple[str, str]:
    """The namespace, or an empty string, and the local name of a property."""
    namespace, brace, local = name.removeprefix("{").rpartition("}")
    return (namespace, local) if brace else ("", name)

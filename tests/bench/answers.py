"""Judges what a server answered: a fast wrong answer is not fast.

Answers are judged with the clock stopped. This module knows WebDAV's XML and nothing of the
servers; what a listing has to hold is told by the one who laid the tree.
"""

import io
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from tests.bench.client import Answer

DAV = "{DAV:}"
RESPONSE_END = re.compile(rb"</(?:[\w.-]+:)?response>")
OK = re.compile(r"HTTP/1\.[01] 200\b")


class Wrong(Exception):
    """The server did not do what it was asked; the text says what is amiss."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a listing has to hold.

    ``members`` maps every path, without slashes at its ends, to its size in bytes or None for a
    collection; the listed collection itself is one of them. ``properties`` has what every file
    has to carry in addition: Clark name to text, None for a value that is only to be there.
    """

    members: Mapping[str, int | None]
    properties: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Member:
    """One response element: its decoded path and the properties that were found (status 200)."""

    path: str
    collection: bool
    properties: Mapping[str, str]


def status(answer: Answer, *allowed: int) -> None:
    """Raise Wrong unless the status is one of those allowed."""
    if answer.status not in allowed:
        wanted = " or ".join(map(str, allowed))
        raise Wrong(f"answered {answer.status}, not {wanted}")


def count(answer: Answer, expected: Expected) -> None:
    """The cheap look at a listing, for every answer. Raises Wrong."""
    status(answer, 207)
    found, wanted = len(RESPONSE_END.findall(answer.body)), len(expected.members)
    if found != wanted:
        raise Wrong(f"{found} response elements, not {wanted}")
    files = sum(size is not None for size in expected.members.values())
    for name, text in expected.properties.items():
        if text is not None and answer.body.count(text.encode()) != files:
            raise Wrong(f"{name} is not there for each of {files} files")


def listing(answer: Answer, expected: Expected) -> None:
    """The thorough look: every member by its path, kind, size and properties. Raises Wrong."""
    count(answer, expected)
    missing = dict(expected.members)
    for member in members(answer.body):
        if member.path not in missing:
            raise Wrong(f"lists {member.path!r}, which is not there or was listed before")
        size = missing.pop(member.path)
        if member.collection != (size is None):
            raise Wrong(f"takes {member.path!r} for another kind of resource")
        if size is None:
            continue
        if member.properties.get(DAV + "getcontentlength") != str(size):
            raise Wrong(f"getcontentlength of {member.path!r} is not {size}")
        for name, text in expected.properties.items():
            found = member.properties.get(name)
            if found is None or text not in {None, found}:
                raise Wrong(f"{name} of {member.path!r} is {found!r}")
    if missing:
        raise Wrong(f"{len(missing)} members are missing, {next(iter(missing))!r} for one")


def members(body: bytes) -> Iterator[Member]:
    """Read a multistatus. Raises Wrong where it is no well-formed XML or a path is missing."""
    events = etree.iterparse(
        io.BytesIO(body), tag=DAV + "response", resolve_entities=False, huge_tree=True
    )
    try:
        for _, element in events:
            properties = found_properties(element)
            kind = element.find(f"{DAV}propstat/{DAV}prop/{DAV}resourcetype/{DAV}collection")
            href = element.findtext(DAV + "href") or ""
            path = urllib.parse.unquote(urllib.parse.urlsplit(href).path).strip("/")
            yield Member(path, kind is not None, properties)
            element.clear()
    except etree.XMLSyntaxError as error:
        raise Wrong(f"no well-formed XML: {error}") from error


def found_properties(response: etree._Element) -> dict[str, str]:
    """The properties of a response that its server has, with the text of each."""
    return {
        str(each.tag): each.text or ""
        for propstat in response.iterfind(DAV + "propstat")
        if OK.match(propstat.findtext(DAV + "status") or "")
        for each in propstat.iterfind(f"{DAV}prop/*")
    }


def stored(answer: Answer) -> None:
    """A PROPPATCH that took everything. Raises Wrong.

    Some servers answer 207 with a 403 inside. The names are not looked at: one answers with other
    ones, and stores the right ones.
    """
    status(answer, 200, 204, 207)
    if answer.status != 207:
        return
    try:
        root = etree.fromstring(answer.body, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise Wrong(f"no well-formed XML: {error}") from error
    found = [each.text or "" for each in root.iter(DAV + "status")]
    if not found or not all(OK.match(each) for each in found):
        raise Wrong(f"did not store a property: {', '.join(found) or 'no status'}")

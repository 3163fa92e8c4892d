"""The 207: written as a stream of bytes, and read back (RFC 4918 section 13).

The text is written by hand, because a listing is most of what a server says and a tree of elements
for each member costs many times the member. The frame is declared once; everything that goes into
it is escaped here or is XML that stands on its own.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from davserver.protocol import documents, faults
from davserver.protocol.faults import Fault

CONTENT_TYPE = 'application/xml; charset="utf-8"'
BLOCK = 1 << 16
"""Characters that are gathered before a block of the stream is given out."""

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
TAIL = "</D:multistatus>"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Propstat:
    """Properties that share one status (RFC 4918 section 14.22).

    ``properties`` are elements as XML that stands on its own. ``condition`` is the local name of a
    DAV precondition code.
    """

    status: HTTPStatus
    properties: tuple[str, ...]
    condition: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The outcome of one resource (RFC 4918 section 14.24): a status, or propstats."""

    href: str
    status: HTTPStatus | None = None
    propstats: tuple[Propstat, ...] = ()
    condition: str = ""
    condition_hrefs: tuple[str, ...] = ()
    description: str = ""


def failure(href: str, fault: Fault) -> Response:
    """The response of a member that failed."""
    return Response(href, fault.status, (), fault.condition, fault.hrefs, fault.sentence)


def stream(responses: Iterable[str]) -> Iterator[bytes]:
    """A whole document around rendered responses, in blocks of about 64 KiB."""
    held = [HEAD]
    size = len(HEAD)
    for response in responses:
        held.append(response)
        size += len(response)
        if size >= BLOCK:
            yield _taken(held)
            size = 0
    held.append(TAIL)
    yield _taken(held)


def _taken(held: list[str]) -> bytes:
    """All of it in one block. Nothing stays, since the reader of the block may take long."""
    block = "".join(held).encode()
    held.clear()
    return block


def render(response: Response) -> str:
    """One response element."""
    parts = [f"<D:response><D:href>{text(response.href)}</D:href>"]
    if response.status is not None:
        parts.append(_status(response.status))
    for one in response.propstats:
        parts.append(propstat(one.status, "".join(one.properties), one.condition, one.description))
    parts.append(error(response.condition, response.condition_hrefs))
    parts.append(_description(response.description))
    parts.append("</D:response>")
    return "".join(parts)


def propstat(
    status: HTTPStatus, properties: str, condition: str = "", description: str = ""
) -> str:
    """One propstat element around properties that are XML already."""
    return (
        f"<D:propstat><D:prop>{properties}</D:prop>{_status(status)}"
        f"{error(condition)}{_description(description)}</D:propstat>"
    )


def error(condition: str, hrefs: Iterable[str] = (), *, frame: str = "<D:error>") -> str:
    """The error element with one condition code (RFC 4918 section 16), or nothing."""
    if not condition:
        return ""
    inner = "".join(f"<D:href>{text(href)}</D:href>" for href in hrefs)
    element = f"<D:{condition}>{inner}</D:{condition}>" if inner else f"<D:{condition}/>"
    return f"{frame}{element}</D:error>"


def clean(value: str) -> str:
    """Text that XML and UTF-8 can hold: anything else becomes U+FFFD."""
    return value if value.isprintable() else _NOT_XML.sub("\ufffd", value)


def text(value: str) -> str:
    """Character data."""
    return documents.escape(clean(value))


def element(name: str, content: str = "") -> str:
    """A property element of a `{namespace}name`, around content that is XML already."""
    namespace, local = documents.split(name)
    if namespace == documents.DAV:
        tag, declaration = f"D:{local}", ""
    elif namespace:
        quoted = text(namespace).replace('"', "&quot;")
        tag, declaration = f"x:{local}", f' xmlns:x="{quoted}"'
    else:
        tag, declaration = local, ""
    if not content:
        return f"<{tag}{declaration}/>"
    return f"<{tag}{declaration}>{content}</{tag}>"


def parse(body: bytes) -> tuple[Response, ...]:
    """Read a 207 of this or another server. Raises Fault 400 where it is none."""
    root = documents.read(body)
    if root.tag != "{DAV:}multistatus":
        raise faults.bad_document("The root of the document must be the DAV: element multistatus.")
    return tuple(_response(one) for one in root.iterchildren("{DAV:}response"))


def _response(one: documents.Element) -> Response:
    condition, hrefs = _condition(one)
    status = one.findtext("{DAV:}status")
    return Response(
        (one.findtext("{DAV:}href") or "").strip(),
        None if status is None else _parse_status(status),
        tuple(_propstat(stat) for stat in one.iterchildren("{DAV:}propstat")),
        condition,
        hrefs,
        one.findtext("{DAV:}responsedescription") or "",
    )


def _propstat(stat: documents.Element) -> Propstat:
    prop = stat.find("{DAV:}prop")
    return Propstat(
        _parse_status(stat.findtext("{DAV:}status") or ""),
        () if prop is None else tuple(documents.standalone(value) for value in prop),
        _condition(stat)[0],
        stat.findtext("{DAV:}responsedescription") or "",
    )


def _condition(parent: documents.Element) -> tuple[str, tuple[str, ...]]:
    code = parent.find("{DAV:}error/*")
    if code is None:
        return "", ()
    hrefs = tuple((href.text or "").strip() for href in code.iterchildren("{DAV:}href"))
    return documents.split(str(code.tag))[1], hrefs


def _parse_status(line: str) -> HTTPStatus:
    match = re.match(r"HTTP/\d\.\d (\d{3})(?: |$)", line.strip(), re.ASCII)
    try:
        return HTTPStatus(int(match[1]) if match else 0)
    except ValueError as wrong:
        raise faults.bad_document(f"This is no status line: {line!r}.") from wrong


def _status(status: HTTPStatus) -> str:
    return f"<D:status>HTTP/1.1 {status.value} {status.phrase}</D:status>"


def _description(sentence: str) -> str:
    return f"<D:responsedescription>{text(sentence)}</D:responsedescription>" if sentence else ""

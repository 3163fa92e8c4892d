"""What the lines below a request expect of its answer. What does not hold raises AssertionError."""

import email
from collections.abc import Callable, Mapping, Sequence
from email.message import Message

from lxml import etree

from tests.scripts.language import Line, octets
from tests.scripts.ways import Reply
from tests.scripts.world import World

Arguments = Mapping[str, str]
Element = etree._Element

NAMESPACES = {"D": "DAV:"}


def xml(reply: Reply) -> Element:
    """The body, as a document."""
    assert (reply.header("Content-Type") or "").startswith("application/xml"), "the body is no XML"
    try:
        return etree.fromstring(reply.body)
    except etree.XMLSyntaxError as error:
        raise AssertionError(f"not well-formed: {error}") from error


def found(reply: Reply, expression: str) -> str:
    """The text of what an XPath expression selects first."""
    value = xml(reply).xpath(expression, namespaces=NAMESPACES)
    if isinstance(value, list):
        assert value, "nothing is found"
        value = value[0]
    return "".join(value.itertext()) if isinstance(value, etree._Element) else str(value)


def responses(reply: Reply) -> dict[str, Element]:
    """The response elements of a 207, by href."""
    root = xml(reply)
    assert root.tag == "{DAV:}multistatus", f"no multistatus but {root.tag!r}"
    return {one.findtext("{DAV:}href") or "": one for one in root.iterchildren("{DAV:}response")}


def code(element: Element) -> int:
    """The number in a status element."""
    line = element.findtext("{DAV:}status") or ""
    assert line.startswith("HTTP/1.1 "), f"no status line: {line!r}"
    return int(line.split(" ")[1])


def properties(response: Element) -> dict[str, tuple[int, Element]]:
    """The properties of a response element, with the status that each has."""
    return {
        str(one.tag): (code(propstat), one)
        for propstat in response.iterchildren("{DAV:}propstat")
        for one in propstat.iterfind("{DAV:}prop/*")
    }


def condition(error: Element | None) -> str:
    """The condition code of an error element and the hrefs in it, as a script writes them."""
    if error is None:
        return ""
    codes = [one for one in error if etree.QName(one).namespace == "DAV:"]
    assert len(codes) == 1, f"an error with {len(codes)} condition codes"
    hrefs = sorted(href.text or "" for href in codes[0].iterchildren("{DAV:}href"))
    return " ".join([etree.QName(codes[0]).localname, *hrefs])


def _header(reply: Reply, wanted: Arguments, world: World) -> None:
    value = reply.header(wanted["name"])
    if "value" in wanted:
        assert value == wanted["value"], f"{wanted['name']} is {value!r}"
    elif "part" in wanted:
        assert wanted["part"] in (value or ""), f"{wanted['name']} is {value!r}"
    elif "lacks" in wanted:
        assert wanted["lacks"] not in (value or ""), f"{wanted['name']} is {value!r}"
    else:
        assert value is None, f"{wanted['name']} is {value!r}"


def _is(reply: Reply, wanted: Arguments, world: World) -> None:
    if "path" in wanted:
        assert reply.body == world.path(wanted["path"]).read_bytes(), "another body"
    else:
        assert reply.body == octets(wanted["text"]), f"the body is {reply.body[:4000]!r}"


def _has(reply: Reply, wanted: Arguments, world: World) -> None:
    assert octets(wanted["text"]) in reply.body, "not in the body"


def _lacks(reply: Reply, wanted: Arguments, world: World) -> None:
    assert octets(wanted["text"]) not in reply.body, "in the body"


def _xpath(reply: Reply, wanted: Arguments, world: World) -> None:
    if "text" in wanted:
        value = found(reply, wanted["xpath"])
        assert value == wanted["text"], f"found {value!r}"
    else:
        assert xml(reply).xpath(wanted["xpath"], namespaces=NAMESPACES), "nothing is found"


def _error(reply: Reply, wanted: Arguments, world: World) -> None:
    root = xml(reply)
    assert root.tag == "{DAV:}error", f"no error but {root.tag!r}"
    assert condition(root) == _condition(wanted), f"found {condition(root)}"


def _prop(reply: Reply, wanted: Arguments, world: World) -> None:
    response = responses(reply).get(wanted["path"])
    assert response is not None, "no such href in the answer"
    name = wanted["prop"]
    name = f"{{DAV:}}{name[2:]}" if name.startswith("D:") else name
    status, element = properties(response).get(name, ("absent", response))
    assert str(status) == wanted.get("status", "200"), f"its status is {status}"
    if "status" in wanted:
        return
    text = "".join(element.itertext())
    if "part" in wanted:
        assert wanted["text"] in text, f"its text is {text!r}"
    else:
        assert text == wanted["text"], f"its text is {text!r}"


def _lists(reply: Reply, wanted: Sequence[Arguments], world: World) -> None:
    hrefs = sorted(" ".join(one["names"] for one in wanted).split())
    assert sorted(responses(reply)) == hrefs, f"the hrefs are {sorted(responses(reply))}"


def _fails(reply: Reply, wanted: Sequence[Arguments], world: World) -> None:
    failed = sorted(
        f"{href} {code(one)} {condition(one.find('{DAV:}error'))}".strip()
        for href, one in responses(reply).items()
    )
    lines = sorted(f"{one['path']} {one['status']} {_condition(one)}".strip() for one in wanted)
    assert failed == lines, f"the responses are {failed}"


def _parts(reply: Reply, wanted: Sequence[Arguments], world: World) -> None:
    kind = reply.header("Content-Type") or ""
    assert kind.startswith("multipart/byteranges; boundary="), f"the type is {kind}"
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + reply.body)
    assert not message.defects, f"{message.defects}"
    parts = [part for part in message.walk() if part is not message]
    seen = [(part["Content-Range"], _payload(part)) for part in parts]
    told = [(f"bytes {one['range']}", octets(one["text"])) for one in wanted]
    assert seen == told, f"the parts are {seen}"


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def _condition(wanted: Arguments) -> str:
    return " ".join([wanted.get("code", ""), *sorted(wanted.get("names", "").split())]).strip()


EACH: dict[str, Callable[[Reply, Arguments, World], None]] = {
    "<": _header,
    "is": _is,
    "has": _has,
    "lacks": _lacks,
    "xpath": _xpath,
    "error": _error,
    "prop": _prop,
}
"""Expectations of single lines."""

TOGETHER: dict[str, Callable[[Reply, Sequence[Arguments], World], None]] = {
    "lists": _lists,
    "fails": _fails,
    "part": _parts,
}
"""Expectations of all lines of a word together."""


def kept(reply: Reply, line: Line) -> str:
    """The value that a `keep` line remembers."""
    if "xpath" in line.arguments:
        return found(reply, line.arguments["xpath"])
    value = reply.header(line.arguments["header"])
    assert value is not None, "no such header"
    return value[1:-1] if value.startswith("<") and value.endswith(">") else value

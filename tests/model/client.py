"""The other end of the wire: sends one request, and reads what the server shows of itself."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

from lxml import etree

from tests.model.asked import Path

D = "{DAV:}"
NS = "urn:model"
OF_DAV = frozenset(["displayname", "getetag", "lockdiscovery"])
"""Names of properties that are in DAV: and not in NS."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def xml(self) -> etree._Element:
        return etree.fromstring(self.body)

    def failed(self) -> dict[Path, int]:
        """The responses of a 207 that have a status. No href stands there twice (RFC 4918
        section 14.24).
        """
        found: dict[Path, int] = {}
        for one in self.xml.iterchildren(f"{D}response"):
            path = parsed(one.findtext(f"{D}href") or "")[0]
            assert path not in found, f"twice in one 207: {path}"
            found[path] = _status(one)
        return found

    def properties(self) -> dict[str, int]:
        """What the 207 of a PROPPATCH says of each property, by its local name."""
        return {
            etree.QName(prop).localname: _status(propstat)
            for propstat in self.xml.iter(f"{D}propstat")
            for prop in propstat.iterfind(f"{D}prop/*")
        }

    def roots(self) -> set[Path]:
        """The lock roots that a 423 names (RFC 4918 section 16)."""
        return {parsed(href.text or "")[0] for href in self.xml.iterfind(f"*/{D}href")}


@dataclass(frozen=True)
class ShownLock:
    token: str
    root: Path
    deep: bool
    exclusive: bool
    owner: str
    timeout: int


@dataclass
class Shown:
    """What a PROPFIND tells of one resource. ``stored`` are properties of clients, by local name,
    displayname among them.
    """

    collection: bool
    etag: str | None
    length: str | None
    locks: list[ShownLock]
    stored: dict[str, str] = field(default_factory=dict)


class Client:
    """One connection at a time to a server at a port."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        fields = {name: value.encode() for name, value in (headers or {}).items()}
        self._connection.request(method, url, body or None, fields)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def listing(self) -> dict[Path, Shown]:
        """The whole tree, asked from its root."""
        answer = self.send("PROPFIND", "/", {"Depth": "infinity"})
        assert answer.status == 207, answer
        found: dict[Path, Shown] = {}
        for one in answer.xml.iterchildren(f"{D}response"):
            path, slash = parsed(one.findtext(f"{D}href") or "")
            assert path not in found, f"listed twice: {path}"
            (propstat,) = one.iterchildren(f"{D}propstat")
            assert _status(propstat) == 200
            prop = propstat.find(f"{D}prop")
            assert prop is not None
            found[path] = _shown(prop)
            assert slash is found[path].collection, f"slash of {path}"
        return found


def href(path: Path, slash: bool = False) -> str:
    text = "".join("/" + quote(name, safe="") for name in path)
    return text + "/" if slash or not text else text


def parsed(text: str) -> tuple[Path, bool]:
    """The path of an href, and whether it ends in a slash."""
    names = urlsplit(text).path.split("/")
    return tuple(unquote(name, errors="strict") for name in names if name), names[-1] == ""


def lockinfo(exclusive: bool, owner: str) -> bytes:
    scope = "exclusive" if exclusive else "shared"
    text = f"<D:owner>{escape(owner)}</D:owner>" if owner else ""
    return (
        f'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope>'
        f"<D:locktype><D:write/></D:locktype>{text}</D:lockinfo>"
    ).encode()


def propertyupdate(changes: Mapping[str, str | None]) -> bytes:
    """The body of a PROPPATCH: new texts by name, None for what is to be removed."""
    parts = []
    for name, value in changes.items():
        tag = f"D:{name}" if name in OF_DAV else f"m:{name}"
        verb = "remove" if value is None else "set"
        element = f"<{tag}>{escape(value or '')}</{tag}>"
        parts.append(f"<D:{verb}><D:prop>{element}</D:prop></D:{verb}>")
    text = "".join(parts)
    return f'<D:propertyupdate xmlns:D="DAV:" xmlns:m="{NS}">{text}</D:propertyupdate>'.encode()


def _shown(prop: etree._Element) -> Shown:
    locks = [_lock(one) for one in prop.iterfind(f"{D}lockdiscovery/{D}activelock")]
    stored = {
        etree.QName(one).localname: one.text or ""
        for one in prop
        if etree.QName(one).namespace == NS
    }
    stored["displayname"] = prop.findtext(f"{D}displayname") or ""
    return Shown(
        prop.find(f"{D}resourcetype/{D}collection") is not None,
        prop.findtext(f"{D}getetag"),
        prop.findtext(f"{D}getcontentlength"),
        locks,
        stored,
    )


def _lock(one: etree._Element) -> ShownLock:
    return ShownLock(
        one.findtext(f"{D}locktoken/{D}href") or "",
        parsed(one.findtext(f"{D}lockroot/{D}href") or "")[0],
        one.findtext(f"{D}depth") == "infinity",
        one.find(f"{D}lockscope/{D}exclusive") is not None,
        one.findtext(f"{D}owner") or "",
        int((one.findtext(f"{D}timeout") or "").removeprefix("Second-")),
    )


def _status(one: etree._Element) -> int:
    return int((one.findtext(f"{D}status") or "").split(" ")[1])

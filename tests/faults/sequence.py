"""A session of PUT, chunked PUT, PROPPATCH and LOCK, and what a server made of a part of it.

Every attempt has URLs of its own, whose names have the same length, so that byte k of one session
is byte k of all. Each request has an old state and a new one, and nothing between counts as right.
"""

import enum
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from tests.wire import talk

OLD = b"old content, which stays until all of the new one is there"
NEW = b"new content, and longer than what it replaces: " + b"0123456789abcdef" * 4
_D, _T = "{DAV:}", "{urn:t}"
_XMLNS = 'xmlns:D="DAV:" xmlns:t="urn:t"'
_OLD_NOTES = {"one": "old", "two": "old"}
_NEW_NOTES = {"one": "new", "three": "new"}
_SET_OLD = (
    f"<D:propertyupdate {_XMLNS}><D:set><D:prop><t:one>old</t:one><t:two>old</t:two></D:prop>"
    "</D:set></D:propertyupdate>"
).encode()
_SET_NEW = (
    f"<D:propertyupdate {_XMLNS}><D:set><D:prop><t:one>new</t:one></D:prop></D:set>"
    "<D:remove><D:prop><t:two/></D:prop></D:remove>"
    "<D:set><D:prop><t:three>new</t:three></D:prop></D:set></D:propertyupdate>"
).encode()
_LOCK = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
    b"</D:locktype><D:owner>me</D:owner></D:lockinfo>"
)
_ASK = (
    f"<D:propfind {_XMLNS}><D:prop><t:one/><t:two/><t:three/><D:lockdiscovery/></D:prop>"
    "</D:propfind>"
).encode()
_XML = "Content-Type: application/xml"


class State(enum.Enum):
    """What is there of one request's effect."""

    OLD = "old"
    NEW = "new"
    TRUNCATED = "truncated"
    HALF = "half applied"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a listing tells of one member: its notes by name, and the tokens of its locks."""

    notes: Mapping[str, str] = field(default_factory=dict)
    locks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verb:
    """One request of the session, about a URL that begins with ``name``.

    ``begin`` is the content that is there before, if any. ``state`` judges the content that is
    there afterwards and what a listing shows.
    """

    name: str
    request: Callable[[str], bytes]
    begin: bytes | None
    state: Callable[[bytes | None, Shown], State]


def _content(old: bytes | None) -> Callable[[bytes | None, Shown], State]:
    def state(content: bytes | None, shown: Shown) -> State:
        del shown
        return State.NEW if content == NEW else State.OLD if content == old else State.TRUNCATED

    return state


def _notes(content: bytes | None, shown: Shown) -> State:
    if content != OLD:
        return State.TRUNCATED
    if shown.notes == _NEW_NOTES:
        return State.NEW
    return State.OLD if shown.notes == _OLD_NOTES else State.HALF


def _lock(begin: bytes | None) -> Callable[[bytes | None, Shown], State]:
    made = begin or b""

    def state(content: bytes | None, shown: Shown) -> State:
        if content not in (begin, made):
            return State.TRUNCATED
        if content == made and len(shown.locks) == 1:
            return State.NEW
        return State.OLD if content == begin and not shown.locks else State.HALF

    return state


def _lock_request(url: str) -> bytes:
    return talk.request(f"LOCK {url}", _XML, "Timeout: Second-3600", "Depth: 0", body=_LOCK)


PUT = Verb("put", lambda url: talk.request(f"PUT {url}", body=NEW), None, _content(None))
CHUNKED = Verb(
    "chunked",
    lambda url: talk.request(
        f"PUT {url}",
        "Transfer-Encoding: chunked",
        body=talk.chunked(NEW[:20], NEW[20:90], NEW[90:]),
    ),
    OLD,
    _content(OLD),
)
PROPPATCH = Verb(
    "patched", lambda url: talk.request(f"PROPPATCH {url}", _XML, body=_SET_NEW), OLD, _notes
)
LOCK_UNMAPPED = Verb("reserved", _lock_request, None, _lock(None))
LOCK = Verb("locked", _lock_request, OLD, _lock(OLD))

SESSIONS: Mapping[str, tuple[Verb, ...]] = {
    "davserver": (PUT, CHUNKED, PROPPATCH, LOCK_UNMAPPED),
    "wsgidav": (PUT, CHUNKED, PROPPATCH, LOCK),
    "apache": (PUT, CHUNKED, PROPPATCH, LOCK),
    "nginx": (PUT, CHUNKED, LOCK),
}
"""Of the verbs that each server has: nginx has no PROPPATCH, and not every LOCK makes a file."""


@dataclass(frozen=True, slots=True)
class Session:
    """The requests of attempt ``number`` in a folder of the tree that is served from ``root``."""

    verbs: Sequence[Verb]
    root: Path
    folder: str
    number: int

    def name(self, verb: Verb) -> str:
        return f"{verb.name}-{self.number:04}"

    def requests(self) -> list[bytes]:
        return [verb.request(f"/{self.folder}/{self.name(verb)}") for verb in self.verbs]

    def prepare(self) -> None:
        """Lay out the files that are there before, as the owner of the tree."""
        owner = os.stat(self.root)
        for verb in self.verbs:
            if verb.begin is not None:
                file = self.root / self.folder / self.name(verb)
                file.write_bytes(verb.begin)
                os.chown(file, owner.st_uid, owner.st_gid)

    def states(self, shown: Mapping[str, Shown]) -> list[State]:
        """What became of each request."""
        found = []
        for verb in self.verbs:
            file = self.root / self.folder / self.name(verb)
            content = file.read_bytes() if file.exists() else None
            found.append(verb.state(content, shown.get(file.name, Shown())))
        return found


def note(port: int, session: Session) -> None:
    """Store the old properties of what PROPPATCH is about, as a client."""
    for verb in session.verbs:
        if verb is PROPPATCH:
            url = f"/{session.folder}/{session.name(verb)}"
            status = talk.ask(port, f"PROPPATCH {url}", _XML, body=_SET_OLD).status
            assert status == 207, f"the old properties were refused with {status}"


def forget(port: int, folder: str, shown: Mapping[str, Shown]) -> None:
    """Take away a folder with all that a server knows of it."""
    for name, one in shown.items():
        for token in one.locks:
            talk.ask(port, f"UNLOCK /{folder}/{name}", f"Lock-Token: <{token}>")
    talk.ask(port, f"DELETE /{folder}/")


def listing(port: int, folder: str) -> dict[str, Shown]:
    """What a server shows of the members of a folder, by name."""
    answer = talk.ask(port, f"PROPFIND /{folder}/", "Depth: 1", _XML, body=_ASK)
    assert answer.status == 207, f"PROPFIND of the folder was answered {answer.status}"
    found = {}
    for one in etree.fromstring(answer.body).iterfind(f"{_D}response"):
        name = (one.findtext(f"{_D}href") or "").rstrip("/").rpartition("/")[2]
        notes = {
            etree.QName(prop).localname: prop.text or ""
            for propstat in one.iterfind(f"{_D}propstat")
            if " 200 " in (propstat.findtext(f"{_D}status") or "")
            for prop in propstat.iterfind(f"{_D}prop/{_T}*")
        }
        locks = (lock.findtext(f"{_D}locktoken/{_D}href") for lock in one.iter(f"{_D}activelock"))
        found[name] = Shown(notes, tuple((token or "").strip() for token in locks))
    return found

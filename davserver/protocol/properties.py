"""Properties: the live ones as a table, dead ones beside them, and what PROPPATCH may change.

A listing formats thousands of members by one `Form` that was prepared once for the request: a
template with the chosen properties, and the places of their fields in the facts of a member.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from operator import itemgetter

from davserver.protocol import documents, faults, headers, mediatypes, multistatus
from davserver.protocol.documents import Change, Propfind
from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock
from davserver.protocol.multistatus import Propstat
from davserver.protocol.resources import Stat

Stored = Mapping[str, str]
"""What the state holds of one resource: property names with their elements as XML."""

Member = tuple[str, ...]
"""The fields of one member, as text that XML can hold, in the order of the constants below."""

HREF, NAME, SIZE, TYPE, ETAG, MODIFIED, CREATED, LOCKS, LOCKABLE, AVAILABLE, USED = range(11)


@dataclass(frozen=True, slots=True)
class Live:
    """One live property: its content for files and for collections, None where it has none.

    A content is text with one `%s`, or none, for ``field``.
    """

    field: int | None
    file: str | None
    collection: str | None
    allprop: bool = True
    protected: bool = True


LIVE: dict[str, Live] = {
    "{DAV:}creationdate": Live(CREATED, "%s", "%s", protected=False),
    "{DAV:}displayname": Live(NAME, "%s", "%s", protected=False),
    "{DAV:}getcontentlanguage": Live(None, None, None, protected=False),
    "{DAV:}getcontentlength": Live(SIZE, "%s", None),
    "{DAV:}getcontenttype": Live(TYPE, "%s", None, protected=False),
    "{DAV:}getetag": Live(ETAG, "%s", None),
    "{DAV:}getlastmodified": Live(MODIFIED, "%s", "%s", protected=False),
    "{DAV:}lockdiscovery": Live(LOCKS, "%s", "%s"),
    "{DAV:}resourcetype": Live(None, "", "<D:collection/>"),
    "{DAV:}supportedlock": Live(LOCKABLE, "%s", "%s"),
    # RFC 4331 section 2: not in allprop, since a server may have to work for them.
    "{DAV:}quota-available-bytes": Live(AVAILABLE, None, "%s", allprop=False),
    "{DAV:}quota-used-bytes": Live(USED, None, "%s", allprop=False),
}
"""RFC 4918 section 15 and RFC 4331."""

QUOTA = frozenset({"{DAV:}quota-available-bytes", "{DAV:}quota-used-bytes"})
CONTENT_TYPE = "{DAV:}getcontenttype"
CONTENT_LANGUAGE = "{DAV:}getcontentlanguage"
LAST_MODIFIED = "{DAV:}getlastmodified"

SUPPORTEDLOCK = "".join(
    f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope>"
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
    for scope in ("exclusive", "shared")
)


def member(
    href: str,
    name: str,
    facts: Stat,
    *,
    locks: str = "",
    lockable: str = SUPPORTEDLOCK,
    quota: tuple[str, str] = ("", ""),
) -> Member:
    """The fields of one member. ``name`` is its text for people, escaped for XML; ``locks`` is the
    content of its lockdiscovery, ``lockable`` that of its supportedlock, ``quota`` the bytes that
    are available and used.
    """
    changed = facts.st_mtime_ns
    return (
        href,
        name,
        str(facts.st_size),
        mediatypes.of(name),
        f'"{facts.st_ino:x}-{facts.st_size:x}-{changed:x}"',
        http_date(changed // 1_000_000_000),
        iso_date(min(changed, facts.st_ctime_ns) // 1_000_000_000),
        locks,
        lockable,
        *quota,
    )


class Form:
    """How the members of one PROPFIND are written."""

    def __init__(self, asked: Propfind) -> None:
        self._file = _Sheet(asked, lambda live: live.file)
        self._collection = _Sheet(asked, lambda live: live.collection)
        self.wants_quota = not QUOTA.isdisjoint(asked.names)
        self.wants_locks = asked.kind == "allprop" or "{DAV:}lockdiscovery" in asked.names
        self.wants_stored = asked.kind != "prop" or any(
            name not in LIVE or not LIVE[name].protected for name in asked.names
        )

    def response(self, fields: Member, stored: Stored | None, *, collection: bool) -> str:
        """The response element of one member."""
        sheet = self._collection if collection else self._file
        return sheet.plain(fields) if not stored else sheet.full(fields, stored)


class _Sheet:
    """The form for one kind of resource."""

    def __init__(self, asked: Propfind, content: Callable[[Live], str | None]) -> None:
        self._asked = asked
        self._elements: dict[str, tuple[str, int | None]] = {}
        for name, live in LIVE.items():
            if (inner := content(live)) is not None:
                inner = "" if asked.kind == "propname" else inner
                field = live.field if "%s" in inner else None
                self._elements[name] = (multistatus.element(name, inner), field)
        names = asked.names
        if asked.kind != "prop":
            names = (*(name for name, live in LIVE.items() if live.allprop), *asked.names)
        self._names = tuple(dict.fromkeys(names))
        shown = [self._elements[name] for name in self._names if name in self._elements]
        missing = [name for name in asked.names if name not in self._elements]
        fields = [field for _, field in shown if field is not None]
        self._pick: Callable[[Member], object] = itemgetter(HREF, *fields)
        self._head = "<D:response><D:href>%s</D:href><D:propstat><D:prop>" + "".join(
            element for element, _ in shown
        )
        self._tail = multistatus.propstat(HTTPStatus.OK, "").partition("<D:prop>")[2]
        self._found = bool(shown)
        self._missing = _missing(missing)
        self._end = (self._tail if self._found else "") + self._missing + "</D:response>"
        if not self._found and not missing:
            self._end = self._tail + self._end
        elif not self._found:
            self._head = "<D:response><D:href>%s</D:href>"
        self._template = self._head + self._end.replace("%", "%%")

    def plain(self, fields: Member) -> str:
        """The response of a member that has nothing stored."""
        return self._template % self._pick(fields)

    def full(self, fields: Member, stored: Stored) -> str:
        """The response of a member with stored properties. What a client has set stands before
        what the file says (`LIVE`: those that are not protected).
        """
        if self._asked.kind == "allprop" and not self._missing and LIVE.keys().isdisjoint(stored):
            return self._head % self._pick(fields) + "".join(stored.values()) + self._end
        found: list[str] = []
        missing: list[str] = []
        names: Iterable[str] = self._names
        if self._asked.kind != "prop":
            names = dict.fromkeys((*self._names, *stored))
        for name in names:
            live = self._elements.get(name)
            if name in stored and (name not in LIVE or not LIVE[name].protected):
                found.append(
                    multistatus.element(name) if self._asked.kind == "propname" else stored[name]
                )
            elif live is not None:
                element, field = live
                found.append(element if field is None else element % fields[field])
            elif name in self._asked.names:
                missing.append(name)
        return (
            f"<D:response><D:href>{fields[HREF]}</D:href>"
            + (multistatus.propstat(HTTPStatus.OK, "".join(found)) if found or not missing else "")
            + _missing(missing)
            + "</D:response>"
        )


def _missing(names: Sequence[str]) -> str:
    if not names:
        return ""
    return multistatus.propstat(
        HTTPStatus.NOT_FOUND, "".join(multistatus.element(name) for name in names)
    )


def lockdiscovery(held: Iterable[Lock], now: float, root_href: Callable[[Lock], str]) -> str:
    """The activelock elements of a resource (RFC 4918 section 14.1)."""
    return "".join(
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{'exclusive' if lock.exclusive else 'shared'}/></D:lockscope>"
        f"<D:depth>{'infinity' if lock.deep else '0'}</D:depth>{lock.owner}"
        f"<D:timeout>Second-{max(0, round(lock.expires - now))}</D:timeout>"
        f"<D:locktoken><D:href>{multistatus.text(lock.token)}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{root_href(lock)}</D:href></D:lockroot></D:activelock>"
        for lock in held
    )


def refusal(change: Change) -> Fault | None:
    """Why a property cannot be changed so, if it cannot (RFC 4918 section 9.2.1)."""
    live = LIVE.get(change.name)
    if live is None or change.value is None:
        removes_time = change.name == LAST_MODIFIED
        protected = removes_time or (live is not None and live.protected)
        return faults.protected_property() if protected else None
    if live.protected:
        return faults.protected_property()
    check = _CHECKS.get(change.name)
    return None if check is None else check(change.text.strip())


def patched(changes: Sequence[Change]) -> tuple[Propstat, ...]:
    """The outcome of a PROPPATCH: all is done, or nothing and every change says why."""
    refusals = {change.name: fault for change in changes if (fault := refusal(change))}
    outcome: dict[Fault | None, list[str]] = {}
    for name in dict.fromkeys(change.name for change in changes):
        fault = refusals.get(name) if refusals else None
        if refusals and fault is None:
            fault = faults.failed_dependency()
        outcome.setdefault(fault, []).append(multistatus.element(name))
    return tuple(
        Propstat(HTTPStatus.OK, tuple(names))
        if fault is None
        else Propstat(fault.status, tuple(names), fault.condition, fault.sentence)
        for fault, names in outcome.items()
    )


def succeeded(outcome: Iterable[Propstat]) -> bool:
    return all(one.status is HTTPStatus.OK for one in outcome)


def stored_text(stored: Stored, name: str) -> str | None:
    """The text of a stored property, for a header that has to say the same."""
    xml = stored.get(name)
    return None if xml is None else "".join(documents.read(xml.encode()).itertext()).strip()


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@lru_cache(4096)
def http_date(seconds: int) -> str:
    """RFC 9110 section 5.6.7, whatever the locale; ``seconds`` since the epoch."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        when = datetime.fromtimestamp(0, UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} "
        f"{when.hour:02}:{when.minute:02}:{when.second:02} GMT"
    )


@lru_cache(4096)
def iso_date(seconds: int) -> str:
    """RFC 3339, as creationdate wants it (RFC 4918 section 15.1)."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00Z"


def _check_media_type(text: str) -> Fault | None:
    if re.fullmatch(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+[ -~]*", text, re.ASCII):
        return None
    return faults.unacceptable_value("getcontenttype is a media type, as in text/plain.")


def _check_language(text: str) -> Fault | None:
    if re.fullmatch(r"[A-Za-z0-9-]+(\s*,\s*[A-Za-z0-9-]+)*", text):
        return None
    return faults.unacceptable_value("getcontentlanguage is a list of language tags, as in de.")


def _check_http_date(text: str) -> Fault | None:
    if headers.date(text) is not None:
        return None
    return faults.unacceptable_value("getlastmodified is an HTTP date.")


def _check_iso_date(text: str) -> Fault | None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return faults.unacceptable_value("creationdate is a date and time as in RFC 3339.")
    return None


_CHECKS: dict[str, Callable[[str], Fault | None]] = {
    "{DAV:}creationdate": _check_iso_date,
    CONTENT_LANGUAGE: _check_language,
    CONTENT_TYPE: _check_media_type,
    LAST_MODIFIED: _check_http_date,
}

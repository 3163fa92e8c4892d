"""Properties: the live ones as a table, and what PROPPATCH may change."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from davserver.protocol import documents, faults, headers, multistatus
from davserver.protocol.documents import Change
from davserver.protocol.faults import Fault
from davserver.protocol.multistatus import Propstat


class Stored(dict[str, str]):
    """What the state holds of one resource: property names with their elements as XML. ``kind`` is
    that of the resource that they were set on, 0 where it is not known.
    """

    kind: int = 0


HREF, NAME, SIZE, TYPE, ETAG, MODIFIED, CREATED, LOCKS, LOCKABLE, AVAILABLE, USED = range(11)
"""The places of what is known of a member, in the order in which `forms` has it."""


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


def stored_text(stored: Mapping[str, str], name: str) -> str | None:
    """The text of a stored property, for a header that has to say the same."""
    xml = stored.get(name)
    return None if xml is None else "".join(documents.read_standalone(xml).itertext()).strip()


def _check_media_type(text: str) -> Fault | None:
    if re.fullmatch(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+[ -~]*", text, re.ASCII):
        return None
    return faults.unacceptable_value("getcontenttype is a media type, as in text/plain.")


def _check_language(text: str) -> Fault | None:
    if re.fullmatch(r"[A-Za-z0-9-]+([ \t]*,[ \t]*[A-Za-z0-9-]+)*", text):
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

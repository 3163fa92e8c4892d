"""Which methods a resource takes, for Allow (RFC 9110 section 10.2.1)."""

from davserver.protocol import resources
from davserver.protocol.faults import Fault
from davserver.protocol.messages import Request
from davserver.shares import Shares

READ = ("OPTIONS", "GET", "HEAD", "PROPFIND")
CHANGE = ("DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK")
CREATE = ("OPTIONS", "PUT", "MKCOL", "LOCK")
KNOWN = (*READ, "PUT", "MKCOL", *CHANGE)

OTHERS = frozenset(
    [
        "ACL",
        "BASELINE-CONTROL",
        "BIND",
        "CHECKIN",
        "CHECKOUT",
        "CONNECT",
        "LABEL",
        "LINK",
        "MERGE",
        "MKACTIVITY",
        "MKCALENDAR",
        "MKREDIRECTREF",
        "MKWORKSPACE",
        "ORDERPATCH",
        "PATCH",
        "POST",
        "PRI",
        "QUERY",
        "REBIND",
        "REPORT",
        "SEARCH",
        "TRACE",
        "UNBIND",
        "UNCHECKOUT",
        "UNLINK",
        "UPDATE",
        "UPDATEREDIRECTREF",
        "VERSION-CONTROL",
    ]
)
"""Registered methods that no resource here takes; what is in no table is unknown."""


def at(request: Request, shares: Shares) -> str:
    """The methods that may be used at the target of a request, whoever asks."""
    try:
        place = shares.to_read(request.path)
    except Fault:
        return ", ".join(READ)
    facts = place.share.tree.look(place.local)
    if shares.is_fixed(place.share):
        return ", ".join(READ if facts is not None else READ[:1])
    if facts is None:
        return ", ".join(CREATE)
    if place.is_root:
        return ", ".join((*READ, "COPY", "PROPPATCH", "LOCK", "UNLOCK"))
    if resources.is_collection(facts):
        return ", ".join((*READ, *CHANGE))
    return ", ".join((*READ, "PUT", *CHANGE))

"""OPTIONS: what can be done with a resource (RFC 9110 section 9.3.7, RFC 4918 section 10.1)."""

from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions
from davserver.protocol.messages import Answer, Request
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    guard = conditions.read(request.headers, request.path, shares.prefix, request.principal)
    is_above = request.target is not None and shares.is_above(request.path)
    place = None if request.target is None or is_above else shares.to_read(request.path)

    if is_above:
        shares.view().require(guard.only_if, shares.facts_above())
    elif place is not None:
        shares.view().require(guard.only_if, place.share.tree.look(place.local))

    met = shares.all.values() if place is None else [place.share]
    # Finder mounts what lacks class 2 read-only, which is what this is.
    classes = "1, 3" if all(map(shares.is_fixed, met)) else "1, 2, 3"
    methods = ", ".join(allow.KNOWN) if request.target is None else allow.at(request, shares)

    return Answer(
        HTTPStatus.OK,
        (
            ("DAV", classes),
            # Microsoft Office opens read-only without it.
            ("MS-Author-Via", "DAV"),
            ("Allow", methods),
            ("Accept-Ranges", "bytes"),
        ),
    )

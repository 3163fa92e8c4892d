"""The verbs, one a room, each in five paragraphs: read, ask, plan, do, answer.

A verb is a function from a `Request` and the `Shares` to an `Answer`. READ turns header strings
and XML into values; ASK looks at what is there; PLAN decides over those facts alone, so that a
`settle` of both can be asked inside the commit section, too; DO changes files and rows; ANSWER is
a status, or the members of a 207. A refusal is raised as a Fault from wherever it is known.
"""

from collections.abc import Callable

from davserver.methods import (
    allow,
    copy,
    delete,
    get,
    lock,
    mkcol,
    move,
    options,
    propfind,
    proppatch,
    put,
    unlock,
)
from davserver.protocol import faults
from davserver.protocol.messages import Answer, Request
from davserver.shares import Shares

TABLE: dict[str, Callable[[Request, Shares], Answer]] = {
    "OPTIONS": options.run,
    "GET": get.run,
    "HEAD": get.run,
    "PUT": put.run,
    "MKCOL": mkcol.run,
    "DELETE": delete.run,
    "COPY": copy.run,
    "MOVE": move.run,
    "PROPFIND": propfind.run,
    "PROPPATCH": proppatch.run,
    "LOCK": lock.run,
    "UNLOCK": unlock.run,
}


def run(request: Request, shares: Shares) -> Answer:
    """Answer a request. Raises Fault where it is refused, OSError where the storage fails."""
    verb = TABLE.get(request.method)
    if verb is not None and (request.target is not None or request.method == "OPTIONS"):
        if verb is put.run:
            # Its body comes once.
            return verb(request, shares)
        return shares.leftovers.with_room(lambda: verb(request, shares))
    if verb is None and request.method not in allow.OTHERS:
        raise faults.not_implemented()
    if request.target is None:
        raise faults.bad_target()
    raise faults.method_not_allowed(allow.at(request, shares))

"""PROPPATCH: set and remove properties, all or nothing (RFC 4918 section 9.2). A Depth header is
passed over: Windows sends one.
"""

from davserver.protocol import conditions, documents, messages, multistatus, plan, properties
from davserver.protocol.messages import Answer, Request
from davserver.protocol.multistatus import Response
from davserver.share import View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    target = request.target
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    changes = documents.propertyupdate(request.body.all(documents.LARGEST_BODY))
    place = shares.to_write(target.path)

    def settle(view: View) -> None:
        subject = view.subject(place, target)
        plan.existing(subject)
        view.require(guard, subject.mapped)
        view.unlocked(guard, place)

    outcome = properties.patched(changes)

    if properties.succeeded(outcome):
        with shares.section(place, settle=settle) as section:
            settle(section)
            section.patch(place, changes)
    else:
        settle(shares.view())

    href = shares.view().href(place.path)
    return messages.report([multistatus.render(Response(href, propstats=outcome))])

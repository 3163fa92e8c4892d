"""MKCOL: a new, empty collection (RFC 4918 section 9.3)."""

from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions, faults, plan
from davserver.protocol.messages import Answer, Request
from davserver.share import View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    target = request.target
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    length = request.body.length
    has_body = any(request.body.blocks()) if length is None else length > 0
    place = shares.to_write(target.path, creates=True)

    def settle(view: View) -> None:
        subject = view.subject(place, target)
        plan.mkcol(subject, allow.at(request, shares) if subject.facts is not None else "")
        if has_body:
            raise faults.unsupported_body("MKCOL takes no body.")
        view.require(guard, subject.mapped)
        view.unlocked(guard, place, member=True)

    if place.share.tree.find(place.local) is not None:
        # Without waiting for anybody: rclone asks for the collection of each file that it brings.
        settle(shares.view())
    with shares.section(place) as section:
        settle(section)
        section.make_collection(place)

    return Answer(HTTPStatus.CREATED)

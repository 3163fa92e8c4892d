"""MKCOL: a new, empty collection (RFC 4918 section 9.3)."""

from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions, faults, messages, plan, resources
from davserver.protocol.faults import Fault
from davserver.protocol.messages import Answer, Request
from davserver.protocol.ranges import Range
from davserver.share import Place, View
from davserver.shares import Shares
from davserver.state import State


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

    there = place.share.tree.find(place.local)
    if there is not None:
        # Without waiting for anybody: rclone asks for the collection of each file that it brings.
        try:
            settle(shares.view())
        except Fault as fault:
            is_there = fault.status is HTTPStatus.METHOD_NOT_ALLOWED
            if not (request.is_repeated and is_there and resources.is_collection(there)):
                raise
            return _refused_again(fault, shares.state, place)
    with shares.section(place, settle=settle) as section:
        settle(section)
        section.make_collection(place)

    return Answer(HTTPStatus.CREATED)


def _refused_again(fault: Fault, state: State, place: Place) -> Answer:
    """The 405 for a collection that is there already: the same as long as one is there."""
    answer = messages.refusal(fault)
    tree, local, body = place.share.tree, place.local, answer.body
    assert isinstance(body, bytes)

    def repeat(_: Range | None) -> bytes | None:
        there = tree.find(local)
        is_same = there is not None and resources.is_collection(there) and not state.damage
        return body if is_same else None

    return answer._replace(repeat=repeat)

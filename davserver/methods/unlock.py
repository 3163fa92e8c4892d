"""UNLOCK: the end of a lock (RFC 4918 section 9.11)."""

from http import HTTPStatus

from davserver import counts
from davserver.protocol import conditions, faults, headers, plan
from davserver.protocol.messages import Answer, Request
from davserver.share import View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    target = request.target
    token = headers.lock_token(request.headers)
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    place = shares.to_write(target.path)

    def settle(view: View) -> None:
        subject = view.subject(place, target)
        held = view.localize(place, view.reader.locks(place.key, view.now))
        lock = next((one for one in held if one.token == token), None)
        # What vanished behind the server's back can still be unlocked where it was.
        if subject.mapped is not None or lock is None or lock.root != place.path:
            plan.existing(subject)
        if lock is None or not lock.covers(place.path):
            raise faults.wrong_lock_token(view.href(place.path))
        if lock.principal != request.principal:
            raise faults.not_your_lock()
        view.require(guard, subject.mapped)

    with shares.section(place, settle=settle) as section:
        settle(section)
        section.writer.remove_lock(token)

    counts.lock("removed")
    return Answer(HTTPStatus.NO_CONTENT)

"""PUT: the content of a file appears whole or not at all (RFC 9110 section 9.3.4, RFC 4918
section 9.7).
"""

from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions, dates, faults, headers, plan, resources
from davserver.protocol.messages import Answer, Request
from davserver.share import View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    if "content-range" in request.headers:
        raise faults.partial_put()
    assert request.target is not None
    target = request.target
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    place = shares.to_write(target.path, creates=True)

    def settle(view: View) -> bool:
        subject = view.subject(place, target)
        creates = plan.put(subject, allow.at(request, shares))
        if headers.content_is_coded(request.headers):
            raise faults.unsupported_body("Content is stored as it comes: send it uncoded.")
        view.require(guard, subject.mapped)
        view.unlocked(guard, place, member=creates)
        return creates

    settle(shares.view())

    tree = place.share.tree
    with place.directory() as directory, tree.upload(directory) as upload:
        for block in request.body.blocks():
            upload.write(block)
        with shares.section() as section:
            creates = settle(section)
            facts = section.publish(place, upload, replaces=not creates)

    return Answer(
        HTTPStatus.CREATED if creates else HTTPStatus.NO_CONTENT,
        (
            ("ETag", resources.etag(facts) or ""),
            ("Last-Modified", dates.http(resources.modified(facts))),
        ),
    )

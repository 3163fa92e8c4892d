"""PUT: the content of a file appears whole or not at all (RFC 9110 section 9.3.4, RFC 4918
section 9.7).
"""

from contextlib import suppress
from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions, dates, digests, faults, headers, plan, resources
from davserver.protocol.messages import Answer, Request
from davserver.protocol.resources import Stat
from davserver.share import View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    if "content-range" in request.headers:
        raise faults.partial_put()
    assert request.target is not None
    target = request.target
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    expected = digests.read(request.headers)
    place = shares.to_write(target.path, creates=True)

    def settle(view: View) -> Stat | None:
        """The facts of what will be replaced."""
        subject = view.subject(place, target)
        creates = plan.put(subject, allow.at(request, shares))
        if headers.content_is_coded(request.headers):
            raise faults.unsupported_body("Content is stored as it comes: send it uncoded.")
        view.require(guard, subject.mapped)
        view.unlocked(guard, place, member=creates)
        return None if creates else subject.facts

    replaced = settle(shares.view())
    shares.require_room(place, request.body.length)

    with shares.upload(place) as upload:
        for block in request.body.blocks():
            expected.update(block)
            upload.write(block)
        expected.check()
        if replaced is not None:
            with suppress(FileNotFoundError), place.directory() as directory:
                upload.resemble(directory, place.name)
        facts = upload.finish(shares.tick())

        def commit() -> Stat | None:
            nonlocal facts
            with shares.section(place) as section:
                found = settle(section)
                if found is None:
                    section.publish(place, upload)
                else:
                    if replaced is None or not resources.is_same(replaced, found):
                        upload.resemble(section.names.at(place), place.name)
                        facts = upload.finish(shares.tick())
                    section.replace(place, upload)
            return found

        found = shares.with_room(commit)

    return Answer(
        HTTPStatus.CREATED if found is None else HTTPStatus.NO_CONTENT,
        (
            ("ETag", resources.etag(facts) or ""),
            ("Last-Modified", dates.http(resources.modified(facts))),
        ),
    )

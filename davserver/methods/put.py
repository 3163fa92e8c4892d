"""PUT: the content of a file appears whole or not at all (RFC 9110 section 9.3.4, RFC 4918
section 9.7).
"""

from http import HTTPStatus

from davserver.methods import allow
from davserver.protocol import conditions, dates, digests, faults, headers, plan, resources
from davserver.protocol.faults import Fault
from davserver.protocol.messages import Answer, Request
from davserver.protocol.resources import Stat
from davserver.share import View
from davserver.shares import Shares

SMALL = 1 << 16
"""Bytes of content that are on their way already: to refuse them early would save nothing."""


def run(request: Request, shares: Shares) -> Answer:
    if "content-range" in request.headers:
        raise faults.partial_put()
    assert request.target is not None
    target = request.target
    guard = conditions.read(request.headers, target.path, shares.prefix, request.principal)
    expected = digests.read(request.headers)
    place = shares.to_write(target.path, creates=True)
    is_asked = False

    def settle(view: View) -> Stat | None:
        """The facts of what will be replaced."""
        nonlocal is_asked
        is_asked = True
        subject = view.subject(place, target)
        creates = plan.put(subject, allow.at(request, shares) if subject.is_collection else "")
        if headers.content_is_coded(request.headers):
            raise faults.unsupported_body("Content is stored as it comes: send it uncoded.")
        view.require(guard, subject.mapped)
        view.unlocked(guard, place, member=creates)
        return None if creates else subject.facts

    def store() -> tuple[Stat | None, Stat]:
        """The facts of what was replaced, and of what is there now."""
        shares.leftovers.require_room(place, request.body.length)
        with shares.upload(place) as upload:
            for block in request.body.blocks():
                expected.update(block)
                upload.write(block)
            expected.check()
            resembled = upload.resemble_present(place.name)
            facts = upload.finish(shares.tick())

            def commit() -> Stat | None:
                nonlocal facts
                with shares.section(place, settle=settle) as section:
                    found = settle(section)
                    if found is None:
                        section.publish(place, upload)
                    else:
                        if resembled is None or not _is_as_it_was(resembled, found):
                            upload.resemble(section.names.at(place), place.name)
                            facts = upload.finish(shares.tick())
                        section.replace(place, upload)
                return found

            found = shares.leftovers.with_room(commit)
        return found, facts

    if place.is_root or not _is_here(request):
        settle(shares.view())
    try:
        found, facts = store()
    except (OSError, Fault):
        # What refuses a request comes before whatever is wrong with its content.
        if not is_asked:
            settle(shares.view())
        raise

    return Answer(
        HTTPStatus.CREATED if found is None else HTTPStatus.NO_CONTENT,
        (
            ("ETag", resources.etag(facts) or ""),
            ("Last-Modified", dates.http(resources.modified(facts))),
        ),
    )


def _is_as_it_was(then: Stat, now: Stat) -> bool:
    """Whether mode, owner and attributes are what they were; an inode number may be used again."""
    return resources.is_same(then, now) and then.st_ctime_ns == now.st_ctime_ns


def _is_here(request: Request) -> bool:
    """Whether the content comes whatever is answered, so that it is enough to ask once: when it
    is stored.
    """
    length = request.body.length
    return length is not None and length <= SMALL and "expect" not in request.headers

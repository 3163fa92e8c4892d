"""LOCK: a new lock, an empty file for one on an unmapped URL, or a refresh (RFC 4918
section 9.10).
"""

import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus

from davserver import counts
from davserver.protocol import (
    conditions,
    documents,
    faults,
    forms,
    headers,
    locks,
    messages,
    multistatus,
    paths,
    plan,
)
from davserver.protocol.conditions import Guard
from davserver.protocol.headers import Depth
from davserver.protocol.locks import Lock
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Target
from davserver.share import Place, View
from davserver.shares import Shares

DEPTHS = frozenset({Depth.ZERO, Depth.INFINITY})


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    timeout = headers.timeout(request.headers, shares.limits.lock_timeout)
    guard = conditions.read(request.headers, request.target.path, shares.prefix, request.principal)
    body = request.body.all(documents.LARGEST_BODY)
    place = shares.to_write(request.path, creates=True)
    if not body.strip():
        return _refresh(shares, place, request.target, guard, timeout)
    # After the refresh, for which Depth does not count (RFC 4918 section 9.10.2).
    depth = headers.depth(request.headers, Depth.INFINITY, DEPTHS)
    info = documents.lockinfo(body)

    wanted = Lock(
        f"urn:uuid:{uuid.uuid4()}",
        place.path,
        depth is Depth.INFINITY,
        info.exclusive,
        info.owner,
        request.principal,
        timeout,
        0.0,
    )
    asked = _Asked(place, request.target, guard, wanted)

    def settle(view: View) -> _Settled:
        return _settle(view, asked)

    creates = done = False
    while not done:
        with ExitStack() as held:
            upload = held.enter_context(shares.upload(place)) if creates else None
            if upload is not None:
                upload.finish(shares.tick())
            section = held.enter_context(shares.section(place, settle=settle))
            settled = settle(section)
            if settled.in_the_way:
                return _blocked(shares, asked, settled.in_the_way)
            if settled.creates and upload is not None:
                wanted = section.create_locked(place, upload, wanted)
            elif not settled.creates:
                wanted = section.grant(place, wanted)
            # Else there is nothing: now with an empty file.
            creates = settled.creates
            done = not creates or upload is not None

    counts.lock("granted")
    status = HTTPStatus.CREATED if settled.creates else HTTPStatus.OK
    covering = (*settled.covering, wanted)
    return _discovery(shares, covering, status, (("Lock-Token", f"<{wanted.token}>"),))


@dataclass(frozen=True, slots=True)
class _Asked:
    place: Place
    target: Target
    guard: Guard
    wanted: Lock


@dataclass(frozen=True, slots=True)
class _Settled:
    """``covering`` are locks that hold there already, ``in_the_way`` those on members of what is to
    be locked deeply.
    """

    creates: bool
    covering: tuple[Lock, ...]
    in_the_way: tuple[Lock, ...]


def _settle(view: View, asked: _Asked) -> _Settled:
    """Raises Fault 403, 404, 409, 412 or 423, or OSError."""
    subject = view.subject(asked.place, asked.target)
    creates = subject.mapped is None
    if creates:
        plan.lock_unmapped(subject)
    else:
        plan.existing(subject)
    view.require(asked.guard, subject.mapped)
    if creates:
        view.unlocked(asked.guard, asked.place, member=True)
    held = view.locks(asked.place, below=True)
    wanted = asked.wanted
    covering, below = locks.conflicts(wanted.root, wanted.deep, wanted.exclusive, held)
    if covering:
        counts.lock("refused")
        raise faults.lock_conflict(view.root_href(lock) for lock in covering)
    there = tuple(lock for lock in held if lock.covers(wanted.root))
    return _Settled(creates, there, below)


def _blocked(shares: Shares, asked: _Asked, in_the_way: Sequence[Lock]) -> Answer:
    """RFC 4918 section 9.10.3: members keep a deep lock from being granted."""
    counts.lock("refused")
    view = shares.view()
    roots = dict.fromkeys(view.root_href(lock) for lock in in_the_way)
    lines = [multistatus.failure(root, faults.lock_conflict([root])) for root in roots]
    lines.append(multistatus.failure(view.href(asked.place.path), faults.failed_dependency()))
    return messages.report([multistatus.render(line) for line in lines])


def _refresh(shares: Shares, place: Place, target: Target, guard: Guard, timeout: int) -> Answer:
    """A LOCK without a body gives the submitted lock a new end (RFC 4918 section 9.10.2)."""
    if len(guard.tokens) != 1:
        raise faults.bad_header("If", "the one token of the lock that is to be refreshed")
    (token,) = guard.tokens

    def settle(view: View) -> Lock:
        subject = view.subject(place, target)
        plan.existing(subject)
        # The token first: its 412 says more than that of the If header.
        lock = next((one for one in view.locks(place) if one.token == token), None)
        if lock is None or not lock.covers(place.path):
            raise faults.wrong_refresh(paths.href(place.path, subject.is_collection, shares.prefix))
        view.require(guard, subject.mapped)
        if lock.principal != guard.principal:
            raise faults.not_your_lock()
        return lock

    with shares.section(place, settle=settle) as section:
        settle(section)
        section.writer.refresh_lock(token, timeout, section.now + timeout)

    counts.lock("refreshed")
    covering = [lock for lock in shares.view().locks(place) if lock.covers(place.path)]
    return _discovery(shares, covering, HTTPStatus.OK, ())


def _discovery(
    shares: Shares,
    covering: Sequence[Lock],
    status: HTTPStatus,
    extra: tuple[tuple[str, str], ...],
) -> Answer:
    """The answer that tells of all locks that cover a resource."""
    view = shares.view()
    content = forms.lockdiscovery(covering, view.now, view.root_href)
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:">'
        f"<D:lockdiscovery>{content}</D:lockdiscovery></D:prop>"
    )
    headers = (("Content-Type", multistatus.CONTENT_TYPE), *extra)
    return Answer(status, headers, body.encode(), codable=True)

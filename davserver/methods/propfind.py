"""PROPFIND: properties of a resource, of its members, or of everything below (RFC 4918
section 9.1). Streamed: one collection at a time, at any depth in constant memory.
"""

from collections.abc import Generator, Iterator

from davserver.protocol import (
    conditions,
    documents,
    faults,
    forms,
    headers,
    messages,
    paths,
    resources,
)
from davserver.protocol.forms import Form, Setting
from davserver.protocol.headers import Depth
from davserver.protocol.locks import Lock
from davserver.protocol.messages import Answer, Repeat, Request
from davserver.protocol.paths import Path
from davserver.protocol.properties import SUPPORTEDLOCK, Stored
from davserver.protocol.ranges import Range
from davserver.protocol.resources import Stat
from davserver.share import Place, View
from davserver.shares import Shares
from davserver.state import State

KEPT = 1 << 13
"""Bytes of a body that is kept, of a request or an answer."""


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    revision = shares.state.revision() if request.is_repeated else b""
    depth = headers.depth(request.headers, Depth.INFINITY)
    guard = conditions.read(request.headers, request.path, shares.prefix, request.principal)
    body = request.body.all(documents.LARGEST_BODY)

    listing = _Listing(shares, _form(body))
    if shares.is_above(request.path):
        shares.view().require(guard.only_if, shares.facts_above())
        _check_depth(depth, shares)
        return messages.report(listing.of_shares(depth))
    place = shares.to_read(request.path)
    facts = place.share.tree.look(place.local)

    if facts is None or (request.target.slash and not resources.is_collection(facts)):
        raise faults.not_found()
    shares.view().require(guard.only_if, facts)
    if resources.is_collection(facts):
        _check_depth(depth, shares)

    responses = listing.of(place, facts, depth)
    if depth is not Depth.ZERO and resources.is_collection(facts):
        return messages.report(responses)
    answer = messages.whole_report(responses)
    if not revision or conditions.are_in(request.headers) or listing.differs_each_time(place):
        return answer
    return answer._replace(repeat=_repeat(shares.state, place, facts, revision, answer))


def _repeat(
    state: State, place: Place, facts: Stat, revision: bytes, answer: Answer
) -> Repeat | None:
    """Gives the body again, as long as neither the facts of the resource nor the store have
    changed; None where it is too long to be kept.
    """
    body = answer.body
    if not isinstance(body, bytes) or len(body) > KEPT:
        return None
    tree, local, then = place.share.tree, place.local, resources.seen(facts)

    def repeat(_: Range | None) -> bytes | None:
        if state.revision() != revision:
            return None
        now = tree.look(local)
        return None if now is None or resources.seen(now) != then else body

    return repeat


def _check_depth(depth: Depth, shares: Shares) -> None:
    if depth is Depth.INFINITY and not shares.limits.infinite_depth:
        raise faults.infinite_depth()


_forms: dict[bytes, Form] = {}
"""Some of those that were made: a client asks for the same properties all the time."""
_MOST_FORMS = 64


def _form(body: bytes) -> Form:
    """Raises Fault 400."""
    form = _forms.get(body)
    if form is None:
        form = Form(documents.propfind(body))
        # Each name has its namespace, which may be long, and is written several times.
        if len(body) + sum(map(len, form.asked.names)) <= KEPT:
            if len(_forms) >= _MOST_FORMS:
                _forms.clear()
            _forms[body] = form
    return form


class _Listing:
    """The response elements of one PROPFIND."""

    def __init__(self, shares: Shares, form: Form) -> None:
        self._shares = shares
        self._form = form
        self._view: View = shares.view()

    def differs_each_time(self, place: Place) -> bool:
        """Whether it tells of one resource what is another thing each time, though nothing changes:
        how long locks last, what room there is.
        """
        if self._form.wants_quota:
            return True
        return self._form.wants_locks and self._view.has_locks(place)

    def of_shares(self, depth: Depth) -> Iterator[str]:
        """The collection above the shares, and the shares."""
        setting = Setting(self._base(()), "", "", ("0", "0"))
        yield from self._form.responses([("", self._shares.facts_above())], setting, [])
        if depth is Depth.ZERO:
            return
        for share in self._shares.all.values():
            facts = share.tree.look(())
            if facts is not None:
                below = Depth.INFINITY if depth is Depth.INFINITY else Depth.ZERO
                yield from self.of(Place(share, share.prefix), facts, below)

    def of(self, place: Place, facts: Stat, depth: Depth) -> Iterator[str]:
        """A resource, and its members as deep as asked."""
        covering = self._covering(place)
        yield from self._one(place, facts, covering)
        if depth is Depth.ZERO or not resources.is_collection(facts):
            return
        pending: list[tuple[Path, list[Lock]]] = [(place.path, covering)]
        recurs = depth is Depth.INFINITY
        while pending:
            path, above = pending.pop()
            inherited = [lock for lock in above if lock.deep]
            entered = yield from self._members(Place(place.share, path), inherited, recurs)
            if recurs:
                pending += reversed(entered)

    def _one(self, place: Place, facts: Stat, covering: list[Lock]) -> Iterator[str]:
        name = place.path[-1] if place.path else ""
        stored = self._view.properties(place, facts) if self._form.wants_stored else None
        wants_quota = self._form.wants_quota and resources.is_collection(facts)
        setting = Setting(
            self._base(place.path),
            self._lockdiscovery(covering),
            "" if self._shares.is_fixed(place.share) else SUPPORTEDLOCK,
            self._quota(place) if wants_quota else ("", ""),
            {name: stored} if stored else {},
        )
        return self._form.responses([(name, facts)], setting, [])

    def _members(
        self, place: Place, inherited: list[Lock], recurs: bool
    ) -> Generator[str, None, list[tuple[Path, list[Lock]]]]:
        """The members of one collection; gives the collections among them, with their locks."""
        tree = place.share.tree
        own = self._locked(place)
        setting = Setting(
            paths.href(place.path, True, self._shares.prefix),
            self._lockdiscovery(inherited),
            "" if self._shares.is_fixed(place.share) else SUPPORTEDLOCK,
            self._quota(place) if self._form.wants_quota else ("", ""),
            self._stored(place),
            {name: self._lockdiscovery([*inherited, *locks]) for name, locks in own.items()},
        )
        try:
            members = tree.members(place.local)
        except OSError:
            return []
        collections: list[str] = []
        if recurs:
            # A whole tree would push out what is asked for again and again.
            yield from self._form.responses(members, setting, collections)
        else:
            yield from self._form.remembered(members, setting, collections, self._shares.written)
        return [
            ((*place.path, name), [*inherited, *own.get(name, ())])
            for name in collections
            # A link may lead back up: what is behind it is listed when it is asked for itself.
            if not (tree.follow and tree.is_link((*place.local, name)))
        ]

    def _base(self, path: Path) -> str:
        """What precedes the last name of a path; of the root, all but its slash."""
        if path:
            return paths.href(path[:-1], True, self._shares.prefix)
        return paths.href((), True, self._shares.prefix).removesuffix("/")

    def _covering(self, place: Place) -> list[Lock]:
        if not self._form.wants_locks:
            return []
        return [lock for lock in self._view.locks(place) if lock.covers(place.path)]

    def _locked(self, place: Place) -> dict[str, list[Lock]]:
        if not self._form.wants_locks:
            return {}
        found = self._view.reader.locks_on_members(place.key, self._view.now)
        return {
            name: [
                lock for lock in self._view.localize(place, locks) if self._view.holds(place, lock)
            ]
            for name, locks in found.items()
        }

    def _lockdiscovery(self, covering: list[Lock]) -> str:
        return forms.lockdiscovery(covering, self._view.now, self._view.root_href)

    def _stored(self, place: Place) -> dict[str, Stored]:
        if not self._form.wants_stored:
            return {}
        return self._view.reader.properties_of_members(place.key)

    def _quota(self, place: Place) -> tuple[str, str]:
        """By statvfs, never by a walk (RFC 4331 sections 3 and 4)."""
        try:
            with place.share.tree.directory(place.local, reading=True) as directory:
                available, used = directory.space()
        except OSError:
            return "0", "0"
        return str(available), str(used)

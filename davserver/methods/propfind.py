"""PROPFIND: properties of a resource, of its members, or of everything below (RFC 4918
section 9.1). Streamed: one collection at a time, at any depth in constant memory.
"""

from collections.abc import Generator, Iterator

from davserver.protocol import (
    documents,
    faults,
    headers,
    messages,
    multistatus,
    paths,
    properties,
    resources,
)
from davserver.protocol.headers import Depth
from davserver.protocol.locks import Lock
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.properties import SUPPORTEDLOCK, Form, Stored
from davserver.protocol.resources import Stat
from davserver.share import Place, View
from davserver.shares import Shares


def run(request: Request, shares: Shares) -> Answer:
    assert request.target is not None
    depth = headers.depth(request.headers, Depth.INFINITY, frozenset(Depth))
    asked = documents.propfind(request.body.all(documents.LARGEST_BODY))

    listing = _Listing(shares, Form(asked))
    if shares.is_above(request.path):
        _check_depth(depth, shares)
        return messages.report(listing.of_shares(depth))
    place = shares.to_read(request.path)
    facts = place.share.tree.look(place.local)

    if facts is None or (request.target.slash and not resources.is_collection(facts)):
        raise faults.not_found()
    if resources.is_collection(facts):
        _check_depth(depth, shares)

    return messages.report(listing.of(place, facts, depth))


def _check_depth(depth: Depth, shares: Shares) -> None:
    if depth is Depth.INFINITY and not shares.limits.infinite_depth:
        raise faults.infinite_depth()


class _Listing:
    """The response elements of one PROPFIND."""

    def __init__(self, shares: Shares, form: Form) -> None:
        self._shares = shares
        self._form = form
        self._view: View = shares.view()

    def of_shares(self, depth: Depth) -> Iterator[str]:
        """The collection above the shares, and the shares."""
        whole = [share.tree.look(()) for share in self._shares.all.values()]
        newest = max((facts for facts in whole if facts is not None), key=resources.modified)
        href = paths.href((), True, self._shares.prefix)
        fields = properties.member(href, "", newest, lockable="", quota=("0", "0"))
        yield self._form.response(fields, None, collection=True)
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
        yield self._one(place, facts, covering)
        if depth is Depth.ZERO or not resources.is_collection(facts):
            return
        pending: list[tuple[Path, list[Lock]]] = [(place.path, covering)]
        while pending:
            path, above = pending.pop()
            inherited = [lock for lock in above if lock.deep]
            entered = yield from self._members(Place(place.share, path), inherited)
            if depth is Depth.INFINITY:
                pending += reversed(entered)

    def _one(self, place: Place, facts: Stat, covering: list[Lock]) -> str:
        collection = resources.is_collection(facts)
        name = place.path[-1] if place.path else ""
        quota = ("", "")
        if self._form.wants_quota and collection:
            quota = self._quota(place)
        fields = properties.member(
            paths.href(place.path, collection, self._shares.prefix),
            multistatus.text(name),
            facts,
            locks=self._lockdiscovery(covering),
            lockable="" if place.share.read_only else SUPPORTEDLOCK,
            quota=quota,
        )
        stored: Stored | None = None
        if self._form.wants_stored:
            stored = self._view.reader.properties(place.key)
        return self._form.response(fields, stored, collection=collection)

    def _members(
        self, place: Place, inherited: list[Lock]
    ) -> Generator[str, None, list[tuple[Path, list[Lock]]]]:
        """The members of one collection; gives the collections among them, with their locks."""
        tree = place.share.tree
        base = paths.href(place.path, True, self._shares.prefix)
        lockable = "" if place.share.read_only else SUPPORTEDLOCK
        common = self._lockdiscovery(inherited)
        entered: list[tuple[Path, list[Lock]]] = []
        try:
            directory = tree.directory(place.local, reading=True)
        except OSError:
            return entered
        with directory:
            quota = self._quota(place) if self._form.wants_quota else ("", "")
            stored = self._stored(place)
            locked = self._locked(place)
            for name, found in directory.entries():
                facts = tree.seen((*place.local, name), found)
                if facts is None:
                    continue
                escaped = paths.escape(name)
                collection = resources.is_collection(facts)
                own = locked.get(name, ())
                locks = self._lockdiscovery([*inherited, *own]) if own else common
                fields = properties.member(
                    base + escaped + "/" if collection else base + escaped,
                    name if escaped is name else multistatus.text(name),
                    facts,
                    locks=locks,
                    lockable=lockable,
                    quota=quota,
                )
                yield self._form.response(fields, stored.get(name), collection=collection)
                if collection and found is facts:
                    entered.append(((*place.path, name), [*inherited, *own]))
        return entered

    def _covering(self, place: Place) -> list[Lock]:
        if not self._form.wants_locks:
            return []
        return [lock for lock in self._view.locks(place) if lock.covers(place.path)]

    def _locked(self, place: Place) -> dict[str, list[Lock]]:
        if not self._form.wants_locks:
            return {}
        found = self._view.reader.locks_on_members(place.key, self._view.now)
        return {name: list(self._view.localize(place, locks)) for name, locks in found.items()}

    def _lockdiscovery(self, covering: list[Lock]) -> str:
        return properties.lockdiscovery(covering, self._view.now, self._view.root_href)

    def _stored(self, place: Place) -> dict[str, dict[str, str]]:
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

"""What a WebDAV server has to do, as a dict: written from RFC 4918, not from the server.

Each method is a request: it gives what the server must answer and changes the model as the server
must change, or raises Refused and changes nothing. Causes are looked for in this order: 400; 403;
404, 405, 409 and 415; the conditions of RFC 9110; If; Overwrite; locks.
"""

from collections.abc import Mapping

from tests.model.asked import Asked, Path
from tests.model.world import Expected, Held, Refused, World, is_below

PROTECTED = frozenset(["getetag", "lockdiscovery"])


def done(status: int) -> Expected:
    return Expected(frozenset([status]))


class Model(World):
    """The requests."""

    def get(self, path: Path, slash: bool, asked: Asked) -> Expected:
        self.existing(path, slash)
        self.require(asked, path, reads=True)
        return done(200)

    def propfind(self, path: Path, slash: bool, asked: Asked) -> Expected:
        self.existing(path, slash)
        self.require_if(asked, path)
        return done(207)

    def put(self, path: Path, slash: bool, content: bytes, asked: Asked) -> Expected:
        if self.is_collection(path):
            raise Refused(405)
        self.new_file(path, slash)
        self.require(asked, path)
        creates = path not in self.entries
        self.unlocked(asked, path, *([path[:-1]] if creates else []))
        self.store(path, content)
        return done(201 if creates else 204)

    def mkcol(self, path: Path, body: bool, asked: Asked) -> Expected:
        if path in self.entries:
            raise Refused(405)
        self.parent(path)
        if body:
            raise Refused(415)
        self.require(asked, path)
        self.unlocked(asked, path, path[:-1])
        self.entries[path] = None
        return done(201)

    def delete(self, path: Path, slash: bool, asked: Asked) -> Expected:
        if not path:
            raise Refused(403)
        self.existing(path, slash)
        self.require(asked, path)
        self.unlocked(asked, path, path[:-1])
        stuck = self._stuck(path, asked)
        self.drop(self._free(path, stuck))
        if stuck:
            return Expected(frozenset([207]), dict.fromkeys(stuck, 423))
        return done(204)

    def copy(
        self,
        source: tuple[Path, bool],
        target: tuple[Path, bool],
        asked: Asked,
        *,
        deep: bool = True,
        overwrite: bool = True,
    ) -> Expected:
        path, to = source[0], target[0]
        self._transfer(source, target, asked, overwrite)
        whole = self.entries[path] is None or self.is_collection(to)
        self.unlocked(asked, to, *([to[:-1]] if whole or to not in self.entries else []))
        created = self._clear(to, asked)
        for one in self.tree(path) if deep else [path]:
            self._arrive(one, (*to, *one[len(path) :]), new=True)
        return done(201 if created else 204)

    def move(
        self,
        source: tuple[Path, bool],
        target: tuple[Path, bool],
        asked: Asked,
        *,
        overwrite: bool = True,
    ) -> Expected:
        path, to = source[0], target[0]
        self._transfer(source, target, asked, overwrite)
        self.unlocked(asked, path, path[:-1], to, to[:-1])
        created = self._clear(to, asked, path)
        stuck = self._stuck(path, asked)
        free = self._free(path, stuck)
        above = [one for one in self.tree(path) if any(is_below(each, one) for each in stuck)]
        for one in [*above, *free]:
            self._arrive(one, (*to, *one[len(path) :]), new=False)
        self.drop(free)
        if stuck:
            return Expected(frozenset([207]), dict.fromkeys(stuck, 423))
        return done(201 if created else 204)

    def proppatch(
        self, path: Path, slash: bool, changes: Mapping[str, str | None], asked: Asked
    ) -> Expected:
        """``changes`` are new texts by name, None for what is to be removed."""
        self.existing(path, slash)
        self.require(asked, path)
        self.unlocked(asked, path)
        refused = PROTECTED & set(changes)
        if refused:
            told = {name: 403 if name in refused else 424 for name in changes}
            return Expected(frozenset([207]), properties=told)
        stored = self.properties.setdefault(path, {})
        for name, value in changes.items():
            stored.pop(name, None)
            if value is not None:
                stored[name] = value
        return Expected(frozenset([207]), properties=dict.fromkeys(changes, 200))

    def lock(
        self, path: Path, slash: bool, asked: Asked, *, deep: bool, exclusive: bool, owner: str
    ) -> Expected:
        creates = path not in self.entries
        if creates:
            self.new_file(path, slash)
        else:
            self.existing(path, slash)
        self.require(asked, path)
        if creates:
            self.unlocked(asked, path, path[:-1])
        rivals = [one for one in self.locks.values() if exclusive or one.exclusive]
        covering = [one.root for one in rivals if one.covers(path)]
        if covering:
            raise Refused(423, roots=covering)
        below = {one.root: 423 for one in rivals if deep and is_below(one.root, path)}
        if below:
            raise Refused(207, failed={**below, path: 424})
        if creates:
            self.store(path, b"")
        self.granted += 1
        self.locks[self.granted] = Held(self.granted, path, deep, exclusive, owner)
        return done(201 if creates else 200)

    def refresh(self, path: Path, slash: bool, asked: Asked) -> Expected:
        if len(asked.tokens) != 1:
            raise Refused(400)
        self.existing(path, slash)
        lock = self.locks.get(min(asked.tokens))
        if lock is None or not lock.covers(path):
            raise Refused(412)
        self.require(asked, path)
        return done(200)

    def unlock(self, path: Path, slash: bool, number: int, asked: Asked) -> Expected:
        self.existing(path, slash)
        lock = self.locks.get(number)
        if lock is None or not lock.covers(path):
            raise Refused(409)
        self.require(asked, path)
        del self.locks[number]
        return done(204)

    def _transfer(
        self, source: tuple[Path, bool], target: tuple[Path, bool], asked: Asked, overwrite: bool
    ) -> None:
        """All that is asked before the locks."""
        (path, slash), (to, to_slash) = source, target
        is_missing = path not in self.entries or (slash and not self.is_collection(path))
        statuses = [404] if is_missing else []
        if not to or path == to or is_below(to, path) or is_below(path, to):
            raise Refused(403, *statuses)
        to_file = to_slash and not self.is_collection(to) and self.entries.get(path) is not None
        if not self.is_collection(to[:-1]) or to_file:
            statuses.append(409)
        if statuses:
            raise Refused(*statuses)
        self.require(asked, path)
        if to in self.entries and not overwrite:
            raise Refused(412)

    def _clear(self, path: Path, asked: Asked, moved: Path | None = None) -> bool:
        """Make room at a destination, if nobody's lock below it forbids, nor one below what is to
        be ``moved`` there: nothing is replaced by half a tree. A lock on it stays (RFC 4918
        section 7.6). Gives whether there was nothing.
        """
        replaced = path if moved is None or path not in self.entries else moved
        roots = [
            one.root
            for one in self.locks.values()
            if is_below(one.root, path) or is_below(one.root, replaced)
        ]
        failed = {root: 423 for root in roots if self.lacking(asked, root)}
        if failed:
            raise Refused(207, failed=failed)
        created = path not in self.entries
        kept = [one for one in self.locks.values() if one.root == path]
        self.drop(self.tree(path))
        self.locks |= {one.number: one for one in kept}
        return created

    def _arrive(self, one: Path, at: Path, *, new: bool) -> None:
        found = self.entries[one]
        if found is None or not new:
            self.entries[at] = found
        else:
            self.store(at, found.content)
        self.properties[at] = dict(self.properties.get(one, {}))

    def _stuck(self, path: Path, asked: Asked) -> list[Path]:
        """The uppermost members that a lock keeps where they are."""
        stuck: list[Path] = []
        for one in self.tree(path)[1:]:
            if not any(is_below(one, each) for each in stuck) and self.lacking(asked, one):
                stuck.append(one)
        return stuck

    def _free(self, path: Path, stuck: list[Path]) -> list[Path]:
        """What may go: neither stuck, nor in what is stuck, nor holding it."""
        return [
            one
            for one in self.tree(path)
            if not any(one == each or is_below(one, each) or is_below(each, one) for each in stuck)
        ]

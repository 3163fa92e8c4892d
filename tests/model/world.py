"""The state that the model keeps, and the questions that every request asks of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.model.asked import ANY, CURRENT, Asked, Etag, Etags, Path, Term


@dataclass(frozen=True)
class Expected:
    """``failed`` are the responses of a 207, ``roots`` the locks that a 423 may name,
    ``properties`` what a PROPPATCH says of each.
    """

    statuses: frozenset[int]
    failed: Mapping[Path, int] = field(default_factory=dict)
    roots: frozenset[Path] = frozenset()
    properties: Mapping[str, int] = field(default_factory=dict)


class Refused(Exception):
    """Nothing has changed. Where two causes are of one rank either may be told."""

    def __init__(
        self, *statuses: int, failed: Mapping[Path, int] | None = None, roots: Iterable[Path] = ()
    ) -> None:
        super().__init__(statuses)
        self.expected = Expected(frozenset(statuses), failed or {}, frozenset(roots))


@dataclass(frozen=True)
class File:
    content: bytes
    version: int


@dataclass(frozen=True)
class Held:
    """A lock. Its number stands for its token."""

    number: int
    root: Path
    deep: bool
    exclusive: bool
    owner: str

    def covers(self, path: Path) -> bool:
        return path == self.root or (self.deep and is_below(path, self.root))


def is_below(path: Path, ancestor: Path) -> bool:
    return len(path) > len(ancestor) and path[: len(ancestor)] == ancestor


class World:
    """A tree (None is a collection), the dead properties of its resources, and its locks."""

    def __init__(self) -> None:
        self.entries: dict[Path, File | None] = {(): None}
        self.properties: dict[Path, dict[str, str]] = {}
        self.locks: dict[int, Held] = {}
        self.versions = 0
        self.granted = 0

    def is_collection(self, path: Path) -> bool:
        return path in self.entries and self.entries[path] is None

    def version(self, path: Path) -> int | None:
        found = self.entries.get(path)
        return None if found is None else found.version

    def covering(self, path: Path) -> list[Held]:
        return [one for one in self.locks.values() if one.covers(path)]

    def existing(self, path: Path, slash: bool) -> None:
        if path not in self.entries or (slash and not self.is_collection(path)):
            raise Refused(404)

    def parent(self, path: Path) -> None:
        if not self.is_collection(path[:-1]):
            raise Refused(409)

    def new_file(self, path: Path, slash: bool) -> None:
        self.parent(path)
        if slash:
            raise Refused(409)

    def store(self, path: Path, content: bytes) -> None:
        self.versions += 1
        self.entries[path] = File(content, self.versions)

    def drop(self, gone: Iterable[Path]) -> None:
        for path in gone:
            self.entries.pop(path, None)
            self.properties.pop(path, None)
            for number in [one.number for one in self.locks.values() if one.root == path]:
                del self.locks[number]

    def tree(self, path: Path) -> list[Path]:
        """A resource and all below it, collections before their members."""
        return sorted(one for one in self.entries if one == path or is_below(one, path))

    def lacking(self, asked: Asked, *paths: Path) -> set[Path]:
        """The roots of locks whose tokens are not submitted. One token is enough for each
        resource that has several shared locks.
        """
        lacking: set[Path] = set()
        for path in paths:
            covering = self.covering(path)
            if covering and not asked.tokens & {one.number for one in covering}:
                lacking |= {one.root for one in covering}
        return lacking

    def unlocked(self, asked: Asked, *paths: Path) -> None:
        lacking = self.lacking(asked, *paths)
        if lacking:
            raise Refused(423, roots=lacking)

    def require(self, asked: Asked, path: Path, *, reads: bool = False) -> None:
        if asked.match is not None and not self._matches(asked.match, path, strong=True):
            raise Refused(412)
        if asked.none_match is not None and self._matches(asked.none_match, path, strong=False):
            raise Refused(304 if reads else 412)
        self.require_if(asked, path)

    def require_if(self, asked: Asked, path: Path) -> None:
        if asked.lists and not any(
            all(
                self._holds(term, path if one.tag is None else one.tag) != term.negated
                for term in one.terms
            )
            for one in asked.lists
        ):
            raise Refused(412)

    def _matches(self, tags: Etags, path: Path, *, strong: bool) -> bool:
        if isinstance(tags, str):
            assert tags == ANY
            return path in self.entries
        return any(self._is_version(tag, path) and not (strong and tag.weak) for tag in tags or ())

    def _is_version(self, tag: Etag, path: Path) -> bool:
        version = self.version(path)
        return version is not None and tag.version in (version, CURRENT)

    def _holds(self, term: Term, path: Path) -> bool:
        """Of an unmapped URL no state is true (RFC 4918 section 10.4.4)."""
        if path not in self.entries:
            return False
        if isinstance(term.state, Etag):
            return self._is_version(term.state, path)
        return term.state in {one.number for one in self.covering(path)}

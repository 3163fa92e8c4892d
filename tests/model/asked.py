"""What a request of the state machine asks for beside its method: symbols, not strings.

Lock tokens and entity tags are the server's to choose, so the model knows them by number only:
the n-th lock that was granted, the n-th content that was made. Whoever sends the request puts the
server's strings in their place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Path = tuple[str, ...]

ANY: Literal["*"] = "*"
CURRENT = 0
"""The version that the resource in question has now."""
UNKNOWN = -1
"""The number of a token or version that nobody ever had."""


@dataclass(frozen=True)
class Etag:
    """The entity tag of a version; versions count from 1."""

    version: int
    weak: bool = False


@dataclass(frozen=True)
class Term:
    """A condition of an If list (RFC 4918 section 10.4.2): a token by its number, or an Etag."""

    state: int | Etag
    negated: bool = False


@dataclass(frozen=True)
class StateList:
    """Terms that hold together for a tagged resource, or without a tag for the request's own."""

    terms: tuple[Term, ...]
    tag: Path | None = None


Etags = Literal["*"] | tuple[Etag, ...] | None


@dataclass(frozen=True)
class Asked:
    """The preconditions of a request."""

    match: Etags = None
    none_match: Etags = None
    lists: tuple[StateList, ...] = ()

    @property
    def tokens(self) -> frozenset[int]:
        """Submitted is what stands anywhere in the header (RFC 4918 section 7.5)."""
        terms = [term for one in self.lists for term in one.terms]
        return frozenset(term.state for term in terms if isinstance(term.state, int))

    def headers(
        self,
        path: Path,
        etag: Callable[[Path, int], str],
        token: Callable[[int], str],
        href: Callable[[Path], str],
    ) -> dict[str, str]:
        """The header fields for a request at a path.

        ``etag`` tells the entity tag of a version at a path, ``token`` the token of a lock,
        ``href`` how a URL is written.
        """

        def written(one: Etag, where: Path) -> str:
            return ("W/" if one.weak else "") + etag(where, one.version)

        def field(tags: Etags) -> str:
            return ANY if isinstance(tags, str) else ", ".join(written(t, path) for t in tags or ())

        def term(one: Term, where: Path) -> str:
            state = one.state
            what = f"<{token(state)}>" if isinstance(state, int) else f"[{written(state, where)}]"
            return f"Not {what}" if one.negated else what

        found = {}
        if self.match is not None:
            found["If-Match"] = field(self.match)
        if self.none_match is not None:
            found["If-None-Match"] = field(self.none_match)
        lists = []
        for one in self.lists:
            where = path if one.tag is None else one.tag
            terms = " ".join(term(each, where) for each in one.terms)
            lists.append(f"({terms})" if one.tag is None else f"<{href(one.tag)}> ({terms})")
        if lists:
            found["If"] = " ".join(lists)
        return found


NOTHING = Asked()

"""What a request demands of the state that it meets: RFC 9110 section 13 and the If header.

A `Guard` is read once. It is asked inside the commit section, where it counts, and before that
where much would be done in vain.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from davserver.protocol import faults, headers, paths, resources
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path
from davserver.protocol.resources import Stat


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a list: a state token, or an entity tag with its quotes."""

    negated: bool
    token: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class StateList:
    """Conditions that all have to hold for one resource."""

    resource: Path | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """All that a request demands. An absent header is None, and demands nothing.

    In ``match`` and ``none_match`` an empty tuple is a header whose value cannot match anything.
    """

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None
    unmodified_since: datetime | None = None
    modified_since: datetime | None = None
    lists: tuple[StateList, ...] = ()
    tokens: frozenset[str] = frozenset()
    principal: str = ""

    @property
    def only_if(self) -> "Guard":
        """The If header alone: clients send PROPFIND with stray conditions of other kinds."""
        return Guard(lists=self.lists, tokens=self.tokens, principal=self.principal)


@dataclass(frozen=True, slots=True)
class State:
    """What a condition is compared with: the entity tag and the lock tokens of a resource."""

    etag: str | None
    tokens: frozenset[str]


ANY = "*"
NO_LOCK = "DAV:no-lock"
_FIELDS = frozenset({"if", "if-match", "if-none-match", "if-unmodified-since", "if-modified-since"})
_ETAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_ETAG_LIST = re.compile(rf"[\s,]*(?:{_ETAG}[ \t]*(?:,[\s,]*|$))+")
# RFC 4918 took the entity tags of RFC 2616, which may hold spaces.
_PIECE = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<not>Not\b)|<(?P<uri>[^<>\s]+)>"""
    r"""|\[(?P<etag>(?:W/)?"[^"\x00-\x1f]*")\])\s*""",
    re.IGNORECASE,
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")


def read(values: Mapping[str, str], path: Path, prefix: Path, principal: str) -> Guard:
    """Read the conditions of a request for ``path``.

    Raises Fault 400 for an If header that breaks the grammar of RFC 4918 section 10.4.2. Entity
    tags that break theirs match nothing: Joplin sends `If-None-Match: JoplinIgnore-123`.
    """
    if not are_in(values):
        return _unconditional(principal)
    lists = _read_if(values.get("if"), path, prefix)
    return Guard(
        match=_read_etags(values.get("if-match")),
        none_match=_read_etags(values.get("if-none-match")),
        unmodified_since=headers.date(values.get("if-unmodified-since")),
        modified_since=headers.date(values.get("if-modified-since")),
        lists=lists,
        # A token counts as submitted wherever it stands in the header (RFC 4918 section 10.4.1).
        tokens=frozenset(
            condition.token
            for one in lists
            for condition in one.conditions
            # DAV:no-lock is never the token of a lock (RFC 4918 section 10.4.8).
            if condition.token and condition.token != NO_LOCK
        ),
        principal=principal,
    )


def are_in(values: Mapping[str, str]) -> bool:
    """Whether the header fields of a request hold conditions that `read` reads."""
    return any(name in values for name in _FIELDS)


@lru_cache
def _unconditional(principal: str) -> Guard:
    return Guard(principal=principal)


def require(
    guard: Guard,
    facts: Stat | None,
    state_of: Callable[[Path], State],
    not_modified: Callable[[Stat], Fault] | None = None,
) -> None:
    """Check everything but the locks, in the order of RFC 9110 section 13.2.2, then If.

    ``facts`` are those of the request's own resource, None where the URL is unmapped.
    ``state_of`` tells the state of any resource that the If header names. ``not_modified`` makes
    the 304 of GET and HEAD, and its presence says that the method is one of them.

    Raises Fault 412, or what ``not_modified`` makes.
    """
    if guard.match is not None:
        if not _matches(guard.match, facts, strong=True):
            raise faults.precondition_failed("If-Match")
    elif (
        guard.unmodified_since is not None
        and facts is not None
        and resources.modified(facts) > guard.unmodified_since.timestamp()
    ):
        raise faults.precondition_failed("If-Unmodified-Since")
    if guard.none_match is not None:
        if _matches(guard.none_match, facts, strong=False):
            if not_modified is not None and facts is not None:
                raise not_modified(facts)
            raise faults.precondition_failed("If-None-Match")
    elif (
        guard.modified_since is not None
        and not_modified is not None
        and facts is not None
        and resources.modified(facts) <= guard.modified_since.timestamp()
    ):
        raise not_modified(facts)
    if guard.lists and not any(_holds(one, state_of) for one in guard.lists):
        raise faults.precondition_failed("If")


def same_strong(left: str, right: str | None) -> bool:
    """RFC 9110 section 8.8.3.2: the strong comparison."""
    return left == right and not left.startswith("W/")


def _matches(wanted: tuple[str, ...], facts: Stat | None, *, strong: bool) -> bool:
    if facts is None:
        return False
    if wanted == (ANY,):
        return True
    current = resources.etag(facts)
    return current is not None and any(
        one == current if strong else one.removeprefix("W/") == current for one in wanted
    )


def _holds(one: StateList, state_of: Callable[[Path], State]) -> bool:
    state = State(None, frozenset()) if one.resource is None else state_of(one.resource)
    return all(
        condition.negated
        != (
            condition.token in state.tokens
            if condition.token
            # The weak comparison: RFC 4918 section 10.4.4 allows it, and proxies weaken tags.
            else condition.etag.removeprefix("W/") == state.etag
        )
        for condition in one.conditions
    )


def _read_etags(value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    if value.strip() == ANY:
        return (ANY,)
    return tuple(re.findall(_ETAG, value)) if _ETAG_LIST.fullmatch(value) else ()


def _read_if(value: str | None, path: Path, prefix: Path) -> tuple[StateList, ...]:
    if value is None:
        return ()
    wrong = faults.bad_header("If", "lists as in RFC 4918 section 10.4.2")
    lists: list[StateList] = []
    tagged = tag_is_used = False
    resource: Path | None = path
    conditions: list[Condition] | None = None
    negated = False
    position = 0
    while position < len(value):
        match = _PIECE.match(value, position)
        if match is None:
            raise wrong
        position = match.end()
        if conditions is None:
            if match["open"]:
                conditions, tag_is_used = [], True
            elif match["uri"] and (tagged or not lists) and (tag_is_used or not tagged):
                resource, tagged, tag_is_used = _resource(match["uri"], prefix), True, False
            else:
                raise wrong
        elif match["not"] and not negated:
            negated = True
        elif match["uri"] and _URI.fullmatch(match["uri"]):
            conditions.append(Condition(negated, token=match["uri"]))
            negated = False
        elif match["etag"]:
            conditions.append(Condition(negated, etag=match["etag"]))
            negated = False
        elif match["close"] and conditions and not negated:
            lists.append(StateList(resource, tuple(conditions)))
            conditions = None
        else:
            raise wrong
    if conditions is not None or not lists or not tag_is_used:
        raise wrong
    return tuple(lists)


def _resource(tag: str, prefix: Path) -> Path | None:
    """The resource that a tag names, compared by path alone; None for one of another server."""
    target = paths.parse(tag)
    if target.path[: len(prefix)] != prefix:
        return None
    return target.path[len(prefix) :]

"""What the state machine draws: paths, preconditions and contents.

Paths and tokens are mostly those that are there, else nearly every request would be a 404.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.model.asked import (
    ANY,
    CURRENT,
    NOTHING,
    UNKNOWN,
    Asked,
    Etag,
    Etags,
    Path,
    StateList,
    Term,
)
from tests.model.model import Model
from tests.model.world import is_below

NAMES = ["a", "b", "f", "c d", "50%", "x;y#?", "\u00e9", "e\u0301", "\N{DRAGON FACE}"]
"""Few, so that requests meet; an accented letter in both of its normal forms."""
DEEPEST = 4

Drawn = TypeVar("Drawn")


def _of_model(choices: Callable[[Model], Sequence[Drawn]]) -> st.SearchStrategy[Drawn]:
    """One of the choices that the machine's model gives at the time."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine.model)))


def _here(model: Model) -> list[Path]:
    """What is there below the root, or else the root. The first are drawn most: these are deep
    down, so that a tree lives longer than a few DELETEs.
    """
    return sorted(filter(None, model.entries), key=lambda one: (-len(one), one)) or [()]


def _new(model: Model) -> list[Path]:
    """Names in collections, taken or not."""
    collections = [one for one in sorted(model.entries) if model.is_collection(one)]
    return [(*one, name) for one in collections if len(one) < DEEPEST for name in NAMES]


def _pairs(model: Model) -> list[tuple[Path, Path]]:
    """Source and destination that have nothing to do with each other, as far as there are any."""
    return [
        (source, to)
        for source in _here(model)
        for to in [*_here(model)] * 4 + _new(model)
        if source != to and not is_below(source, to) and not is_below(to, source)
    ] or [((), ())]


def _above_locks(model: Model) -> list[Path]:
    """Collections with a locked member: where a request may fail in part."""
    roots = [one.root for one in model.locks.values()]
    found = {root[:length] for root in roots for length in range(1, len(root))}
    return sorted(found) or _here(model)


HERE = _of_model(_here)
ABOVE_LOCKS = _of_model(_above_locks)
NEW = _of_model(_new)
ANYWHERE: st.SearchStrategy[Path] = st.one_of(
    HERE,
    NEW,
    NEW,
    st.just(()),
    # Below what may be a collection, a file or nothing.
    st.builds(lambda path, name: (*path, name), st.one_of(HERE, NEW), st.sampled_from(NAMES)),
)
NUMBER = _of_model(lambda model: [UNKNOWN, *range(1, model.granted + 1)][::-1])
"""Of a lock, the youngest first."""
SLASH = st.sampled_from([False] * 7 + [True])
TARGET = st.tuples(st.one_of(NEW, ANYWHERE), SLASH)
SOURCE = st.tuples(st.one_of(HERE, HERE, HERE, ABOVE_LOCKS, ANYWHERE), SLASH)
FROM_TO = st.builds(
    lambda pair, slash, to_slash: ((pair[0], slash), (pair[1], to_slash)),
    st.one_of(
        _of_model(_pairs),
        _of_model(_pairs),
        st.tuples(HERE, ANYWHERE),
        st.tuples(ABOVE_LOCKS, NEW),
        st.tuples(NEW, ABOVE_LOCKS),
    ),
    SLASH,
    SLASH,
)

CONTENT = st.one_of(
    st.sampled_from([b"", b"second", b"third"]),
    # Long enough for the ways of copying within the kernel.
    st.just(b"0123456789abcdef" * 5000),
)
OWNERS = st.sampled_from(["", "Ann & Bob", "\u00e9 <owner>"])
PATCHES: st.SearchStrategy[dict[str, str | None]] = st.dictionaries(
    # Twice and thrice the stored ones: a protected one makes all fail.
    st.sampled_from(["color", "note", "color", "note", "displayname", "getetag"]),
    st.sampled_from([None, "red", "\u00e9 & <b>", " two  spaces "]),
    min_size=1,
    max_size=3,
)


def preconditions(*, holds: bool = True, refreshes: bool = False) -> st.SearchStrategy[Asked]:
    """Mostly none, or the tokens of locks that are there; without ``holds`` none of these.

    With ``refreshes`` mostly the one token that a refresh of a lock needs.
    """
    return st.runner().flatmap(lambda machine: _preconditions(machine.model, holds, refreshes))


def _preconditions(model: Model, holds: bool, refreshes: bool) -> st.SearchStrategy[Asked]:
    held = sorted(model.locks.values(), key=lambda one: one.number)
    mine = [StateList((Term(one.number),), one.root) for one in held]
    lone = [Asked(lists=(StateList((Term(one.number),)),)) for one in held]
    choices: list[st.SearchStrategy[Asked]] = []
    if held and refreshes:
        choices += [st.sampled_from(lone)] * 6
    elif held and holds:
        choices += [st.just(Asked(lists=tuple(mine)))] * 4
        some = st.lists(st.sampled_from(mine), min_size=1, max_size=3, unique=True)
        choices += [st.builds(lambda lists: Asked(lists=tuple(lists)), some)]
        choices += [st.sampled_from(lone)]
    choices += [st.just(NOTHING)] * 4 + [_free(model)]
    return st.one_of(choices)


def _free(model: Model) -> st.SearchStrategy[Asked]:
    """Any conditions at all, true or false."""
    versions = sorted({file.version for file in model.entries.values() if file})
    etags = st.builds(
        Etag, st.sampled_from([CURRENT, CURRENT, UNKNOWN, *versions[-3:]]), st.booleans()
    )
    field: st.SearchStrategy[Etags] = st.one_of(
        st.none(), st.none(), st.just(ANY), st.lists(etags, min_size=1, max_size=2).map(tuple)
    )
    numbers = st.sampled_from([UNKNOWN, *range(1, model.granted + 1)][-5:])
    terms = st.builds(Term, st.one_of(numbers, etags), st.booleans())
    tags = st.one_of(
        st.just(None), st.sampled_from(sorted(model.entries)), st.just(("not", "there"))
    )
    tagged = st.lists(
        st.builds(StateList, st.lists(terms, min_size=1, max_size=2).map(tuple), tags), max_size=2
    )
    return st.builds(Asked, field, field, tagged.map(_well_formed))


def _well_formed(lists: list[StateList]) -> tuple[StateList, ...]:
    """Tagged and untagged lists do not mix in one header (RFC 4918 section 10.4.2)."""
    kinds = {one.tag is None for one in lists}
    return tuple(lists[:1] if len(kinds) > 1 else lists)


REQUESTS: list[st.SearchStrategy[tuple[str, dict[str, Any]]]] = []
"""Methods of the machine with what they are called with. One rule chooses among them: of many
rules hypothesis leaves most out of each sequence, and it takes many kinds of requests to build a
tree with locks and properties.
"""
Method = TypeVar("Method", bound=Callable[..., None])


def request(weight: int = 1, **values: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Let the machine draw a call of a method, ``weight`` times as often as others."""

    def register(method: Method) -> Method:
        drawn = st.tuples(st.just(method.__name__), st.fixed_dictionaries(values))
        REQUESTS.extend([drawn] * weight)
        return method

    return register


BEGIN: list[Path] = [
    ("a",),
    ("a", "b"),
    ("a", "b", "c d"),
    ("a", "b", "c d", "f"),
    ("a", "b", "f"),
    ("a", "\u00e9"),
    ("b",),
    ("b", "f"),
    ("f",),
]

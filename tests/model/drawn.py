"""What the state machine draws: paths, preconditions and contents.

Paths and tokens are mostly those that are there, else nearly every request would be a 404.
"""

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

NAMES = ["a", "b", "f", "c d", "50%", "x;y#?", "\u00e9", "e\u0301", "\N{DRAGON FACE}"]
"""Few, so that requests meet; an accented letter in both of its normal forms."""

DEEPEST = 4


def _paths(model: Model) -> list[Path]:
    return sorted(path for path in model.entries if len(path) < DEEPEST)


HERE: st.SearchStrategy[Path] = st.runner().flatmap(
    lambda machine: st.sampled_from(sorted(machine.model.entries))
)
"""A resource that is there."""

CHILD: st.SearchStrategy[Path] = st.builds(
    lambda path, name: (*path, name),
    st.runner().flatmap(lambda machine: st.sampled_from(_paths(machine.model))),
    st.sampled_from(NAMES),
)
"""A name below a resource that is there, be it a collection or not."""

ANYWHERE: st.SearchStrategy[Path] = st.one_of(
    HERE, CHILD, CHILD, CHILD, st.builds(lambda path, name: (*path, name), CHILD, st.just("b"))
)
"""The last kind is mostly below nothing."""

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
    choices = [st.just(NOTHING), _free(model)]
    if held and refreshes:
        choices += [st.sampled_from(lone)] * 4
    elif held and holds:
        choices += [st.just(Asked(lists=tuple(mine)))] * 2
        some = st.lists(st.sampled_from(mine), min_size=1, max_size=3, unique=True)
        choices += [st.builds(lambda lists: Asked(lists=tuple(lists)), some)]
        choices += [st.sampled_from(lone)]
    else:
        choices += [st.just(NOTHING)] * 2
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

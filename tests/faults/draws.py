"""How operations are drawn: one function a kind, and the table of how often each comes.

Each gives None where the world has nothing that it could be done to.
"""

from collections.abc import Callable
from typing import TypeVar

from tests.faults import bodies
from tests.faults.connection import HOST, Asked
from tests.faults.model import Path
from tests.faults.operations import (
    LARGEST,
    MOST_LOCKS,
    OCTETS,
    SECONDS,
    Drawing,
    Operation,
    href,
    lock_fields,
    lockinfo,
    update,
)

T = TypeVar("T")
Draw = Callable[[Drawing], Operation | None]


def _put(given: Drawing, what: str, path: Path | None, **fields: str) -> Operation | None:
    """PUT of a new content, chunked or with its length."""
    if path is None:
        return None
    number = given.number(False)
    headers = {**OCTETS, **given.submitted(), **fields}
    chunked = given.chance.random() < 0.3
    asked = Asked("PUT", href(path), headers, bodies.body(number), chunked)
    return Operation(what, path, asked, given.world.put(path, number))


def put_new(given: Drawing) -> Operation | None:
    fields = {"If-None-Match": "*"} if given.chance.random() < 0.2 else {}
    return _put(given, "PUT new", given.free(), **fields)


def put_over(given: Drawing) -> Operation | None:
    return _put(given, "PUT over", _any(given, given.files()))


def put_if_match(given: Drawing) -> Operation | None:
    path = _any(given, [one for one in given.files() if one in given.etags])
    if path is None:
        return None
    return _put(given, "PUT If-Match", path, **{"If-Match": given.etags[path]})


def put_refused(given: Drawing) -> Operation | None:
    """A PUT that must change nothing, for one of several reasons."""
    files, number = given.files(), given.number(True)
    locked = [one for one in files if given.world.owners(one)]
    stale = [one for one in files if one in given.stale]
    drawn = given.chance.choice(("token", "stale", "parent", "exists"))
    fields, refusal, path = given.submitted(), 0, _any(given, files)
    if drawn == "token":
        path, fields, refusal = _any(given, locked), {}, 423
    elif drawn == "stale":
        path, refusal = _any(given, stale), 412
        fields |= {"If-Match": given.stale[path]} if path else {}
    elif drawn == "parent" and (place := given.free(2)):
        path, refusal = (*place, "x"), 409
    elif drawn == "exists":
        fields, refusal = {**fields, "If-None-Match": "*"}, 412
    if path is None or not refusal:
        return None
    asked = Asked("PUT", href(path), {**OCTETS, **fields}, bodies.body(number))
    return Operation(f"PUT refused: {drawn}", path, asked, given.world.put(path, number), refusal)


def mkcol(given: Drawing) -> Operation | None:
    path = given.free(2)
    if path is None:
        return None
    asked = Asked("MKCOL", href(path, slash=True), given.submitted())
    return Operation("MKCOL", path, asked, given.world.put(path, None))


def delete_file(given: Drawing) -> Operation | None:
    return _delete(given, "DELETE file", _any(given, given.files()))


def delete_tree(given: Drawing) -> Operation | None:
    return _delete(given, "DELETE tree", _any(given, given.collections()[1:]))


def delete_refused(given: Drawing) -> Operation | None:
    """Without the token of a lock on it."""
    path = _any(given, [held.root for held in given.world.locks.values() if len(held.root) > 1])
    if path is None:
        return None
    asked = Asked("DELETE", given.href(path), {})
    return Operation("DELETE refused", path, asked, given.world.delete(path), 423)


def _delete(given: Drawing, what: str, path: Path | None) -> Operation | None:
    if path is None:
        return None
    asked = Asked("DELETE", given.href(path), given.submitted())
    return Operation(what, path, asked, given.world.delete(path))


def transfer(method: str, kind: str, onto: str) -> Draw:
    """MOVE or COPY of a file or a tree onto nothing, onto what is alike, or onto another kind."""

    def drawn(given: Drawing) -> Operation | None:
        files = kind == "file"
        source = _any(given, given.files() if files else given.collections()[1:])
        if source is None:
            return None
        height = given.height(source)
        target = given.free(height, source)
        if onto:
            target = given.taken(source, height, alike=onto == "alike")
        if target is None:
            return None
        # A slash behind a name that is a file's is more than some servers bear.
        url = href(target, slash=not files and target not in given.files())
        fields = {"Destination": f"http://{HOST}:{given.port}{url}", **given.submitted()}
        world = given.world
        after = world.move(source, target) if method == "MOVE" else world.copy(source, target)
        asked = Asked(method, given.href(source), fields)
        return Operation(f"{method} {kind}", source, asked, after, target=target)

    return drawn


def copy_alone(given: Drawing) -> Operation | None:
    """COPY of a collection without its members."""
    source, target = _any(given, given.collections()[1:]), given.free(2)
    if source is None or target is None or target[: len(source)] == source:
        return None
    to = f"http://{HOST}:{given.port}{href(target, slash=True)}"
    asked = Asked(
        "COPY", given.href(source), {"Destination": to, "Depth": "0", **given.submitted()}
    )
    after = given.world.copy(source, target, deep=False)
    return Operation("COPY Depth 0", source, asked, after, target=target)


def patch(given: Drawing) -> Operation | None:
    """Two properties get the same value in one request."""
    path, number = _any(given, sorted(given.world.things)), given.number(False)
    if path is None:
        return None
    remove = given.world.things[path].pair and given.chance.random() < 0.15
    value = 0 if remove else number
    asked = Asked("PROPPATCH", given.href(path), given.submitted(), update(value))
    return Operation("PROPPATCH", path, asked, given.world.patch(path, value))


def patch_refused(given: Drawing) -> Operation | None:
    """One property may not be set, so none is."""
    path, number = _any(given, sorted(given.world.things)), given.number(False)
    if path is None:
        return None
    asked = Asked("PROPPATCH", given.href(path), given.submitted(), update(number, broken=True))
    after = given.world.patch(path, number)
    return Operation("PROPPATCH refused", path, asked, after, refusal=207)


def lock(given: Drawing) -> Operation | None:
    """A lock on what no lock covers."""
    world, deep = given.world, given.chance.random() < 0.5
    roots = [held.root for held in world.locks.values()]
    free = [
        path
        for path in given.members()
        if not world.owners(path)
        and not (deep and any(root[: len(path)] == path for root in roots))
    ]
    path = _any(given, free)
    if path is None or len(roots) >= MOST_LOCKS:
        return None
    return _lock(given, "LOCK", path, deep)


def lock_unmapped(given: Drawing) -> Operation | None:
    path = given.free()
    if path is None or given.world.owners(path) or len(given.world.locks) >= MOST_LOCKS:
        return None
    return _lock(given, "LOCK unmapped", path, False)


def lock_refused(given: Drawing) -> Operation | None:
    """A second exclusive lock."""
    path = _any(given, [one for one in given.members() if given.world.owners(one)])
    return None if path is None else _lock(given, "LOCK refused", path, False, 423)


def _lock(given: Drawing, what: str, path: Path, deep: bool, refusal: int = 0) -> Operation:
    owner = f"owner-{given.number(False)}"
    asked = Asked("LOCK", given.href(path), lock_fields(deep) | given.submitted(), lockinfo(owner))
    return Operation(what, path, asked, given.world.lock(path, owner, deep), refusal, owner)


def refresh(given: Drawing) -> Operation | None:
    """One lock gets a new end."""
    owner = _any(given, sorted(one for one in given.world.locks if one in given.tokens))
    if owner is None:
        return None
    root = given.world.locks[owner].root
    fields = {"Timeout": f"Second-{SECONDS}", "If": f"(<{given.tokens[owner]}>)"}
    return Operation("LOCK refresh", root, Asked("LOCK", given.href(root), fields), given.world)


def unlock(given: Drawing) -> Operation | None:
    owner = _any(given, sorted(one for one in given.world.locks if one in given.tokens))
    if owner is None:
        return None
    root = given.world.locks[owner].root
    asked = Asked("UNLOCK", given.href(root), {"Lock-Token": f"<{given.tokens[owner]}>"})
    return Operation("UNLOCK", root, asked, given.world.unlock(owner), owner=owner)


def get(given: Drawing) -> Operation | None:
    path = _any(given, given.files())
    if path is None:
        return None
    return Operation("GET", path, Asked("GET", href(path), {}), given.world)


def _any(given: Drawing, of: list[T]) -> T | None:
    return given.chance.choice(of) if of else None


TABLE: tuple[tuple[str, int, Draw], ...] = (
    ("PUT", 15, put_new),
    ("PUT", 18, put_over),
    ("PUT If-Match", 6, put_if_match),
    ("PUT refused", 4, put_refused),
    ("MKCOL", 9, mkcol),
    ("DELETE", 5, delete_file),
    ("DELETE", 3, delete_tree),
    ("DELETE refused", 1, delete_refused),
    *(
        (f"{method} {kind}{f' onto {onto}' if onto else ''}", weight, transfer(method, kind, onto))
        for method, kind, weight in (
            ("MOVE", "file", 4),
            ("MOVE", "tree", 3),
            ("COPY", "file", 3),
            ("COPY", "tree", 3),
        )
        for onto in ("", "alike", "another")
    ),
    ("COPY Depth 0", 1, copy_alone),
    ("PROPPATCH", 12, patch),
    ("PROPPATCH refused", 2, patch_refused),
    ("LOCK", 4, lock),
    ("LOCK unmapped", 3, lock_unmapped),
    ("LOCK refused", 1, lock_refused),
    ("LOCK refresh", 1, refresh),
    ("UNLOCK", 5, unlock),
    ("GET", 5, get),
)
"""Kinds of operations, by which a server says what it lacks, and how often each is drawn."""


def drawn(given: Drawing, lacks: frozenset[str]) -> Operation:
    """One operation that a server knows; a tree that has grown large is cut back."""
    table = [(weight, draw) for kind, weight, draw in TABLE if kind not in lacks]
    if len(given.world.things) > LARGEST and given.chance.random() < 0.5:
        table = [(2, delete_file), (1, delete_tree)]
    while True:
        (draw,) = given.chance.choices([one for _, one in table], [one for one, _ in table])
        if operation := draw(given):
            return operation

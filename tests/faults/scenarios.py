"""The worlds that requests are tried in, and the requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from davserver.protocol.paths import Path
from tests.faults.ground import Thing, World

MINE, DEST, OLD, THEIRS = "urn:t:mine", "urn:t:dest", "urn:t:old", "urn:t:theirs"
SOURCE: Path = ("one", "src")
LARGE = b"0123456789abcdef" * 5000
"""More than what is copied by plain reading and writing."""


@dataclass(frozen=True)
class Scenario:
    """A request and the world that it meets.

    ``kind`` chooses the check. ``status`` is the answer when nothing fails, with ``failed`` as the
    responses of a 207. ``target`` is what a COPY or MOVE makes.
    """

    name: str
    kind: str
    world: World
    source: Path
    status: int
    target: Path = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failed: Mapping[Path, int] = field(default_factory=dict)
    method: str = ""
    deep: bool = True

    def __str__(self) -> str:
        return self.name


def collection(note: str = "") -> Thing:
    return Thing(None, _stored(note))


def file(content: bytes, note: str = "") -> Thing:
    return Thing(content, _stored(note))


def _stored(note: str) -> dict[str, str]:
    return {"{urn:n}note": f'<n:note xmlns:n="urn:n">{note}</n:note>'} if note else {}


def _at(root: Path, things: Mapping[str, Thing]) -> dict[Path, Thing]:
    return {
        (*root, *(part for part in name.split("/") if part)): thing
        for name, thing in things.items()
    }


TREE = {
    "": collection("src"),
    "a": file(b"content of a", "a"),
    "empty": collection("empty"),
    "large": file(LARGE),
    "sub": collection("sub"),
    "sub/b": file(b"content of b", "b"),
    "sub/deep": collection(),
    "sub/deep/c": file(b"content of c", "c"),
}
OLD_TREE = {
    "": collection("old"),
    "old": file(b"content of old", "old"),
    "sub": collection(),
    "sub/b": file(b"old b", "old b"),
}
MY_LOCK = {MINE: (*SOURCE, "sub", "b")}
THEIR_LOCK = {THEIRS: (*SOURCE, "sub", "deep", "c")}
TOKENS = f"(<{MINE}>) (<{DEST}>) (<{OLD}>) (Not <DAV:no-lock>)"


def worlds(target: Path, source: Mapping[str, Thing], locks: Mapping[str, Path]) -> list[World]:
    """The source with nothing, a file, and a collection at the target."""
    base: dict[Path, Thing] = {target[:-1]: collection(), **_at(SOURCE, source)}
    lock = {DEST: target}
    return [
        World(base, locks),
        World(base | {target: file(b"old content", "old")}, {**locks, **lock}),
        World(base | _at(target, OLD_TREE), {**locks, **lock, OLD: (*target, "sub", "b")}),
    ]


ONTO = ("nothing", "a file", "a collection")


def transfers(
    method: str,
    what: str,
    source: Mapping[str, Thing],
    *,
    share: str = "one",
    locks: Mapping[str, Path] = MY_LOCK,
    failed: Mapping[Path, int] | None = None,
    depth: str = "infinity",
) -> list[Scenario]:
    """COPY or MOVE of a source onto each kind of target."""
    target: Path = (share, "into", "dst")
    found = []
    for onto, world in zip(ONTO, worlds(target, source, locks), strict=True):
        status = 207 if failed else 201 if onto == "nothing" else 204
        fields = {"Destination": "/" + "/".join(target), "If": TOKENS, "Depth": depth}
        name = f"{method} {what} onto {onto}"
        found.append(
            Scenario(
                name,
                method,
                world,
                SOURCE,
                status,
                target,
                fields,
                failed=failed or {},
                deep=depth != "0",
            )
        )
    return found


STUCK = {(*SOURCE, "sub", "deep", "c"): 423}
LOCKED = {**MY_LOCK, **THEIR_LOCK}
FILE = {"": file(b"a file", "a file")}
WORLD = worlds(("one", "into", "dst"), TREE, MY_LOCK)[0]

TREES = [
    *transfers("COPY", "a tree", TREE),
    *transfers("COPY", "a collection alone", TREE, depth="0")[1:],
    *transfers("MOVE", "a tree", TREE),
    *transfers("MOVE", "a tree with a lock in it", TREE, locks=LOCKED, failed=STUCK),
    Scenario("DELETE a tree", "DELETE", WORLD, SOURCE, 204, headers={"If": TOKENS}),
    Scenario(
        "DELETE a tree with a lock in it",
        "DELETE",
        World(WORLD.things, LOCKED),
        SOURCE,
        207,
        headers={"If": TOKENS},
        failed=STUCK,
    ),
]
SMALL = {name: thing for name, thing in TREE.items() if name in ("", "a", "sub", "sub/b")}
ACROSS = [
    *transfers("MOVE", "a small tree to another file system", SMALL, share="two")[:2],
    transfers("MOVE", "a tree to another file system", TREE, share="two")[2],
    *transfers("MOVE", "a file to another file system", FILE, share="two", locks={MINE: SOURCE}),
    transfers("COPY", "a tree to another file system", TREE, share="two")[2],
]
FILES = [
    *transfers("COPY", "a file", FILE, locks={MINE: SOURCE}),
    *transfers("MOVE", "a file", FILE, locks={MINE: SOURCE}),
    Scenario(
        "DELETE a file",
        "DELETE",
        World(_at(SOURCE, FILE), {MINE: SOURCE}),
        SOURCE,
        204,
        headers={"If": TOKENS},
    ),
]

_INTO: Path = ("one", "into", "dst")
_BARE = {_INTO[:-1]: collection(), **_at(SOURCE, {"": collection(), "a": file(b"content of a")})}
_BARE_FILE = {_INTO[:-1]: collection(), SOURCE: file(b"content")}
_IN_THE_WAY = _at(_INTO, {"": collection(), "old": file(b"content of old")})
_TO = {"Destination": "/" + "/".join(_INTO)}
BARE = [
    Scenario("COPY a bare tree", "COPY", World(_BARE, {}), SOURCE, 201, _INTO, _TO),
    Scenario("MOVE a bare tree", "MOVE", World(_BARE, {}), SOURCE, 201, _INTO, _TO),
    Scenario(
        "MOVE a bare tree onto another",
        "MOVE",
        World(_BARE | _IN_THE_WAY, {}),
        SOURCE,
        204,
        _INTO,
        _TO,
    ),
    Scenario("MOVE a bare file", "MOVE", World(_BARE_FILE, {}), SOURCE, 201, _INTO, _TO),
    Scenario("DELETE a bare tree", "DELETE", World(_BARE, {}), SOURCE, 204),
    Scenario("DELETE a bare file", "DELETE", World(_BARE_FILE, {}), SOURCE, 204),
]
"""Most trees have neither properties nor locks, and no row is written for them."""

_PATCH = (
    b'<D:propertyupdate xmlns:D="DAV:" xmlns:n="urn:n"><D:set><D:prop><n:note>new</n:note>'
    b"<n:more>new</n:more><D:getlastmodified>Mon, 12 Jan 1998 09:25:56 GMT</D:getlastmodified>"
    b"</D:prop></D:set></D:propertyupdate>"
)
_LOCK = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/>'
    b"</D:locktype></D:lockinfo>"
)
_PLAIN = World(WORLD.things, {})
_NEW: Path = (*SOURCE, "new")
_OLD: Path = (*SOURCE, "a")
SINGLES = [
    Scenario("PUT a new file", "ONE", _PLAIN, _NEW, 201, body=b"new content", method="PUT"),
    Scenario("PUT over a file", "ONE", _PLAIN, _OLD, 204, body=b"new content", method="PUT"),
    Scenario("MKCOL", "ONE", _PLAIN, _NEW, 201, method="MKCOL"),
    Scenario("PROPPATCH", "ONE", _PLAIN, _OLD, 207, body=_PATCH, method="PROPPATCH"),
    Scenario("LOCK a file", "ONE", _PLAIN, _OLD, 200, body=_LOCK, method="LOCK"),
    Scenario("LOCK nothing yet", "ONE", _PLAIN, _NEW, 201, body=_LOCK, method="LOCK"),
    Scenario(
        "UNLOCK",
        "ONE",
        World(WORLD.things, {MINE: _OLD}),
        _OLD,
        204,
        headers={"Lock-Token": f"<{MINE}>"},
        method="UNLOCK",
    ),
]

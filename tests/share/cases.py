"""The requests that are killed, and the worlds that they meet."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from davserver.protocol.paths import Path
from tests.share.ground import Thing, Way, World

NOTE = "{urn:n}note"
MINE, DEST, OLD, THEIRS = "urn:t:mine", "urn:t:dest", "urn:t:old", "urn:t:theirs"
TOKENS = f"(<{MINE}>) (<{DEST}>) (<{OLD}>) (Not <DAV:no-lock>)"

SOURCE: Path = ("one", "src")
LARGE = b"0123456789abcdef" * 5000
"""More than what is copied by plain reading and writing."""


@dataclass(frozen=True)
class Case:
    """A request and the world that it meets. ``walks`` says that it goes member by member: then
    each member is whole, but not all of them are where they were, or where they go.
    """

    name: str
    world: World
    method: str
    source: Path
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    walks: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        return "/" + "/".join(self.source)


def thing(content: bytes | None, note: str = "") -> Thing:
    return Thing(content, {NOTE: f'<n:note xmlns:n="urn:n">{note}</n:note>'} if note else {})


def at(root: Path, things: Mapping[str, Thing]) -> dict[Path, Thing]:
    return {(*root, *filter(None, name.split("/"))): one for name, one in things.items()}


TREE = {
    "": thing(None, "src"),
    "a": thing(b"content of a", "a"),
    "large": thing(LARGE),
    "sub": thing(None),
    "sub/b": thing(b"content of b", "b"),
}
OLD_TREE = {
    "": thing(None, "old"),
    "old": thing(b"content of old", "old"),
    "sub": thing(None),
    "sub/b": thing(b"old b", "old b"),
}
FILE = {"": thing(b"a file", "a file")}
BARE = {"": thing(b"a file")}
BARE_TREE = {name: thing(one.content) for name, one in TREE.items()}
ONTO = ("nothing", "a file", "a collection")


def transfers(
    method: str, what: str, source: Mapping[str, Thing], lock: Path, share: str = "one"
) -> list[Case]:
    """COPY or MOVE of a source onto each kind of target."""
    target: Path = (share, "into", "dst")
    base = {target[:-1]: thing(None), **at(SOURCE, source)}
    held = {MINE: lock} if lock else {}
    worlds = (
        World(base, held),
        World(base | {target: thing(b"old content", "old")}, held | {DEST: target}),
        World(base | at(target, OLD_TREE), held | {OLD: (*target, "sub", "b")}),
    )
    headers = {"Destination": "/" + "/".join(target), "If": TOKENS}
    return [
        Case(
            f"{method} {what} onto {onto}",
            world,
            method,
            SOURCE,
            201 if onto == "nothing" else 204,
            headers,
        )
        for onto, world in zip(ONTO, worlds, strict=True)
    ]


_PATCH = (
    b'<D:propertyupdate xmlns:D="DAV:" xmlns:n="urn:n"><D:set><D:prop><n:note>new</n:note>'
    b"<n:more>new</n:more><D:getlastmodified>Mon, 12 Jan 1998 09:25:56 GMT</D:getlastmodified>"
    b"</D:prop></D:set></D:propertyupdate>"
)
LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
    b"</D:locktype></D:lockinfo>"
)
_NEW: Path = ("one", "new")
_A: Path = (*SOURCE, "a")
_TREE = World(at(SOURCE, TREE), {MINE: _A})
_IF = {"If": TOKENS}

ONES = [
    Case("PUT over a file with rows", _TREE, "PUT", _A, 204, _IF, b"new content"),
    Case("PUT over a file", _TREE, "PUT", (*SOURCE, "large"), 204, {}, b"new content"),
    Case("PUT a new file", _TREE, "PUT", _NEW, 201, {}, b"new content"),
    Case("MKCOL", _TREE, "MKCOL", _NEW, 201),
    Case("LOCK nothing yet", _TREE, "LOCK", _NEW, 201, {}, LOCKINFO),
    Case("LOCK a file", _TREE, "LOCK", (*SOURCE, "large"), 200, {}, LOCKINFO),
    Case("PROPPATCH with a time", _TREE, "PROPPATCH", _A, 207, _IF, _PATCH),
]
FILES = [
    *transfers("COPY", "a file", FILE, SOURCE),
    *transfers("MOVE", "a file", FILE, SOURCE),
    *transfers("COPY", "a file without rows", BARE, ())[:2],
    transfers("MOVE", "a file without rows", BARE, ())[0],
]
TREES = [
    *transfers("COPY", "a tree", TREE, _A),
    *transfers("MOVE", "a tree", TREE, _A),
    transfers("MOVE", "a tree without rows", BARE_TREE, ())[0],
]
REMOVALS = [
    Case("DELETE a file", World(at(SOURCE, FILE), {MINE: SOURCE}), "DELETE", SOURCE, 204, _IF),
    Case("DELETE a tree", _TREE, "DELETE", SOURCE, 204, _IF),
    Case("DELETE a tree without rows", World(at(SOURCE, BARE_TREE)), "DELETE", SOURCE, 204),
]
_LINKED = World(
    {SOURCE: thing(b"one inode", "mine"), ("one", "dst"): thing(b"one inode", "other")},
    {MINE: SOURCE, DEST: ("one", "dst")},
    links=((("one", "dst"), SOURCE),),
)
LINKS = [
    Case(
        "MOVE onto another hard link",
        _LINKED,
        "MOVE",
        SOURCE,
        204,
        {"Destination": "/one/dst", **_IF},
    )
]
ACROSS = [
    *transfers("MOVE", "a file to another file system", FILE, SOURCE, "two"),
    *transfers("MOVE", "a tree to another file system", TREE, _A, "two"),
]
_STUCK = replace(_TREE, locks={MINE: _A, THEIRS: (*SOURCE, "sub", "b")})
WALKS = [
    Case("DELETE around a lock", _STUCK, "DELETE", SOURCE, 207, _IF, walks=True),
    Case(
        "MOVE around a lock",
        _STUCK,
        "MOVE",
        SOURCE,
        207,
        {"Destination": "/one/dst", **_IF},
        walks=True,
    ),
    Case(
        "MOVE around a lock to another file system",
        _STUCK,
        "MOVE",
        SOURCE,
        207,
        {"Destination": "/two/dst", **_IF},
        walks=True,
    ),
]

PLAIN = Way("a file system that can do all")
POOR = Way("no trash, no unnamed files, no flags", trash=False, unnamed=False, flags=False)
UNTRASHED = Way("no trash", trash=False)
WAYS = (
    PLAIN,
    UNTRASHED,
    Way("no unnamed files", unnamed=False),
    Way("no flags of renameat2", flags=False),
    POOR,
)

HERE = [*ONES, *FILES, *TREES, *REMOVALS, *LINKS]
EVERY = [*HERE, *ACROSS]

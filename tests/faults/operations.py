"""Operations on one's own collection: a request, and the world that it leads to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from tests.faults import bodies
from tests.faults.connection import HOST, Asked
from tests.faults.model import Path, World

NAMES = ("a", "a0", "a-", "b é", "c d", "e")
"""What resources are called; in the order of bytes some come between another's members."""
NS = "urn:proof"
DEEPEST, LARGEST, MOST_LOCKS = 5, 26, 3
SECONDS = 3600
"""How long locks are asked for: longer than any proof between two looks at them."""
OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Operation:
    """``after`` is the world once it is done, ``refusal`` the status that it must be refused with.

    ``owner`` is that of the lock which it asks for or gives back, ``target`` where a COPY or MOVE
    goes to.
    """

    what: str
    path: Path
    asked: Asked
    after: World
    refusal: int = 0
    owner: str = ""
    target: Path = ()

    def __str__(self) -> str:
        to = self.asked.headers.get("Destination", "")
        return f"{self.what} {self.asked.url}{' -> ' + to if to else ''}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What one draws from: ``number`` gives a new one, small if asked for."""

    chance: Random
    world: World
    port: int
    number: Callable[[bool], int]
    tokens: Mapping[str, str] = field(default_factory=dict)
    etags: Mapping[Path, str] = field(default_factory=dict)
    stale: Mapping[Path, str] = field(default_factory=dict)

    def href(self, path: Path) -> str:
        return href(path, slash=self.world.is_collection(path))

    def submitted(self) -> dict[str, str]:
        """Every token, each with its lock root, so that the If header is true."""
        lists = [
            f"<http://{HOST}:{self.port}{self.href(held.root)}> (<{self.tokens[owner]}>)"
            for owner, held in self.world.locks.items()
            if owner in self.tokens
        ]
        return {"If": " ".join(lists)} if lists else {}

    def files(self) -> list[Path]:
        return sorted(path for path in self.world.things if not self.world.is_collection(path))

    def collections(self) -> list[Path]:
        return sorted(path for path in self.world.things if self.world.is_collection(path))

    def members(self) -> list[Path]:
        """All but the top."""
        return sorted(path for path in self.world.things if len(path) > 1)

    def free(self, height: int = 1, outside: Path | None = None) -> Path | None:
        """A path without a resource whose parent has one: not below another, not too deep."""
        places = [
            (*parent, name)
            for parent in self.collections()
            for name in NAMES
            if (*parent, name) not in self.world and len(parent) + height <= DEEPEST
        ]
        if outside is not None:
            places = [path for path in places if path[: len(outside)] != outside]
        return self.chance.choice(places) if places else None

    def taken(self, source: Path, height: int, *, alike: bool) -> Path | None:
        """An existing resource that another can replace: one ``alike``, or of the other kind."""
        places = [
            path
            for path in self.members()
            if (self.world.is_collection(path) == self.world.is_collection(source)) is alike
            and path[: len(source)] != source
            and source[: len(path)] != path
            and len(path) - 1 + height <= DEEPEST
        ]
        return self.chance.choice(places) if places else None

    def height(self, path: Path) -> int:
        return max(len(one) for one in self.world.tree(path)) - len(path) + 1


def href(path: Path, *, slash: bool = False) -> str:
    return "".join("/" + quote(name) for name in path) + ("/" if slash else "")


def update(value: int, *, broken: bool = False) -> bytes:
    """The body of a PROPPATCH: both properties get a value, or with 0 are removed."""
    verb, text = ("set", bodies.text(value)) if value else ("remove", "")
    also = "<D:getetag>no</D:getetag>" if broken else ""
    return (
        f'<D:propertyupdate xmlns:D="DAV:" xmlns:p="{NS}"><D:{verb}><D:prop><p:one>{text}</p:one>'
        f"{also}<p:two>{text}</p:two></D:prop></D:{verb}></D:propertyupdate>"
    ).encode()


def lock_fields(deep: bool) -> dict[str, str]:
    return {"Timeout": f"Second-{SECONDS}", "Depth": "infinity" if deep else "0"}


def lockinfo(owner: str) -> bytes:
    return (
        '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype>'
        f"<D:write/></D:locktype><D:owner>{owner}</D:owner></D:lockinfo>"
    ).encode()

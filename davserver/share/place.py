"""Where things are: a `Share` is a tree under a name, a `Place` a path in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from davserver.protocol.paths import Path
from davserver.tree import Directory, Tree


@dataclass(frozen=True, slots=True)
class Share:
    """A tree under a name, or under `/` where the name is empty."""

    name: str
    tree: Tree
    read_only: bool = False

    prefix: Path = field(init=False, repr=False, compare=False)
    """Its path below the server's root."""
    base: Path = field(init=False, repr=False, compare=False)
    """The names of its real directory: state is kept by real paths."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", (self.name,) if self.name else ())
        object.__setattr__(self, "base", self.tree.real.parts[1:])


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a share: ``path`` below the server's root, ``local`` below the share's."""

    share: Share
    path: Path
    local: Path = field(init=False, repr=False, compare=False)
    key: Path = field(init=False, repr=False, compare=False)
    """How the state knows it."""

    def __post_init__(self) -> None:
        local = self.path[len(self.share.prefix) :]
        object.__setattr__(self, "local", local)
        object.__setattr__(self, "key", self.share.base + local)

    @property
    def parent(self) -> "Place":
        return replace(self, path=self.path[:-1])

    @property
    def name(self) -> str:
        return self.local[-1]

    @property
    def is_root(self) -> bool:
        return not self.local

    def directory(self) -> Directory:
        """The open directory that holds it. Raises OSError."""
        return self.share.tree.directory(self.local[:-1])


def holding(shares: Iterable[Share], key: Path) -> Place | None:
    """The place of a path of the state, or None where no share holds it."""
    for share in shares:
        base = share.base
        if key[: len(base)] == base:
            return Place(share, (*share.prefix, *key[len(base) :]))
    return None


Resolve = Callable[[Path], Place | None]

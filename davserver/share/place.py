"""Where things are: a `Share` is a tree under a name, a `Place` a path in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from davserver.protocol.paths import Path
from davserver.tree import Directory, Tree


@dataclass(frozen=True, slots=True)
class Share:
    """A tree under a name, or under `/` where the name is empty."""

    name: str
    tree: Tree
    read_only: bool = False

    @property
    def prefix(self) -> Path:
        """Its path below the server's root."""
        return (self.name,) if self.name else ()

    @property
    def base(self) -> Path:
        """The names of its real directory: state is kept by real paths."""
        return self.tree.real.parts[1:]


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a share: ``path`` below the server's root, ``local`` below the share's."""

    share: Share
    path: Path

    @property
    def local(self) -> Path:
        return self.path[len(self.share.prefix) :]

    @property
    def key(self) -> Path:
        """How the state knows it."""
        return self.share.base + self.local

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

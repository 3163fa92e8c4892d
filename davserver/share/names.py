"""The names that a commit section changes: directories are held open, and made durable together."""

import errno

from davserver.protocol.paths import Path
from davserver.protocol.resources import Stamp
from davserver.share.place import Place
from davserver.tree import TRASH, Directory, own_name

NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of a file system that cannot exchange two names."""
NO_TRASH = (errno.EXDEV, errno.ENOENT, errno.EACCES, errno.EPERM)
"""Errors of what cannot go to the trash, and may go aside where it is."""


class Names:
    """The directories that one section works in. Every method raises OSError."""

    def __init__(self) -> None:
        self._held: list[Directory] = []
        self._directories: dict[Path, Directory] = {}
        self._changed: dict[Path, Directory] = {}

    def close(self) -> None:
        """Hold nothing open: what is asked for again is looked for again."""
        self._directories.clear()
        self._changed.clear()
        while self._held:
            self._held.pop().close()

    def at(self, place: Place) -> Directory:
        """The open directory that holds a place."""
        key = place.key[:-1]
        found = self._directories.get(key)
        if found is None:
            found = self._directories[key] = place.directory()
            self._held.append(found)
        return found

    def changing(self, place: Place) -> Directory:
        """The open directory that holds a place, whose name is about to change."""
        found = self.at(place)
        if place.share.tree.durable:
            self._changed[place.key[:-1]] = found
        return found

    def sync(self) -> None:
        """Let all that was changed so far survive a loss of power."""
        while self._changed:
            self._changed.popitem()[1].sync()

    def postpone(self) -> None:
        """Whoever goes on makes durable at once what many sections have changed."""
        self._changed.clear()

    def stamp(self, place: Place) -> Stamp | None:
        """Which resource is at a place; None for nothing."""
        return place.share.tree.stamp(place.local)

    def rename(self, place: Place, target: Place) -> None:
        """Rename to a name that is free."""
        self.changing(place).rename(place.name, self.changing(target), target.name)

    def way(self, place: Place) -> Directory | None:
        """A directory for a file that gets a name for a moment, on its way to a place."""
        trash = place.share.tree.trash()
        if trash is not None:
            self._held.append(trash)
        return trash


def beside(place: Place) -> Place:
    """A new reserved name beside a place."""
    return Place(place.share, (*place.path[:-1], own_name()))


def in_trash(place: Place) -> Place | None:
    """A new name in the trash that takes what is at a place, or None where there is none."""
    tree = place.share.tree
    trash = tree.trash()
    if trash is None:
        return None
    with trash, place.directory() as directory:
        if trash.facts().st_dev != directory.facts().st_dev:
            return None
    return Place(place.share, (*place.share.prefix, TRASH, own_name()))


def is_in_trash(place: Place) -> bool:
    return place.local[:1] == (TRASH,)

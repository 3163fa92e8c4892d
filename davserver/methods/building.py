"""Builds a copy of a tree under a reserved name, for COPY and for MOVE between file systems."""

import errno
import logging
from collections.abc import Iterable, Sequence

from davserver.methods.outcome import Failure
from davserver.protocol import faults, paths, plan, resources
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event
from davserver.protocol.resources import Stat
from davserver.share import Place
from davserver.shares import Shares
from davserver.tree import Directory

log = logging.getLogger("davserver.storage")

FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors after which nothing of a copy is worth keeping."""


class Noted:
    """The facts of some resources, ``keys`` in the state, when they were copied. What is noted of
    is a few, since a tree may have many members.
    """

    def __init__(self, keys: Iterable[Path] = ()) -> None:
        self._facts: dict[Path, Stat | None] = dict.fromkeys(keys)

    @property
    def is_wanted(self) -> bool:
        """Whether anything is to be noted."""
        return bool(self._facts)

    def note(self, key: Path, facts: Stat) -> None:
        if key in self._facts:
            self._facts[key] = facts

    def is_unchanged(self, source: Place, key: Path) -> bool:
        """Whether a resource at or below ``source`` is what was copied, if it was and is there. Of
        one that was not to be noted nothing is known.
        """
        if key not in self._facts:
            return False
        then = self._facts[key]
        if then is None:
            return True
        now = source.share.tree.find((*source.local, *key[len(source.key) :]))
        if now is None:
            return True
        if resources.is_collection(now):
            return resources.is_same(then, now)
        return resources.is_unchanged(then, now)


def build(
    shares: Shares,
    source: Place,
    staged: Place,
    *,
    deep: bool,
    exact: bool = False,
    noted: Noted | None = None,
) -> list[Failure]:
    """Copy what is at ``source`` to ``staged``, beside the destination, and let it survive a loss
    of power where the tree is durable.

    With ``exact`` the copy is the resource itself but for its place: times, modes, owners and
    attributes are kept, links too. Else times are the present, and what is not served is left out
    and logged. ``noted`` learns what was copied. Gives the members that could not be read, and were
    left out. Raises OSError where the destination cannot take the copy.
    """
    building = _Building(shares, source, staged, noted or Noted(), deep=deep, exact=exact)
    if not staged.share.tree.durable:
        return building.run()
    # Opened first: an error that the disk has told of since then is told here, too.
    with staged.directory() as directory:
        failures = building.run()
        directory.sync_all()
    return failures


class _Building:
    """The walk that copies."""

    def __init__(
        self,
        shares: Shares,
        source: Place,
        staged: Place,
        noted: Noted,
        *,
        deep: bool,
        exact: bool,
    ) -> None:
        self._tick = shares.tick
        self._source = source
        self._here = source.share.tree
        self._there = staged.share.tree
        self._staged = staged
        self._noted = noted
        self._deep = deep
        self._exact = exact
        self._failures: list[Failure] = []
        self._times: dict[Path, int] = {}

    def run(self) -> list[Failure]:
        """See `build`."""
        with self._source.directory() as directory:
            facts = directory.stat(self._source.name) if not self._source.is_root else None
        if facts is not None and not resources.is_collection(facts):
            self._copy_one()
            return self._failures
        walk = plan.Walk(self._source.path, collection=True)
        while walk.step is not None:
            answer: plan.Members | bool = True
            if walk.step.event is Event.ENTER:
                answer = self._enter(walk.step.path)
            elif walk.step.event is Event.LEAVE and self._exact:
                self._leave(walk.step.path)
            walk.answer(answer)
        return self._failures

    def _copy_one(self) -> None:
        """The source is no collection."""
        with self._source.directory() as old, self._staged.directory() as new:
            self._copy_member(self._source.path, self._source.name, old, new, self._staged.name)

    def _enter(self, path: Path) -> plan.Members | bool:
        """Copy a collection and its files. Gives the collections in it, to be entered next."""
        local = self._local(path)
        if self._here.hides(local):
            return True
        try:
            with self._here.directory(local) as directory:
                members = directory.kinds() if self._deep else []
                facts = directory.facts()
        except OSError as error:
            self._left_out(path, error, may_vanish=path != self._source.path)
            return True
        target = self._copied(path)
        mode = facts.st_mode & 0o777 | 0o700 if self._exact else self._there.modes.directory
        with self._there.directory(target[:-1]) as directory:
            directory.make(target[-1], mode, facts.st_mode)
        self._times[path] = facts.st_mtime_ns
        self._note(path, facts)
        members = [member for member in members if not paths.reserved(member[:1])]
        self._copy(path, [name for name, is_collection in members if not is_collection])
        return [member for member in members if member[1]]

    def _leave(self, path: Path) -> None:
        """Let the copy of a collection be as its original, now that nothing is put into it."""
        modified_ns = self._times.pop(path, None)
        if modified_ns is None:
            return
        with (
            self._here.directory(self._local(path)) as old,
            self._there.directory(self._copied(path)) as new,
        ):
            new.resemble(old, modified_ns)

    def _copy(self, path: Path, names: Sequence[str]) -> None:
        """Copy the files of one collection."""
        if not names:
            return
        with (
            self._here.directory(self._local(path)) as old,
            self._there.directory(self._copied(path)) as new,
        ):
            for name in names:
                self._copy_member((*path, name), name, old, new, name)

    def _copy_member(
        self, path: Path, name: str, old: Directory, new: Directory, target: str
    ) -> None:
        try:
            opened = old.open(name)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                self._copy_other(path, name, old, new, target)
            else:
                self._left_out(path, error)
            return
        with opened:
            if not opened.is_file:
                self._copy_other(path, name, old, new, target)
            elif self._exact:
                new.carry(opened, target)
            else:
                self._note(path, opened.facts)
                new.copy(opened, target, self._there.modes.file, self._tick())

    def _copy_other(
        self, path: Path, name: str, old: Directory, new: Directory, target: str
    ) -> None:
        facts = old.stat(name)
        is_link = resources.is_link(facts)
        self._note(path, facts)
        if is_link and (self._exact or self._here.follow):
            new.link(old, name, target)
        elif self._exact:
            self._failures.append(Failure(path, faults.hidden_name()))
        else:
            href = paths.href(path, False)
            log.warning("not copied, since it is a link or a special file: %s", href)

    def _left_out(self, path: Path, error: OSError, *, may_vanish: bool = True) -> None:
        """Keep a member that cannot be read. Raises OSError where all is to be dropped."""
        if error.errno in FATAL:
            raise error
        if not (may_vanish and isinstance(error, FileNotFoundError)):
            self._failures.append(Failure(path, faults.of_system(error)))

    def _note(self, path: Path, facts: Stat) -> None:
        if self._noted.is_wanted:
            self._noted.note((*self._source.key, *path[len(self._source.path) :]), facts)

    def _local(self, path: Path) -> Path:
        return path[len(self._source.share.prefix) :]

    def _copied(self, path: Path) -> Path:
        """Where the copy of a resource is built."""
        return (*self._staged.local, *path[len(self._source.path) :])

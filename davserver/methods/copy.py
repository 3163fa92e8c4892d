"""COPY: a tree is built beside its destination under a reserved name, then renamed: nobody sees
half a copy (RFC 4918 section 9.8).
"""

import errno
import logging
from collections.abc import Sequence
from http import HTTPStatus

from davserver.methods import outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, paths, plan, resources
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event
from davserver.share import Place
from davserver.shares import Shares
from davserver.tree import Directory, own_name

log = logging.getLogger("davserver.storage")

DEPTHS = frozenset({Depth.ZERO, Depth.INFINITY})
FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors after which nothing of a copy is worth keeping."""


def run(request: Request, shares: Shares) -> Answer:
    depth = headers.depth(request.headers, Depth.INFINITY, DEPTHS)
    asked = transfer.read(request, shares, moves=False)

    settled = transfer.settle(shares.view(), asked)

    failures = list(settled.blocked)
    if settled.blocked:
        pass
    elif settled.is_collection:
        settled, failures = _copy_collection(shares, asked, settled, deep=depth is Depth.INFINITY)
    elif resources.is_link(settled.facts):
        settled, failures = _copy_link(shares, asked)
    else:
        settled, failures = _copy_file(shares, asked)

    done = HTTPStatus.CREATED if settled.replaced is None else HTTPStatus.NO_CONTENT
    return outcome.tell("COPY", done, asked.paths, failures, shares.view().href)


def _copy_file(shares: Shares, asked: Transfer) -> tuple[Settled, list[Failure]]:
    source, target = asked.source, asked.target
    leftover = None
    with (
        source.directory() as old,
        target.directory() as new,
        old.open(source.name) as opened,
        target.share.tree.upload(new, opened.facts.st_mode & 0o777) as upload,
    ):
        upload.copy(opened)
        with shares.section() as section:
            settled = transfer.settle(section, asked)
            if settled.blocked:
                return settled, list(settled.blocked)
            if settled.replaced is not None and resources.is_collection(settled.replaced):
                upload.stamp(section.stamp())
                staged = Place(target.share, (*target.path[:-1], upload.name()))
                leftover = section.put_in_place(
                    staged, target, settled.replaced, source, deep=False
                )
                upload.disown()
            else:
                section.publish(target, upload, replaces=settled.replaced is not None, like=source)
    transfer.discard(target, leftover)
    return settled, []


def _copy_link(shares: Shares, asked: Transfer) -> tuple[Settled, list[Failure]]:
    staged = own_name()
    with asked.source.directory() as old, asked.target.directory() as new:
        new.link(old, asked.source.name, staged)
    return _put_in_place(shares, asked, staged, deep=False)


def _copy_collection(
    shares: Shares, asked: Transfer, settled: Settled, *, deep: bool
) -> tuple[Settled, list[Failure]]:
    staged = own_name()
    try:
        failures = _Copying(shares, asked, staged, deep=deep).run()
    except BaseException:
        transfer.discard(asked.target, staged)
        raise
    if any(failure.path == asked.source.path for failure in failures):
        transfer.discard(asked.target, staged)
        return settled, failures
    settled, blocked = _put_in_place(shares, asked, staged, deep=deep)
    return settled, blocked or failures


def _put_in_place(
    shares: Shares, asked: Transfer, staged: str, *, deep: bool
) -> tuple[Settled, list[Failure]]:
    source, target = asked.source, asked.target
    leftover: str | None = staged
    try:
        with shares.section() as section:
            settled = transfer.settle(section, asked)
            if not settled.blocked:
                copied = Place(target.share, (*target.path[:-1], staged))
                leftover = section.put_in_place(copied, target, settled.replaced, source, deep=deep)
    finally:
        transfer.discard(asked.target, leftover)
    return settled, list(settled.blocked)


class _Copying:
    """The walk that copies a tree to a reserved name beside the destination."""

    def __init__(self, shares: Shares, asked: Transfer, staged: str, *, deep: bool) -> None:
        self._stamp = shares.stamp
        self._source = asked.source
        self._here = asked.source.share.tree
        self._there = asked.target.share.tree
        self._staged: Path = (*asked.target.local[:-1], staged)
        self._deep = deep
        self._failures: list[Failure] = []

    def run(self) -> list[Failure]:
        """Gives the members that could not be read, and were left out. Raises OSError where the
        destination cannot take the copy.
        """
        walk = plan.Walk(self._source.path, collection=True)
        while walk.step is not None:
            entered = walk.step.event is Event.ENTER and self._enter(walk.step.path)
            walk.answer(entered or True)
        return self._failures

    def _enter(self, path: Path) -> plan.Members | bool:
        """Copy a collection and its files. Gives the collections in it, to be entered next."""
        local = self._local(path)
        if self._here.hides(local):
            return True
        try:
            with self._here.directory(local) as directory:
                members = directory.kinds() if self._deep else []
                like = directory.facts().st_mode
        except OSError as error:
            self._failures += _left_out(path, error, may_vanish=path != self._source.path)
            return True
        target = self._copied(path)
        with self._there.directory(target[:-1]) as directory:
            directory.make(target[-1], self._there.modes.directory, like)
        members = [member for member in members if not paths.reserved(member[:1])]
        files = [name for name, is_collection in members if not is_collection]
        self._copy(path, files)
        return [member for member in members if member[1]]

    def _copy(self, path: Path, names: Sequence[str]) -> None:
        """Copy the files of one collection."""
        if not names:
            return
        with (
            self._here.directory(self._local(path)) as old,
            self._there.directory(self._copied(path)) as new,
        ):
            for name in names:
                try:
                    opened = old.open(name)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENXIO):
                        self._copy_other(path, name, old, new)
                    else:
                        self._failures += _left_out((*path, name), error)
                    continue
                with opened:
                    if opened.is_file:
                        new.copy(opened, name, self._there.modes.file, self._stamp())
                    else:
                        self._copy_other(path, name, old, new)

    def _copy_other(self, path: Path, name: str, old: Directory, new: Directory) -> None:
        if self._here.follow and resources.is_link(old.stat(name)):
            new.link(old, name, name)
        else:
            href = paths.href((*path, name), False)
            log.warning("not copied, since it is a link or a special file: %s", href)

    def _local(self, path: Path) -> Path:
        return path[len(self._source.share.prefix) :]

    def _copied(self, path: Path) -> Path:
        """Where the copy of a resource is built."""
        return (*self._staged, *path[len(self._source.path) :])


def _left_out(path: Path, error: OSError, *, may_vanish: bool = True) -> list[Failure]:
    """What becomes of a member that cannot be read. Raises OSError where all is to be dropped."""
    if error.errno in FATAL:
        raise error
    if may_vanish and isinstance(error, FileNotFoundError):
        return []
    return [Failure(path, faults.of_system(error))]

"""COPY: a tree is built beside its destination under a reserved name, then renamed: nobody sees
half a copy (RFC 4918 section 9.8).
"""

import errno
import logging
from http import HTTPStatus

from davserver.methods import outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, paths, plan, resources
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.protocol.paths import Path
from davserver.protocol.plan import Event, Step
from davserver.shares import Shares
from davserver.tree import Cursor, Directory, own_name

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
                leftover = section.put_in_place(upload.name(), target, settled.replaced)
                upload.disown()
            else:
                section.publish(target, upload, replaces=settled.replaced is not None)
                section.forget_replaced(target)
            section.copy_properties(source, target, deep=False)
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
    leftover: str | None = staged
    try:
        with shares.section() as section:
            settled = transfer.settle(section, asked)
            if not settled.blocked:
                leftover = section.put_in_place(staged, asked.target, settled.replaced)
                section.copy_properties(asked.source, asked.target, deep=deep)
    finally:
        transfer.discard(asked.target, leftover)
    return settled, list(settled.blocked)


class _Copying:
    """The walk that copies a tree to a reserved name beside the destination."""

    def __init__(self, shares: Shares, asked: Transfer, staged: str, *, deep: bool) -> None:
        self._shares = shares
        self._source = asked.source
        self._target = asked.target
        self._staged: Path = (*asked.target.local[:-1], staged)
        self._skipped = len(asked.source.share.prefix)
        self._depth = len(asked.source.path)
        self._modes = asked.target.share.tree.modes
        self._deep = deep
        self._failures: list[Failure] = []

    def run(self) -> list[Failure]:
        """Gives the members that could not be read, and were left out. Raises OSError where the
        destination cannot take the copy.
        """
        walk = plan.Walk(self._source.path, collection=True)
        with Cursor(self._source.share.tree) as old, Cursor(self._target.share.tree) as new:
            while walk.step is not None:
                walk.answer(self._do(walk.step, old, new))
        return self._failures

    def _do(self, step: Step, old: Cursor, new: Cursor) -> plan.Members | bool:
        if step.event is Event.LEAVE or paths.reserved(step.path[-1:]):
            return True
        local = step.path[self._skipped :]
        target = (*self._staged, *step.path[self._depth :])
        if step.event is Event.ENTER:
            return self._enter(step.path, local, target, old, new)
        return self._copy(step.path, local, target, old, new)

    def _enter(
        self, path: Path, local: Path, target: Path, old: Cursor, new: Cursor
    ) -> plan.Members | bool:
        if self._source.share.tree.hides(local):
            return True
        try:
            directory = old.at(local)
            members = directory.kinds() if self._deep else []
            like = directory.facts().st_mode
        except OSError as error:
            return self._left_out(path, error)
        new.at(target[:-1]).make(target[-1], self._modes.directory, like)
        return members

    def _copy(self, path: Path, local: Path, target: Path, old: Cursor, new: Cursor) -> bool:
        name = local[-1]
        try:
            source = old.at(local[:-1])
            opened = source.open(name)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                return self._left_out(path, error)
            return self._copy_other(path, source, new.at(target[:-1]))
        with opened:
            if not opened.is_file:
                return self._copy_other(path, source, new.at(target[:-1]))
            new.at(target[:-1]).copy(opened, name, self._modes.file, self._shares.stamp())
        return True

    def _copy_other(self, path: Path, old: Directory, new: Directory) -> bool:
        if self._source.share.tree.follow and resources.is_link(old.stat(path[-1])):
            new.link(old, path[-1], path[-1])
        else:
            href = paths.href(path, False)
            log.warning("not copied, since it is a link or a special file: %s", href)
        return True

    def _left_out(self, path: Path, error: OSError) -> bool:
        if error.errno in FATAL:
            raise error
        if not isinstance(error, FileNotFoundError) or path == self._source.path:
            self._failures.append(Failure(path, faults.of_system(error)))
        return False

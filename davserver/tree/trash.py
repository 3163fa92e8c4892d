"""What is removed goes to the trash by one rename, and is discarded from there later.

The trash is a reserved directory at the root of a tree. It holds whole collections that were
deleted or replaced and, for moments within a commit section, files on their way to a name that
is taken.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from davserver.protocol import plan
from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.tree.directory import Directory
from davserver.tree.upload import WORK

NAME = f"{RESERVED_PREFIX}trash"
_CANNOT = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMLINK}
)
"""Why a root cannot hold a trash."""
_NONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})
"""Why what has its name is no trash."""


class Opens(Protocol):
    """What opens directories."""

    def directory(
        self, path: Path, *, reading: bool = False, beneath: Directory | None = None
    ) -> Directory: ...


def opened(tree: Opens, root: Directory) -> Directory | None:
    """The trash of a root, made if missing; None where it cannot hold one. Raises OSError."""
    try:
        try:
            return tree.directory((NAME,), beneath=root)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(NAME, 0o700, dir_fd=root.fd)
            return tree.directory((NAME,), beneath=root)
    except OSError as error:
        if error.errno in (*_CANNOT, *_NONE):
            return None
        raise


def names(tree: Opens, *, work: bool = False) -> list[str]:
    """What is in the trash of a tree; or with ``work`` what was left there by a commit section that
    has failed: only who is in one himself may ask for that. Raises OSError.
    """
    try:
        with tree.directory((NAME,)) as directory:
            found = [name for name, _ in directory.kinds()]
    except OSError as error:
        if error.errno in _NONE:
            return []
        raise
    return [name for name in found if name.startswith(RESERVED_PREFIX + WORK) == work]


class Halted(Exception):
    """There was no more time to discard something: what is left of it is still there."""


def discard(
    tree: Opens, parent: Directory, name: str, is_over: Callable[[], bool]
) -> list[OSError]:
    """Remove an entry of a directory with all that is below it, as far as it goes and never into
    another file system. Gives the errors of what stayed. Raises Halted where ``is_over``.
    """
    errors: list[OSError] = []
    kind = next((is_directory for one, is_directory in _kinds(parent, name)), None)
    if kind is None:
        return []
    walk = plan.Walk((name,), collection=kind)
    held: list[tuple[Path, Directory]] = []
    try:
        while walk.step is not None:
            if is_over():
                raise Halted
            try:
                answer = _discard(tree, parent, walk.step, held)
            except FileNotFoundError:
                answer = True
            except OSError as error:
                errors.append(error)
                answer = False
            walk.answer(answer)
    finally:
        for _, directory in held:
            directory.close()
    return errors


def _kinds(parent: Directory, name: str) -> Iterator[tuple[str, bool]]:
    with suppress(FileNotFoundError):
        yield name, (parent.stat(name).st_mode & 0o170000) == 0o040000


def _at(
    tree: Opens, parent: Directory, path: Path, held: list[tuple[Path, Directory]]
) -> Directory:
    """The directory of a path below ``parent``; the one that was asked for last is held open."""
    if not path:
        return parent
    if held and held[-1][0] == path:
        return held[-1][1]
    while held:
        held.pop()[1].close()
    found = tree.directory(path, beneath=parent)
    held.append((path, found))
    return found


def _discard(
    tree: Opens, parent: Directory, step: plan.Step, held: list[tuple[Path, Directory]]
) -> plan.Members | bool:
    if step.event is plan.Event.ENTER:
        return _at(tree, parent, step.path, held).kinds()
    if not step.whole:
        return False
    directory = _at(tree, parent, step.path[:-1], held)
    if step.event is plan.Event.LEAVE:
        directory.remove_directory(step.path[-1])
    else:
        directory.remove_file(step.path[-1])
    return True

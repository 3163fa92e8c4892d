"""The calls that may fail while their request succeeds, each with the reason.

A call that is missing here was needed: whoever answers 2xx without it has not noticed its failure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.remains import TRASH
from tests.faults.strace import Call

_ASKING = ("openat2", "newfstatat", "fstat", "listxattr")
_FULL = ("ENOSPC", "EDQUOT")
_CARRIES_OVER = "-shm>, F_SETLK, {l_type=F_WRLCK, .*l_start=121,"
"""What SQLite locks for a checkpoint: the byte WAL_CKPT_LOCK of its format."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """``scenarios`` and ``told`` are patterns: of the scenario's name, and of the call in strace's
    words. ``calls`` and ``errors`` are all where they are empty. ``until`` is a pattern of the call
    after whose success the excuse ends, ``since`` of the one after which it begins, once more where
    it had ended.
    """

    reason: str
    scenarios: str = ""
    calls: tuple[str, ...] = ()
    told: str = ""
    errors: tuple[str, ...] = ()
    until: str = ""
    since: str = ""

    def excuses(self, scenario: str, error: str, call: Call, before: Sequence[str]) -> bool:
        """Whether a call may fail with an error; ``before`` are those that had succeeded."""
        return (
            re.search(self.scenarios, scenario) is not None
            and (not self.calls or call.name in self.calls)
            and (not self.errors or error in self.errors)
            and re.search(self.told, str(call)) is not None
            and self._begun(before) > _last(self.until, before)
        )

    def _begun(self, before: Sequence[str]) -> int:
        """The place from which on it holds: 0 is before all of them, -1 is nowhere."""
        return _last(self.since, before) if self.since else 0


def _last(pattern: str, calls: Sequence[str]) -> int:
    """The place of the last call that a pattern fits, from 1 on; -1 where there is none."""
    fitting = (place for place, call in enumerate(calls, 1) if re.search(pattern, call))
    return max(fitting, default=-1) if pattern else -1


UNSUPPORTED = {
    "openat": "EOPNOTSUPP",
    "openat2": "EAGAIN",
    "ioctl": "EOPNOTSUPP",
    "copy_file_range": "EXDEV",
    "renameat2": "EINVAL",
    "linkat": "EXDEV",
    "listxattr": "EOPNOTSUPP",
    "flistxattr": "EOPNOTSUPP",
}
"""What some file systems answer to calls that others know better. Each has another way."""

FALLBACKS = (
    Fallback(
        "a nameless file cannot be made here: it has a reserved name",
        calls=("openat",),
        told="O_TMPFILE",
        errors=("EOPNOTSUPP",),
    ),
    Fallback(
        "a rename during the look made the kernel unsure: it is asked again",
        calls=("openat2",),
        errors=("EAGAIN",),
    ),
    Fallback(
        "blocks cannot be shared here: the kernel copies them",
        calls=("ioctl",),
        errors=("EOPNOTSUPP",),
    ),
    Fallback(
        "the kernel cannot copy between these files: it sends one into the other",
        calls=("copy_file_range",),
        errors=("EXDEV",),
    ),
    Fallback(
        "a rename knows no flags here: the server looks first, or lets what is replaced go aside",
        calls=("renameat2",),
        errors=("EINVAL",),
    ),
    Fallback(
        "the trash is on another file system: the name lies beside the file for that moment",
        calls=("linkat",),
        errors=("EXDEV",),
    ),
    Fallback(
        "the root cannot hold a trash: what would be there has a reserved name beside its place",
        calls=("mkdirat", "openat2", "newfstatat"),
        told=TRASH,
    ),
    Fallback(
        "the trash does not take it: it has a reserved name beside its place",
        calls=("renameat2",),
        told=TRASH,
        errors=("EACCES",),
    ),
    Fallback(
        "the collection above cannot be opened: what is in it is looked at by its whole path",
        calls=("openat2",),
        told="O_DIRECTORY",
    ),
    Fallback(
        "the claim of a walk that has ended is forgotten by the next section",
        scenarios="with a lock in it",
        told="state.db",
        since="syncfs",
    ),
    Fallback(
        "there are no extended attributes here: none are kept",
        calls=("listxattr", "flistxattr"),
        errors=("EOPNOTSUPP",),
    ),
    Fallback(
        "nobody waits for what is discarded later: it is tried again",
        scenarios="^later: ",
    ),
    Fallback(
        "SQLite asks again for a lock that it does not get",
        calls=("fcntl",),
        told="-shm>, F_SETLK",
    ),
    Fallback(
        "SQLite carries over to the database later what is safe in its log",
        calls=("pwrite64", "fdatasync", "ftruncate"),
        told="state.db>",
    ),
    Fallback(
        "SQLite carries over to the database later what it cannot read of its log now",
        calls=("pread64",),
        told="-wal>",
        since="fdatasync.*-wal>",
    ),
    Fallback(
        "SQLite carries over later what it could not while it had locked that for itself",
        told=r"state\.db(-wal)?>",
        since=_CARRIES_OVER,
        until="pwrite64.*-wal>|F_UNLCK, .*l_start=121,",
    ),
    Fallback(
        "the number of the next in the queue of the gate: the order suffers, not the exclusion",
        calls=("pwrite64",),
        told="-gate>",
    ),
    Fallback(
        "owner and group are kept as far as the server is permitted to",
        calls=("fchown",),
        errors=("EACCES",),
    ),
    Fallback(
        "a condition of the If header does not hold for what cannot be looked at; another one does",
        scenarios="COPY|MOVE|DELETE",
        calls=_ASKING,
    ),
    Fallback(
        "asked for the answer alone, when all was done: how an href ends",
        scenarios="LOCK|PROPPATCH",
        calls=_ASKING,
        since="fdatasync.*-wal>",
    ),
    Fallback(
        "a collection that cannot be read may be searched all the same",
        calls=("openat2",),
        told=r"O_RDONLY\|O_CLOEXEC\|O_DIRECTORY",
        errors=("EACCES",),
    ),
    Fallback(
        "a tree that cannot be renamed is removed or carried member by member",
        scenarios="^(DELETE|MOVE) a (bare )?(tree|collection)",
        errors=("EACCES", "EROFS", *_FULL, "EINTR"),
        until="renameat2",
    ),
    Fallback(
        "what was in the trash was discarded to make room, and all was done again",
        errors=_FULL,
    ),
)

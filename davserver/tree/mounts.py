"""The mounted file systems, as proc(5) lists them."""

import os
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount ``point`` and the ``type`` of what is mounted there, as in ext4."""

    point: PurePath
    type: str


def table() -> list[Mount]:
    """All mounts, the lower ones first. Raises OSError."""
    found = []
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            fields, _, rest = line.partition(b" - ")
            point = os.fsdecode(_unescape(fields.split(b" ")[4]))
            found.append(Mount(PurePath(point), rest.split(b" ")[0].decode()))
    return found


def holding(path: PurePath) -> Mount:
    """The mount that a real path lies on. Raises OSError."""
    found = Mount(PurePath("/"), "unknown")
    for mount in table():
        if path.is_relative_to(mount.point) and len(mount.point.parts) >= len(found.point.parts):
            found = mount
    return found


def at_and_below(path: PurePath) -> list[Mount]:
    """The mount that a real path lies on, and those below it. Raises OSError."""
    below = {mount.point: mount for mount in table() if mount.point.is_relative_to(path)}
    below.pop(path, None)
    return [holding(path), *below.values()]


def _unescape(point: bytes) -> bytes:
    """Mount points have their spaces and backslashes in octal."""
    return point.decode("unicode_escape").encode("latin-1")

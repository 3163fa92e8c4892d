"""The mounted file systems, as proc(5) lists them."""

import os
from dataclasses import dataclass
from pathlib import PurePath

_ESCAPED = frozenset(b" \t\n\\#")
"""What stands in octal there."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount ``point`` and the ``type`` of what is mounted there, as in ext4. ``options`` are
    those of the mount and of the file system, ``device`` its number as in 8:1.
    """

    point: PurePath
    type: str
    options: tuple[str, ...] = ()
    device: str = ""


def table() -> list[Mount]:
    """All mounts, the lower ones first. Raises OSError."""
    found = []
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            mounted, _, rest = line.partition(b" - ")
            _, _, device, _, point, own, *_ = mounted.split(b" ")
            kind, *_, general = rest.rstrip(b"\n").split(b" ")
            options = tuple(os.fsdecode(_unescape(own + b"," + general)).split(","))
            where = PurePath(os.fsdecode(_unescape(point)))
            found.append(Mount(where, kind.decode(), options, device.decode()))
    return found


def holding(path: PurePath) -> Mount:
    """The mount that a real path lies on. Raises OSError."""
    found = Mount(PurePath("/"), "unknown")
    for mount in table():
        if path.is_relative_to(mount.point) and len(mount.point.parts) >= len(found.point.parts):
            found = mount
    return found


def points_below(path: PurePath) -> list[PurePath]:
    """The mount points at and below a real path. Raises OSError."""
    top = os.fsencode(path)
    below = top.rstrip(b"/") + b"/"
    is_plain = _ESCAPED.isdisjoint(top)
    with open("/proc/self/mountinfo", "rb") as lines:
        # Whoever moves a tree waits for this: most lines are of mounts elsewhere.
        named = [line for line in lines if not is_plain or top in line]
    points = [_unescape(line.split(b" ", 5)[4]) for line in named]
    return [
        PurePath(os.fsdecode(point)) for point in points if point == top or point.startswith(below)
    ]


def at_and_below(path: PurePath) -> list[Mount]:
    """The mount that a real path lies on, and those below it. Raises OSError."""
    below = {mount.point: mount for mount in table() if mount.point.is_relative_to(path)}
    below.pop(path, None)
    return [holding(path), *below.values()]


def _unescape(point: bytes) -> bytes:
    """Mount points have their spaces and backslashes in octal."""
    return point.decode("unicode_escape").encode("latin-1") if b"\\" in point else point

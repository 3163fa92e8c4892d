"""An ext4 image inside a file system that can share blocks, so that a copy is one moment of it.

A copy of the image is what a disk would hold after a power cut at that moment: whatever was not
written back yet is not in it. Mounting it replays the journal.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

OUTER, INNER = 1200 << 20, 96 << 20
"""Sizes in bytes: what is outside has to hold two images. Both are sparse files."""
PATHS = f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"
PROGRAMS = {"mkfs.xfs": "xfsprogs", "mkfs.ext4": "e2fsprogs", "mount": "mount", "umount": "mount"}


def lacking() -> str:
    """Why this machine cannot mount images, whatever is installed; empty where it can."""
    if os.geteuid() != 0:
        return "only root can mount an image"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return ""


def missing() -> str:
    """Which package has to be installed; empty if none."""
    for name, package in PROGRAMS.items():
        if not shutil.which(name, path=PATHS):
            return f"{name} is not installed (Debian package {package})"
    return ""


class Disk:
    """A disk whose power can be cut, mounted at ``place``; nothing of it outlives ``disk``."""

    def __init__(self, outer: Path, place: Path) -> None:
        self.place = place
        self._outer = outer
        self._image = outer / "image"
        self._copy = outer / "copy"
        make("mkfs.ext4", self._image, INNER, "-q", "-E", "lazy_itable_init=0")
        mount(self._image, place)

    def freeze(self) -> None:
        """Keep what the disk holds at this moment."""
        run("cp", "--reflink=always", str(self._image), str(self._copy))

    def cut(self) -> None:
        """Go on from what was kept. Nobody may use the disk."""
        unmount(self.place)
        self._copy.replace(self._image)
        mount(self._image, self.place)


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Make a disk in a folder. Raises CalledProcessError where that cannot be done."""
    outer, place = folder / "outer", folder / "disk"
    with ExitStack() as held:
        for one in (outer, place):
            one.mkdir()
        image = folder / "outer.image"
        make("mkfs.xfs", image, OUTER, "-q", "-m", "reflink=1")
        held.callback(unmount, outer)
        mount(image, outer)
        held.callback(unmount, place)
        found = Disk(outer, place)
        place.chmod(0o755)
        yield found


def make(program: str, image: Path, size: int, *options: str) -> None:
    """Make an image with a file system on it."""
    with image.open("wb") as file:
        file.truncate(size)
    run(program, *options, str(image))


def mount(image: Path, place: Path) -> None:
    """The loop device goes away with the mount."""
    run("mount", "-o", "loop", str(image), str(place))


def unmount(place: Path) -> None:
    """Whoever still has something open there loses it from sight."""
    if not place.is_mount():
        return
    if subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode:
        run("umount", "--lazy", str(place))


def run(*command: str) -> None:
    """Raises CalledProcessError, with what it said."""
    environment = {**os.environ, "PATH": PATHS}
    subprocess.run(command, check=True, env=environment, capture_output=True)

"""The file system that every served tree lies on, and the trees.

A root file system without a journal makes each new file after a mass deletion twenty times as
dear; a journaled ext4 image of our own gives every server the same ground.
"""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A sparse file: only what is written takes room on the disk that holds it.
IMAGE_SIZE = 8 << 30
INODES = 400_000
# Lazy tables are written by a kernel thread later, in the middle of a measurement.
MKFS = ("-q", "-N", str(INODES), "-E", "lazy_itable_init=0,lazy_journal_init=0")
NAMES = ("report-{}.pdf", "IMG_{}.jpg", "notes {}.txt", "data_{}.csv", "Übung {} (Kopie).docx")
BIGGEST_FILE = 1024
BIG_BLOCK = 1 << 20
OLDEST, NEWEST = 1_500_000_000, 1_790_000_000


@dataclass(frozen=True, slots=True)
class Ground:
    """A directory for served trees and one sentence that says what it lies on."""

    path: Path
    described: str


@contextlib.contextmanager
def prepared(directory: Path, *, image: bool) -> Iterator[Ground]:
    """Make the ground below ``directory`` and take it away again, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="davserver-bench-", dir=directory) as made:
        place = Path(made)
        # A server that drops root's rights has to pass.
        place.chmod(0o755)
        with contextlib.ExitStack() as held:
            path, described = place, f"{kind(place)} (no image of our own)"
            if image and (refusal := image_refusal()):
                described += f"; WARNING: {refusal}, so figures depend on this file system"
            elif image:
                path = held.enter_context(mounted(place))
                described = "ext4 with a journal on a loop device"
            yield Ground(path, described)


def image_refusal() -> str:
    """Why no image can be mounted here; empty where it can."""
    if os.geteuid() != 0:
        return "only root can mount an image"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    if not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin"):
        return "mkfs.ext4 is not installed"
    return ""


@contextlib.contextmanager
def mounted(place: Path) -> Iterator[Path]:
    """Make an ext4 image below ``place`` and mount it. Raises CalledProcessError."""
    image, top = place / "image", place / "mount"
    with image.open("wb") as file:
        file.truncate(IMAGE_SIZE)
    environment = {**os.environ, "PATH": f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"}
    subprocess.run(["mkfs.ext4", *MKFS, str(image)], check=True, env=environment)
    top.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(top)], check=True, env=environment)
    try:
        yield top
    finally:
        # A server that could not be stopped must not leave the mount behind.
        if subprocess.run(["umount", str(top)], check=False, env=environment).returncode:
            subprocess.run(["umount", "--lazy", str(top)], check=True, env=environment)


def kind(path: Path) -> str:
    """The type of the file system that holds ``path``, as the kernel calls it."""
    best, found = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, top, name, *_ = line.split()
        if path.is_relative_to(top) and len(top) >= len(best):
            best, found = top, name
    return found


def settle(path: Path) -> None:
    """Write back what the file system of ``path`` holds, so that no request pays for another."""
    subprocess.run(["sync", "-f", str(path)], check=True)


def plant(top: Path, folders: int, files: int, chance: random.Random) -> dict[str, int | None]:
    """Make ``top`` with ``folders`` folders of ``files`` files each; 0 folders: files in ``top``.

    Gives every member's path below ``top`` with its size in bytes, None for a folder. Names, sizes
    and times vary as in real folders, and anyone may change what is there: the servers may run as
    another user.
    """
    planted: dict[str, int | None] = {}
    top.mkdir()
    top.chmod(0o777)
    parents = [f"folder {number:03}" for number in range(folders)]
    for parent in parents:
        planted[parent] = None
        (top / parent).mkdir()
        (top / parent).chmod(0o777)
    for parent in parents or [""]:
        for number in range(files):
            name = chance.choice(NAMES).format(f"{number:05}")
            path = f"{parent}/{name}" if parent else name
            size = chance.randint(1, BIGGEST_FILE)
            place = f"{top}/{path}"
            with open(place, "wb", buffering=0) as file:
                file.write(chance.randbytes(size))
            changed = chance.randint(OLDEST, NEWEST)
            os.utime(place, (changed, changed))
            planted[path] = size
    return planted


def plant_big(file: Path, size: int, chance: random.Random) -> None:
    """Write a file of ``size`` bytes that anyone may change, each of its blocks another."""
    block = chance.randbytes(BIG_BLOCK)
    with file.open("wb", buffering=0) as written:
        for number in range(-(-size // BIG_BLOCK)):
            mark = number.to_bytes(8, "big")
            written.write((mark + block[len(mark) :])[: size - number * BIG_BLOCK])
    file.chmod(0o666)


def standing(top: Path) -> dict[str, int | None]:
    """What lies below ``top`` now, in the form that ``plant`` gives."""
    found: dict[str, int | None] = {}
    waiting = [""]
    for parent in waiting:
        with os.scandir(top / parent) as entries:
            for entry in entries:
                path = f"{parent}/{entry.name}" if parent else entry.name
                if entry.is_dir(follow_symlinks=False):
                    found[path] = None
                    waiting.append(path)
                else:
                    found[path] = entry.stat(follow_symlinks=False).st_size
    return found

"""Small disks for one test each: a tmpfs or an ext4 image, mounted below a folder."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATH = f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"


class NotMounted(Exception):
    """This machine does not mount that."""


@contextmanager
def tmpfs(top: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs at ``top``, which is made. Raises NotMounted."""
    with _mounted(top, ["mount", "-t", "tmpfs", "-o", options, "davserver-test", str(top)]):
        yield top


@contextmanager
def ext4(image: Path, top: Path, size: int) -> Iterator[Path]:
    """Make an ext4 image of ``size`` bytes and mount it at ``top``, which is made, too.

    Raises NotMounted.
    """
    with image.open("wb") as file:
        file.truncate(size)
    _run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)])
    with mounted_again(image, top):
        yield top


@contextmanager
def mounted_again(image: Path, top: Path) -> Iterator[Path]:
    """Mount an image that has been mounted before. Raises NotMounted."""
    with _mounted(top, ["mount", "-o", "loop", str(image), str(top)]):
        yield top


def remount(top: Path, options: str) -> None:
    """Change how a disk is mounted. Raises NotMounted."""
    _run(["mount", "-o", f"remount,{options}", str(top)])


@contextmanager
def _mounted(top: Path, command: list[str]) -> Iterator[None]:
    top.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        raise NotMounted("only root can mount")
    _run(command)
    try:
        yield
    finally:
        try:
            _run(["umount", str(top)])
        except NotMounted:
            # A server that could not be stopped must not leave the mount behind.
            _run(["umount", "--lazy", str(top)])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PATH": _PATH}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotMounted(f"{command[0]} is not installed") from error
    if done.returncode:
        raise NotMounted(done.stderr.strip() or f"{command[0]} has failed")

"""The mount table: which file system a path lies on, and which ones lie below it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from davserver.tree import mounts
from tests.running import lacking


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system at a name that the table has to escape."""
    point = tmp_path / "top" / "a b\\c\tü\n"
    point.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this user may not mount a tmpfs")
    yield point
    subprocess.run(["umount", str(point)], check=True)


def test_the_root_is_mounted() -> None:
    assert any(str(mount.point) == "/" for mount in mounts.table())
    assert mounts.holding(Path("/none/such")).point == Path("/")


def test_a_path_lies_on_the_nearest_mount_above_it(mounted: Path) -> None:
    found = mounts.holding(mounted)
    assert (found.point, found.type) == (mounted, "tmpfs")
    assert "size=1024k" in found.options
    facts = mounted.stat()
    assert found.device == f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    assert mounts.holding(mounted / "below" / "x").point == mounted
    for path in (mounted.parent, mounted.parent / "a b", mounted.with_name(mounted.name + "x")):
        assert mounts.holding(path).point != mounted


def test_the_mounts_below_a_path(mounted: Path) -> None:
    found = mounts.at_and_below(mounted.parent)
    assert found == [mounts.holding(mounted.parent), mounts.holding(mounted)]
    assert mounts.at_and_below(mounted) == [mounts.holding(mounted)]
    assert [mount.point for mount in mounts.at_and_below(mounted / "x")] == [mounted]


def test_the_points_at_and_below_a_path(mounted: Path) -> None:
    for path in (mounted.parent, mounted.parent.parent, Path("/"), mounted):
        assert mounted in mounts.points_below(path)
    for path in (mounted / "x", mounted.parent / "a", mounted.with_name("a b")):
        assert mounts.points_below(path) == []
    assert Path("/proc") in mounts.points_below(Path("/proc"))
    assert Path("/proc") not in mounts.points_below(Path("/pro"))


def test_of_two_mounts_at_one_place_the_upper_one_counts(mounted: Path) -> None:
    command = ["mount", "-t", "ramfs", "ramfs", str(mounted)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this kernel has no ramfs")
    try:
        assert mounts.holding(mounted).type == "ramfs"
        assert [one.type for one in mounts.at_and_below(mounted.parent)][1:] == ["ramfs"]
    finally:
        subprocess.run(["umount", str(mounted)], check=True)

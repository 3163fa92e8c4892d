"""Which resource it is: a stamp goes where its resource goes, and to no other."""

import os
import subprocess
from pathlib import Path

import pytest

from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.tree import Tree, identity
from tests.running import lacking


def stamp(path: Path) -> Stamp:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        return identity.stamp(descriptor, path.name)
    finally:
        os.close(descriptor)


def birth(path: Path) -> int:
    """The time of birth as stat(1) tells it; 0 where the file system keeps none."""
    told = subprocess.check_output(["stat", "-c", "%.9W", str(path)], text=True).strip()
    seconds, _, rest = told.replace(",", ".").partition(".")
    return int(seconds) * 10**9 + int(rest or 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    return file


def test_it_is_inode_birth_and_kind(file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    for name, kind in (("file", 0o100000), ("folder", 0o040000), ("link", 0o120000)):
        path = tmp_path / name
        assert stamp(path) == Stamp(path.lstat().st_ino, birth(path), kind)
    assert stamp(file).born


def test_an_open_file_and_its_name_have_the_same(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    assert identity.stamp(descriptor) == stamp(file)
    os.close(descriptor)


def test_it_stays_through_all_that_happens_to_a_resource(file: Path, tmp_path: Path) -> None:
    before = stamp(file)
    file.write_bytes(b"written in place")
    os.utime(file, ns=(1, 1))
    file.chmod(0o600)
    assert stamp(file) == before
    (tmp_path / "folder").mkdir()
    file.rename(tmp_path / "folder" / "renamed")
    assert stamp(tmp_path / "folder" / "renamed") == before
    (tmp_path / "other").hardlink_to(tmp_path / "folder" / "renamed")
    assert stamp(tmp_path / "other") == before


def test_what_was_unnamed_has_it_still_with_a_name(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    with tree.directory(()) as directory, tree.upload(directory) as upload:
        before = upload.stamp()
        upload.write(b"x")
        upload.finish(1)
        upload.publish(directory, "new")
    assert tree.stamp(("new",)) == before
    tree.close()


def test_an_inode_that_is_used_again_is_another_resource(file: Path) -> None:
    before = stamp(file)
    if not before.born:
        lacking("this file system keeps no times of birth")
    again = 0
    for _ in range(200):
        file.unlink()
        file.write_bytes(b"another one")
        now = stamp(file)
        again += now.inode == before.inode
        # Times of birth are as fine as the ticks of the kernel's clock.
        if now.inode == before.inode and now.born != before.born:
            assert not before.is_of(now)
            return
    if not again:
        lacking("this file system uses no inode again")
    pytest.fail("two resources with one stamp")


def test_what_is_not_there_has_none(file: Path, tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    assert tree.stamp(("none",)) is None
    assert tree.stamp(("none", "below")) is None
    assert tree.stamp(("file", "below")) is None
    assert tree.stamp(()) == stamp(tmp_path)
    tree.close()
    with pytest.raises(FileNotFoundError):
        stamp(tmp_path / "none")
    with pytest.raises(OSError, match="descriptor"):
        identity.stamp(-1, "name")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Stamp(7, 5, 1), Stamp(7, 5, 1), True),
        (Stamp(7, 5, 1), Stamp(7, 6, 1), False),
        (Stamp(7, 5, 1), Stamp(8, 5, 1), False),
        (Stamp(7, 5, 1), Stamp(7, 5, 2), False),
        (Stamp(7, 0, 1), Stamp(7, 6, 1), True),
        (Stamp(7, 6, 1), Stamp(7, 0, 1), True),
        (Stamp(7, 5, 1), None, False),
        (UNKNOWN, UNKNOWN, False),
        (Stamp(7, 5, 1), UNKNOWN, False),
    ],
)
def test_what_is_not_known_tells_nothing_apart(one: Stamp, other: Stamp | None, same: bool) -> None:
    assert one.is_of(other) is same

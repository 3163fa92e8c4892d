"""The trash: made where it can be, emptied as far as it goes, and never out of the tree."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from davserver.tree import TRASH, Tree, confined, own_name
from davserver.tree.upload import WORK
from tests.running import lacking
from tests.tree.nobody import as_nobody


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture(params=[confined.openat2, confined.walk], ids=["openat2", "the walk"])
def tree(request: pytest.FixtureRequest, root: Path) -> Iterator[Tree]:
    if request.param is confined.openat2 and not confined.has_openat2():
        lacking("this kernel has no openat2")
    tree = Tree(str(root), opener=request.param)
    yield tree
    tree.close()


def fill(folder: Path) -> Path:
    """A tree of some files and directories."""
    (folder / "a" / "b" / "c").mkdir(parents=True)
    for name in ("f", "a/f", "a/b/f", "a/b/c/f"):
        (folder / name).write_bytes(b"x")
    (folder / "a" / "link").symlink_to("/")
    os.mkfifo(folder / "a" / "pipe")
    return folder


def test_it_is_made_for_the_owner_alone_and_found_again(tree: Tree, root: Path) -> None:
    for _ in range(2):
        trash = tree.trash()
        assert trash is not None
        trash.close()
        assert (root / TRASH).stat().st_mode & 0o777 == 0o700
    tree.remove_trash()
    assert not (root / TRASH).exists()
    tree.remove_trash()


def test_it_is_emptied_of_all_but_what_a_section_works_with(tree: Tree, root: Path) -> None:
    assert tree.in_trash() == []
    (root / TRASH).mkdir()
    whole, work = own_name(), own_name(WORK)
    fill(root / TRASH / whole)
    (root / TRASH / work).write_bytes(b"on its way")
    assert tree.in_trash() == [whole]
    assert tree.in_trash(work=True) == [work]
    assert tree.discard((TRASH, whole)) == []
    assert tree.discard((TRASH, whole)) == []
    assert tree.in_trash() == []
    tree.remove_trash()
    assert (root / TRASH / work).read_bytes() == b"on its way"
    assert tree.discard((TRASH, work)) == []
    tree.remove_trash()
    assert not (root / TRASH).exists()


@pytest.mark.parametrize("what", ["file", "link"])
def test_a_name_that_is_taken_is_no_trash(
    tree: Tree, root: Path, tmp_path: Path, what: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"x")
    if what == "file":
        (root / TRASH).write_bytes(b"x")
    else:
        (root / TRASH).symlink_to(elsewhere)
    assert tree.trash() is None
    assert tree.in_trash() == []
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]


def test_a_long_way_down_is_no_hindrance(tree: Tree, root: Path) -> None:
    """Trees that were moved into each other may have paths that no system call takes."""
    name = "n" * 255
    held = os.open(root, os.O_RDONLY)
    for _ in range(40):
        os.mkdir(name, dir_fd=held)
        below = os.open(name, os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = below
    os.close(held)
    assert tree.discard((name,)) == []
    assert list(root.iterdir()) == []


@pytest.fixture
def bound(root: Path, tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Mounts a folder of the same file system at a point below the root."""
    points: list[Path] = []
    outside = fill(tmp_path / "outside")

    def bind(point: Path) -> Path:
        point.mkdir(parents=True)
        command = ["mount", "--bind", str(outside), str(point)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            lacking("this user may not mount")
        points.append(point)
        return outside

    yield bind
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


def _all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_mount_in_it_is_never_entered(
    tree: Tree, root: Path, bound: Callable[[Path], Path]
) -> None:
    name = own_name()
    outside = bound(root / TRASH / name / "a" / "point")
    (root / TRASH / name / "a" / "goes").write_bytes(b"x")
    before = _all(outside)
    if tree._open is confined.walk:
        lacking("only the kernel knows a bind mount from a directory of the same file system")
    assert tree.discard((TRASH, name))
    assert _all(outside) == before
    assert _all(root / TRASH / name) == ["a", "a/point", *(f"a/point/{one}" for one in before)]


def test_a_root_that_cannot_be_written_to_has_none(tmp_path: Path) -> None:
    def run(folder: Path) -> None:
        tree = Tree(str(folder))
        assert tree.trash() is None
        assert tree.in_trash() == []
        tree.close()

    as_nobody(fill(tmp_path / "theirs"), lambda folder: folder.chmod(0o555), run)


def test_what_nobody_may_write_to_is_discarded_all_the_same(tmp_path: Path) -> None:
    """A collection that holds such ones may be deleted: their owner is the server."""

    def lock(folder: Path) -> None:
        for name in ("a/b/c", "a/b", "a"):
            (folder / name).chmod(0o555)

    def run(folder: Path) -> None:
        tree = Tree(str(folder))
        assert tree.discard(("a",)) == []
        tree.close()
        assert not (folder / "a").exists()

    as_nobody(fill(tmp_path / "theirs"), lock, run)


def test_what_nobody_may_enter_is_discarded_all_the_same(tmp_path: Path) -> None:
    def run(folder: Path) -> None:
        tree = Tree(str(folder))
        assert tree.discard(("a",)) == []
        tree.close()
        assert not (folder / "a").exists()

    as_nobody(fill(tmp_path / "theirs"), lambda folder: (folder / "a" / "b").chmod(0), run)

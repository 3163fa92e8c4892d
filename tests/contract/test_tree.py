"""What every Tree does with files, whichever way it opens them and begins new ones."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest

from davserver.protocol.paths import RESERVED_PREFIX, Path
from davserver.tree import Cursor, Modes, Tree, confined, own_name
from tests.running import lacking

WAYS: dict[str, dict[str, Any]] = {
    "openat2, unnamed uploads": {"opener": confined.openat2},
    "openat2, named uploads": {"opener": confined.openat2, "unnamed": False},
    "the walk, unnamed uploads": {"opener": confined.walk},
    "the walk, named uploads": {"opener": confined.walk, "unnamed": False},
}
STAMP = 1_700_000_000_123_456_789

Make = Callable[..., Tree]


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def make(request: pytest.FixtureRequest, tmp_path: FilePath) -> Iterator[Make]:
    """Makes trees over the directory `root`."""
    if request.param["opener"] is confined.openat2 and not confined.has_openat2():
        lacking("this kernel has no openat2")
    made: list[Tree] = []

    def one(**options: Any) -> Tree:
        made.append(Tree(str(tmp_path / "root"), **request.param, **options))
        return made[-1]

    yield one
    for tree in made:
        tree.close()


@pytest.fixture
def root(tmp_path: FilePath) -> FilePath:
    root = tmp_path / "root"
    (root / "dir" / "below").mkdir(parents=True)
    (root / "dir" / "file").write_bytes(b"content")
    (root / "link").symlink_to("dir/file")
    (root / "dirlink").symlink_to("dir")
    (root / "out").symlink_to("/")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture
def tree(make: Make, root: FilePath) -> Tree:
    del root
    return make()


def names(folder: FilePath) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(tree: Tree, path: Path, content: bytes, *, replaces: bool = False) -> os.stat_result:
    with tree.directory(path[:-1]) as directory, tree.upload(directory) as upload:
        upload.write(content)
        facts = upload.finish(STAMP)
        (upload.replace if replaces else upload.publish)(directory, path[-1])
    return facts


def test_it_finds_what_has_a_path(tree: Tree, root: FilePath) -> None:
    there: tuple[Path, ...] = ((), ("dir",), ("dir", "file"), ("link",), ("out",), ("pipe",))
    for path in there:
        facts = tree.find(path)
        assert facts is not None
        real = root.joinpath(*path).lstat()
        assert (facts.st_ino, facts.st_mode, facts.st_size) == (
            real.st_ino,
            real.st_mode,
            real.st_size,
        )
    for path in (
        ("none",),
        ("none", "x"),
        ("dir", "file", "x"),
        ("dirlink", "file"),
        ("out", "etc"),
    ):
        assert tree.find(path) is None


def test_readers_see_files_and_directories_alone(tree: Tree) -> None:
    for path, seen in (
        ((), True),
        (("dir",), True),
        (("dir", "file"), True),
        (("link",), False),
        (("dirlink",), False),
        (("dirlink", "file"), False),
        (("out",), False),
        (("pipe",), False),
        (("none",), False),
    ):
        assert (tree.look(path) is not None) is seen
    assert sorted(name for name, _ in tree.members(())) == ["dir"]
    assert sorted(name for name, _ in tree.members(("dir",))) == ["below", "file"]


def test_names_that_lead_nowhere_are_no_paths(tree: Tree) -> None:
    """Paths come from the parser, which lets none of these through: the tree holds all the same."""
    for path in ((".",), ("..",), ("dir", ".."), ("..", "root"), ("dir", ".", "file"), ("a/b",)):
        for ask in (tree.find, tree.look, tree.open):
            try:
                found = ask(path)
            except OSError:
                continue
            if found is not None:
                facts = found if isinstance(found, os.stat_result) else found.facts
                assert facts.st_dev == os.stat("/").st_dev or facts.st_ino
                assert _is_inside(tree, facts), path


def _is_inside(tree: Tree, facts: os.stat_result) -> bool:
    top = FilePath(tree.real)
    inside = {path.lstat().st_ino for path in (top, *top.rglob("*"))}
    return facts.st_ino in inside


def test_a_file_is_opened_and_read(tree: Tree) -> None:
    opened = tree.open(("dir", "file"))
    assert opened is not None
    with opened:
        assert opened.is_file
        assert opened.read(0, 100) == b"content"
        assert opened.read(3, 2) == b"te"
        assert opened.read(7, 5) == b""
        assert not opened.is_changed()
    for path in ((), ("dir",), ("link",), ("pipe",), ("none",), ("dir", "file", "x"), ("out", "x")):
        assert tree.open(path) is None


def test_a_change_in_place_is_noticed(tree: Tree, root: FilePath) -> None:
    opened = tree.open(("dir", "file"))
    assert opened is not None
    with opened:
        (root / "dir" / "file").write_bytes(b"changed!")
        assert opened.is_changed()


def test_a_file_appears_with_its_content(tree: Tree, root: FilePath) -> None:
    with tree.directory(()) as directory, tree.upload(directory) as upload:
        upload.write(b"new ")
        upload.write(b"content")
        assert all(one.startswith(RESERVED_PREFIX) for one in set(names(root)) - _given())
        assert [name for name, _ in tree.members(())] == ["dir"]
        facts = upload.finish(STAMP)
        upload.publish(directory, "new")
    assert (root / "new").read_bytes() == b"new content"
    assert (root / "new").stat().st_mtime_ns == STAMP == facts.st_mtime_ns
    assert (root / "new").stat().st_ino == facts.st_ino
    assert set(names(root)) == _given() | {"new"}


def _given() -> set[str]:
    return {"dir", "link", "dirlink", "out", "pipe"}


def test_a_file_that_is_not_published_leaves_nothing(tree: Tree, root: FilePath) -> None:
    with tree.directory(()) as directory:
        with tree.upload(directory) as upload:
            upload.write(b"x")
            assert upload.name is None or upload.name in names(root)
        with tree.upload(directory) as upload:
            name = upload.name or own_name()
            upload.enter(own_name())
            assert name not in names(root)
            tree.discard(next((one,) for one in names(root) if one.startswith(RESERVED_PREFIX)))
    assert set(names(root)) == _given()


def test_publishing_takes_no_name_that_is_taken(tree: Tree, root: FilePath) -> None:
    for name in ("dir", "link", "pipe"):
        with pytest.raises(FileExistsError):
            write(tree, (name,), b"x")
    assert set(names(root)) == _given()


def test_replacing_is_one_instant(tree: Tree, root: FilePath) -> None:
    file = root / "dir" / "file"
    with file.open("rb") as reading:
        facts = write(tree, ("dir", "file"), b"new", replaces=True)
        assert reading.read() == b"content"
    assert file.read_bytes() == b"new"
    assert file.stat().st_ino == facts.st_ino
    write(tree, ("link",), b"no longer a link", replaces=True)
    assert not (root / "link").is_symlink()
    assert file.read_bytes() == b"new"
    assert names(root / "dir") == ["below", "file"]


def test_new_files_get_the_mode_of_the_settings(make: Make, root: FilePath) -> None:
    before = os.umask(0o027)
    try:
        write(make(), ("umask",), b"")
        write(make(modes=Modes(0o604)), ("exact",), b"")
        with make().directory(()) as directory:
            directory.make("folder")
            directory.make("exact folder", 0o2771)
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "umask").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "exact").stat().st_mode) == 0o604
    assert stat.S_IMODE((root / "folder").stat().st_mode) == 0o750
    assert stat.S_IMODE((root / "exact folder").stat().st_mode) == 0o2771


def test_every_name_that_the_file_system_holds(tree: Tree, root: FilePath) -> None:
    given = ["a b", "é", "e\u0301", "\udcff\udcfe", "\n", "n" * 255, "%2F", "😀", "\\", '"', "-rf"]
    for name in given:
        write(tree, ("dir", name), name.encode("utf-8", "surrogateescape"))
    assert {name for name, _ in tree.members(("dir",))} == {*given, "below", "file"}
    for name in given:
        opened = tree.open(("dir", name))
        assert opened is not None
        with opened:
            assert opened.read(0, 300) == os.fsencode(name)
    with pytest.raises(OSError, match="too long"):
        tree.find(("n" * 256,))
    assert len(names(root / "dir")) == len(given) + 2


def test_renames(tree: Tree, root: FilePath) -> None:
    with tree.directory(()) as top, tree.directory(("dir",)) as folder:
        folder.rename("file", top, "moved")
        assert (root / "moved").read_bytes() == b"content"
        with pytest.raises(FileExistsError):
            top.rename("moved", folder, "below")
        with pytest.raises(FileNotFoundError):
            top.rename("none", folder, "x")
        folder.exchange("below", top, "moved")
        assert (root / "dir" / "below").is_file()
        assert (root / "moved").is_dir()
        folder.replace("below", top, "link")
        assert (root / "link").read_bytes() == b"content"
        folder.link(top, "out", "copied")
        assert os.readlink(root / "dir" / "copied") == "/"


def test_discard_removes_everything_and_follows_nothing(tree: Tree, root: FilePath) -> None:
    (root / "dir" / "out").symlink_to(root / "link")
    os.mkfifo(root / "dir" / "below" / "pipe")
    write(tree, ("dir", "below", "x"), b"")
    (root / "dir" / own_name()).mkdir()
    assert tree.discard(("dir",)) == []
    assert tree.discard(("none",)) == []
    assert tree.discard(("out",)) == []
    assert tree.discard(("pipe",)) == []
    assert names(root) == ["dirlink", "link"]


def test_a_cursor_keeps_one_directory_open(tree: Tree) -> None:
    with Cursor(tree.directory) as cursor:
        first = cursor.at(("dir",))
        assert cursor.at(("dir",)) is first
        assert [name for name, _ in cursor.at(("dir", "below")).kinds()] == []
        assert cursor.at(("dir",)) is not first
        with pytest.raises(FileNotFoundError):
            cursor.at(("none",))


def test_no_descriptor_is_left_open(tree: Tree, root: FilePath) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for path in ((), ("none",), ("dir", "file"), ("link",), ("dir", "file", "x"), ("out", "etc")):
        tree.find(path)
        tree.look(path)
        opened = tree.open(path)
        if opened is not None:
            opened.close()
            opened.close()
    list(tree.members(()))
    next(tree.members(("dir",)))
    write(tree, ("new",), b"x")
    with pytest.raises(FileExistsError):
        write(tree, ("new",), b"x")
    tree.discard(("dir",))
    assert descriptors() == before
    assert root.is_dir()

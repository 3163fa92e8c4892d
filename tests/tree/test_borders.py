"""Where a tree ends: mounted file systems, and directories of the server's own."""

import ctypes
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest

from davserver.protocol.paths import Path
from davserver.tree import Tree, confined
from tests.running import lacking


@pytest.fixture
def mounted(tmp_path: FilePath) -> Iterator[FilePath]:
    """A share with another file system in it, at a name that the mount table has to escape."""
    point = tmp_path / "share" / "dir" / "a b\\c\tü"
    point.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this user may not mount a tmpfs")
    yield point
    subprocess.run(["umount", str(point)], check=True)


def test_a_mounted_file_system_is_noticed_from_above(mounted: FilePath, tmp_path: FilePath) -> None:
    tree = Tree(str(tmp_path / "share"))
    name = mounted.name
    for path, is_there in (
        (("dir", name), True),
        (("dir",), True),
        ((), True),
        (("dir", name, "below"), False),
        (("dir", "a b"), False),
        (("other",), False),
        (("di",), False),
    ):
        assert tree.has_mount_below(path) is is_there
    tree.close()
    subprocess.run(["umount", str(mounted)], check=True)
    tree = Tree(str(tmp_path / "share"))
    assert not tree.has_mount_below(("dir",))
    tree.close()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=True)


def test_it_is_served_but_never_discarded(mounted: FilePath, tmp_path: FilePath) -> None:
    (mounted / "file").write_bytes(b"kept")
    (tmp_path / "share" / "dir" / "goes").write_bytes(b"")
    tree = Tree(str(tmp_path / "share"))
    opened = tree.open(("dir", mounted.name, "file"))
    assert opened is not None
    opened.close()
    errors = tree.discard(("dir",))
    assert errors
    assert (mounted / "file").read_bytes() == b"kept"
    assert not (tmp_path / "share" / "dir" / "goes").exists()
    tree.close()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_openat2_is_noticed(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is missing before Linux 5.6, and a seccomp filter may forbid it."""

    def refuse(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(confined, "_syscall", refuse)
    assert not confined.has_openat2()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "f").write_bytes(b"content")
    tree = Tree(str(tmp_path))
    facts = tree.look(("c", "f"))
    assert facts is not None
    assert facts.st_size == 7
    tree.close()


@pytest.fixture
def own(tmp_path: FilePath) -> FilePath:
    """A share with a directory of the server's own in it, and links to that."""
    own = tmp_path / "share" / "home" / "state"
    own.mkdir(parents=True)
    (own / "state.db").write_bytes(b"secret")
    (tmp_path / "share" / "home" / "file").write_bytes(b"")
    (tmp_path / "share" / "way").symlink_to("home/state")
    (tmp_path / "share" / "straight").symlink_to("home/state/state.db")
    return own


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("opener", [confined.openat2, confined.walk])
def test_a_directory_of_the_servers_own_is_hidden(
    own: FilePath, tmp_path: FilePath, opener: Callable[..., int], follow: bool
) -> None:
    if opener is confined.openat2 and not confined.has_openat2():
        lacking("this kernel has no openat2")
    tree = Tree(str(tmp_path / "share"), hidden=[str(own)], follow=follow, opener=opener)
    assert tree.hides(("home", "state"))
    assert tree.hides(("home", "state", "state.db"))
    assert not tree.hides(("home",))
    assert not tree.hides(("home", "state2"))
    above: tuple[Path, ...] = ((), ("home",), ("home", "state"))
    for path in above:
        assert tree.has_hidden_below(path)
    for path in (("home", "file"), ("home", "state", "state.db"), ("other",)):
        assert not tree.has_hidden_below(path)
    assert [name for name, _ in tree.members(("home",))] == ["file"]
    assert [name for name, _ in tree.members(())] == ["home"]
    for path in (("way",), ("straight",), ("way", "state.db")):
        assert tree.look(path) is None
        assert tree.open(path) is None
    tree.close()


def test_a_directory_of_the_servers_own_outside_hides_nothing(
    own: FilePath, tmp_path: FilePath
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tree = Tree(str(tmp_path / "share"), hidden=[str(elsewhere)])
    assert tree.hidden == ()
    assert not tree.has_hidden_below(())
    assert sorted(name for name, _ in tree.members(("home",))) == ["file", own.name]
    tree.close()


def test_the_root_may_be_a_link(tmp_path: FilePath) -> None:
    """The operator has named it: links within are what must not lead out."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    tree = Tree(str(tmp_path / "link"))
    assert tree.look(("file",)) is not None
    assert str(tree.real) == str((tmp_path / "real").resolve())
    tree.close()


@pytest.mark.parametrize("path", ["none", "file"])
def test_a_root_that_is_no_directory_is_an_error_at_once(tmp_path: FilePath, path: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=path):
        Tree(str(tmp_path / path))

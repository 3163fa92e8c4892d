"""What an overwritten file keeps, and what an upload leaves."""

import errno
import os
import stat
from pathlib import Path

import pytest

from davserver.tree import Tree
from tests.running import lacking

STAMP = 1_700_000_000_000_000_001


@pytest.fixture(params=[True, False], ids=["unnamed", "named"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return Tree(str(tmp_path), unnamed=request.param)


def overwrite(tree: Tree, name: str, content: bytes = b"new") -> None:
    with tree.directory(()) as directory, tree.upload(directory) as upload:
        upload.write(content)
        upload.resemble(directory, name)
        upload.finish(STAMP)
        upload.replace(directory, name)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o666, 0o755, 0o4711, 0o2770, 0o000])
def test_an_overwritten_file_keeps_its_mode(tree: Tree, tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(mode)
    before = os.umask(0o077)
    try:
        overwrite(tree, "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == mode
    file.chmod(0o600)
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_overwritten_file_keeps_its_owner_and_group(tree: Tree, tmp_path: Path) -> None:
    if os.geteuid():
        lacking("only root may give files away")
    file = tmp_path / "file"
    file.write_bytes(b"old")
    os.chown(file, 12345, 54321)
    file.chmod(0o2755)
    overwrite(tree, "file")
    facts = file.stat()
    assert (facts.st_uid, facts.st_gid) == (12345, 54321)
    assert stat.S_IMODE(facts.st_mode) == 0o2755


def test_an_overwritten_file_keeps_its_group_where_its_owner_cannot_be_kept(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    asked: list[tuple[int, int]] = []

    def fchown(descriptor: int, owner: int, group: int) -> None:
        del descriptor
        asked.append((owner, group))
        if owner != -1:
            raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "fchown", fchown)
    overwrite(tree, "file")
    facts = file.stat()
    assert asked[-1] == (-1, facts.st_gid)
    assert file.read_bytes() == b"new"


def test_an_overwritten_file_keeps_its_extended_attributes(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    try:
        os.setxattr(file, "user.colour", b"blue\0\xff")
        os.setxattr(file, "user.empty", b"")
    except OSError as error:
        lacking(f"the file system has no extended attributes: {error}")
    overwrite(tree, "file")
    assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == {
        "user.colour": b"blue\0\xff",
        "user.empty": b"",
    }


def test_attributes_that_cannot_be_kept_keep_nothing_from_being_written(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    for refusal in (errno.EOPNOTSUPP, errno.EPERM, errno.ENOSPC):

        def refuse(*_: object, refusal: int = refusal) -> None:
            raise OSError(refusal, os.strerror(refusal))

        file.write_bytes(b"old")
        os.setxattr(file, "user.colour", b"blue")
        with monkeypatch.context() as patched:
            patched.setattr(os, "setxattr", refuse)
            overwrite(tree, "file")
        assert file.read_bytes() == b"new"
        file.unlink()


def test_a_new_file_has_the_group_of_its_directory(tmp_path: Path) -> None:
    if os.geteuid():
        lacking("only root may give directories away")
    folder = tmp_path / "folder"
    folder.mkdir()
    os.chown(folder, -1, 54321)
    folder.chmod(0o2775)
    for unnamed in (True, False):
        tree = Tree(str(folder), unnamed=unnamed)
        with tree.directory(()) as directory, tree.upload(directory) as upload:
            upload.publish(directory, f"{unnamed}")
        assert (folder / f"{unnamed}").stat().st_gid == 54321
        tree.close()


def test_a_file_system_without_unnamed_files_gets_a_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(str(tmp_path))
    real = os.open
    for number in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS):

        def refusing(
            path: str, flags: int, mode: int = 0o777, *, dir_fd: int, number: int = number
        ) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(number, os.strerror(number))
            return real(path, flags, mode, dir_fd=dir_fd)

        with monkeypatch.context() as patched, tree.directory(()) as directory:
            patched.setattr(os, "open", refusing)
            with tree.upload(directory) as upload:
                upload.write(b"x")
                upload.publish(directory, f"{number}")
        assert (tmp_path / f"{number}").read_bytes() == b"x"
    tree.close()


@pytest.mark.parametrize("failing", ["write", "utime", "link", "rename", "fchmod"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if failing == "link" and not tree._unnamed:
        failing = "rename"
    with monkeypatch.context() as patched:
        patched.setattr(os, failing, fail)
        with pytest.raises(OSError, match="Errno"):
            overwrite(tree, "file")
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_short_write_is_gone_on_with(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    real = os.write
    content = os.urandom(10_000)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:777])))
        overwrite(tree, "file", content)
    assert (tmp_path / "file").read_bytes() == content


class Disk:
    """A disk that is full until there is room. ``errors`` is the errno, ``room`` how often some
    can be made.
    """

    def __init__(self, number: int, room: int) -> None:
        self.number = number
        self.room = room
        self.is_full = True
        self.asked = 0
        self._write = os.write

    def make_room(self) -> bool:
        self.asked += 1
        self.room -= 1
        self.is_full = self.room < 0
        return not self.is_full

    def write(self, descriptor: int, data: bytes) -> int:
        if self.is_full:
            raise OSError(self.number, os.strerror(self.number))
        self.is_full = self.room > 0
        return self._write(descriptor, bytes(data[:3]))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_where_room_is_made_nothing_is_lost(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    disk = Disk(number, room=2)
    tree.make_room = disk.make_room
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", disk.write)
        with tree.directory(()) as directory, tree.upload(directory) as upload:
            upload.write(b"0123456789")
            upload.publish(directory, "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert disk.asked == 2


@pytest.mark.parametrize(
    ("number", "asked"), [(errno.ENOSPC, 1), (errno.EDQUOT, 1), (errno.EIO, 0), (errno.EFBIG, 0)]
)
def test_where_no_room_can_be_made_the_error_counts(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, asked: int
) -> None:
    disk = Disk(number, room=0)
    tree.make_room = disk.make_room
    with (
        monkeypatch.context() as patched,
        tree.directory(()) as directory,
        tree.upload(directory) as upload,
    ):
        patched.setattr(os, "write", disk.write)
        with pytest.raises(OSError, match=f"Errno {number}"):
            upload.write(b"0123456789")
    assert disk.asked == asked
    assert list(tmp_path.iterdir()) == []

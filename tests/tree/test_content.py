"""Copies of files: whole by every way that the kernel has or lacks."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from davserver.tree import Opened, content

SIZES = (0, 1, 4095, 65_536, 65_537, 1 << 20, (1 << 20) + 1, (5 << 20) + 12_345)
REFUSALS = (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENOTTY)
WAYS = ((fcntl, "ioctl"), (os, "copy_file_range"), (os, "sendfile"))


def copy(folder: Path, size: int) -> bool:
    """Whether a copy of that many bytes is the same."""
    given = os.urandom(size)
    (folder / "source").write_bytes(given)
    source = Opened(os.open(folder / "source", os.O_RDONLY))
    target = os.open(folder / "target", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        content.fill(target, source)
    finally:
        source.close()
        os.close(target)
    return (folder / "target").read_bytes() == given


def refuse(patched: pytest.MonkeyPatch, number: int, ways: tuple[tuple[Any, str], ...]) -> None:
    def refusing(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    for module, name in ways:
        patched.setattr(module, name, refusing)


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_is_whole(tmp_path: Path, size: int) -> None:
    assert copy(tmp_path, size)


@pytest.mark.parametrize("number", REFUSALS, ids=errno.errorcode.get)
@pytest.mark.parametrize("missing", [1, 2, 3], ids=["no reflink", "no range", "nothing"])
def test_a_way_that_the_file_system_lacks_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int, number: int
) -> None:
    for size in SIZES:
        with monkeypatch.context() as patched:
            refuse(patched, number, WAYS[:missing])
            assert copy(tmp_path, size)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("way", WAYS, ids=["reflink", "range", "send"])
def test_an_error_of_the_disk_is_no_reason_to_try_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[Any, str], number: int
) -> None:
    with monkeypatch.context() as patched:
        refuse(patched, errno.EXDEV, WAYS[: WAYS.index(way)])
        refuse(patched, number, (way,))
        with pytest.raises(OSError, match="Errno") as failed:
            copy(tmp_path, 1 << 20)
    assert failed.value.errno == number


@pytest.mark.parametrize("name", ["copy_file_range", "sendfile"])
def test_a_way_that_ends_halfway_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file system that copies some of it and then says that it cannot."""
    real = getattr(os, name)
    calls = []

    def halfway(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) > 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        done: int = real(*arguments[:-1], 100_000)
        return done

    with monkeypatch.context() as patched:
        refuse(patched, errno.EXDEV, WAYS[:1] if name == "copy_file_range" else WAYS[:2])
        patched.setattr(os, name, halfway)
        assert copy(tmp_path, 3 << 20)


def test_holes_and_growing_files_are_copied_to_their_end(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as opened:
        opened.truncate(8 << 20)
        opened.seek(4 << 20)
        opened.write(b"middle")
    source = Opened(os.open(tmp_path / "holes", os.O_RDONLY))
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT)
    content.fill(target, source)
    source.close()
    os.close(target)
    assert (tmp_path / "target").read_bytes() == (tmp_path / "holes").read_bytes()

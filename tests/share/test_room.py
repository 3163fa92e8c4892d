"""What was removed and is not discarded yet keeps nobody from writing."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from davserver.tree import TRASH
from tests.running import lacking
from tests.security.inside import Inside

MEGABYTE = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    point = tmp_path / "small"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        lacking("this user may not mount a tmpfs")
    yield point
    subprocess.run(["umount", str(point)], check=True)


@pytest.fixture
def app(tmp_path: Path, small: Path) -> Iterator[Inside]:
    app = Inside(tmp_path / "state.db", {"": small})
    yield app
    app.close()


def removed(app: Inside, small: Path) -> None:
    """Most of the file system is taken by what was deleted."""
    assert app("MKCOL", "/d").status == 201
    for number in range(3):
        assert app("PUT", f"/d/{number}", body=b"x" * MEGABYTE).status == 201
    assert app("DELETE", "/d").status == 204
    assert len(os.listdir(small / TRASH)) == 1


@pytest.mark.parametrize("size", [MEGABYTE * 3, 900_000])
def test_content_takes_the_room_of_what_was_removed(app: Inside, small: Path, size: int) -> None:
    """Also where the announced length is too small for a look at it beforehand."""
    removed(app, small)
    (small / "else").write_bytes(b"x" * (700_000 if size < MEGABYTE else 0))
    assert app("PUT", "/f", body=b"y" * size).status == 201
    assert (small / "f").read_bytes() == b"y" * size
    assert os.listdir(small / TRASH) == []


def test_what_cannot_have_room_is_refused_and_changes_nothing(app: Inside, small: Path) -> None:
    removed(app, small)
    assert app("PUT", "/old", body=b"old").status == 201
    for name in ("old", "new"):
        assert app("PUT", f"/{name}", body=b"y" * 5 * MEGABYTE).status == 507
    app.rest()
    assert os.listdir(small) == ["old"]
    assert (small / "old").read_bytes() == b"old"
    assert app("PUT", "/new", body=b"y" * 3 * MEGABYTE).status == 201


def test_a_copy_takes_the_room_of_what_was_removed(app: Inside, small: Path) -> None:
    assert app("PUT", "/f", body=b"y" * 900_000).status == 201
    removed(app, small)
    assert app("COPY", "/f", "Destination: /g").status == 201
    assert (small / "g").read_bytes() == b"y" * 900_000


def test_a_copy_of_a_tree_takes_the_room_of_what_was_removed(app: Inside, small: Path) -> None:
    assert app("MKCOL", "/t").status == 201
    assert app("PUT", "/t/f", body=b"y" * 900_000).status == 201
    removed(app, small)
    assert app("COPY", "/t", "Destination: /u").status == 201
    assert (small / "u" / "f").read_bytes() == b"y" * 900_000


def test_the_trash_is_emptied_before_a_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full as long as there is any trash."""
    top = tmp_path / "top"
    top.mkdir()
    app = Inside(tmp_path / "state.db", {"": top})
    assert app("MKCOL", "/d").status == 201
    assert app("DELETE", "/d").status == 204
    real, refused = os.write, []

    def write(descriptor: int, data: bytes) -> int:
        if os.listdir(top / TRASH):
            refused.append(data)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    assert app("PUT", "/f", body=b"x").status == 201
    assert len(refused) == 1
    assert (top / "f").read_bytes() == b"x"
    app.close()


@pytest.mark.parametrize("name", ["f", "t/"])
def test_a_move_from_another_file_system_takes_the_room_of_what_was_removed(
    name: str, tmp_path: Path, small: Path
) -> None:
    other = tmp_path / "other"
    (other / "t").mkdir(parents=True)
    for path in ("f", "t/f"):
        (other / path).write_bytes(b"y" * 900_000)
    app = Inside(tmp_path / "two.db", {"small": small, "other": other})
    assert app("MKCOL", "/small/d").status == 201
    for number in range(3):
        assert app("PUT", f"/small/d/{number}", body=b"x" * MEGABYTE).status == 201
    assert app("DELETE", "/small/d").status == 204
    (small / "else").write_bytes(b"x" * 500_000)
    assert app("MOVE", f"/other/{name}", f"Destination: /small/{name}").status == 201
    app.close()
    assert (small / name / "f" if name == "t/" else small / name).stat().st_size == 900_000
    assert not (other / name).exists()

"""GET: a file that others write to while it is read."""

import os
from pathlib import Path

import pytest

from davserver.tree import Opened
from tests.security.inside import Inside

CONTENT = b"written in place"
ANOTHER = b"written at times"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "top").mkdir()
    file = tmp_path / "top" / "f"
    file.write_bytes(CONTENT)
    return file


def changes_while_read(file: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes to it between its first look and its first byte, so many times."""
    real, changed = Opened.read, iter(range(times))

    def read(self: Opened, position: int, size: int) -> bytes:
        for number in changed:
            file.write_bytes(ANOTHER)
            os.utime(file, ns=(0, number))
            break
        return real(self, position, size)

    monkeypatch.setattr(Opened, "read", read)


@pytest.mark.parametrize("fields", [(), ("Range: bytes=8-11",)])
def test_it_is_read_again(
    fields: tuple[str, ...], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Inside(tmp_path / "state.db", {"": file.parent})
    before = app("GET", "/f", *fields)
    changes_while_read(file, 1, monkeypatch)
    after = app("GET", "/f", *fields)
    assert after.status == before.status
    assert after.body == (ANOTHER[8:12] if fields else ANOTHER)
    assert after.headers["etag"] == app("HEAD", "/f").headers["etag"] != before.headers["etag"]
    app.close()


def test_it_is_not_read_for_ever(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Inside(tmp_path / "state.db", {"": file.parent})
    changes_while_read(file, 1000, monkeypatch)
    answer = app("GET", "/f")
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert app("HEAD", "/f").status == 200
    app.close()


def test_what_cannot_be_read_is_an_error_of_the_storage(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Opened, position: int, size: int) -> bytes:
        # The address 0 of a process is what no disk needs to be broken for to give EIO.
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), size, 0)

    app = Inside(tmp_path / "state.db", {"": file.parent})
    monkeypatch.setattr(Opened, "read", fails)
    answer = app("GET", "/f")
    assert answer.status == 500
    assert CONTENT not in answer.body
    app.close()

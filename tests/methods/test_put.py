"""PUT: what an overwritten file keeps."""

import errno
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from davserver.share import Place, Section
from davserver.shares import Shares
from davserver.tree import Directory
from tests.running import lacking, program
from tests.security.inside import Inside


def test_an_overwritten_file_keeps_exactly_its_acl(tmp_path: Path) -> None:
    """What its collection would give to a new file does not widen the access to an old one."""
    setfacl, getfacl = program("setfacl", "acl"), program("getfacl", "acl")
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("old")
    (top / "f").chmod(0o660)
    given = subprocess.run([setfacl, "-d", "-m", "u:nobody:rwx", str(top)], check=False)
    if given.returncode:
        lacking("this file system keeps no ACLs")
    app = Inside(tmp_path / "state.db", {"": top})
    before = subprocess.check_output([getfacl, "-cp", str(top / "f")])
    assert app("PUT", "/f", body=b"new").status == 204
    assert app("PUT", "/new", body=b"new").status == 201
    app.close()
    assert subprocess.check_output([getfacl, "-cp", str(top / "f")]) == before
    assert b"user:nobody" in subprocess.check_output([getfacl, "-cp", str(top / "new")])


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("/f", ("If-None-Match: *",), 412),
        ("/missing/f", (), 409),
        ("/f/below", (), 409),
        ("/", (), 405),
        ("/new/", (), 409),
        ("/new", (), 400),
    ],
)
def test_a_refusal_comes_before_what_is_wrong_with_the_content(
    target: str, fields: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    """Small content is taken in first, and nobody can tell."""
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("old")
    app = Inside(tmp_path / "state.db", {"": top})
    wrong = "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=="
    assert app("PUT", target, wrong, *fields, body=b"new").status == status
    app.close()
    assert {path.name: path.read_text() for path in top.iterdir()} == {"f": "old"}


def test_what_is_overwritten_meanwhile_by_another_file_lends_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("old")
    app = Inside(tmp_path / "state.db", {"": top})
    real = Shares.section

    def section(shares: Shares, *places: Place, **access: Any) -> AbstractContextManager[Section]:
        (top / "f").unlink()
        (top / "f").write_text("another")
        (top / "f").chmod(0o600)
        return real(shares, *places, **access)

    (top / "f").chmod(0o640)
    monkeypatch.setattr(Shares, "section", section)
    assert app("PUT", "/f", body=b"new").status == 204
    monkeypatch.undo()
    app.close()
    assert ((top / "f").read_text(), (top / "f").stat().st_mode & 0o777) == ("new", 0o600)


def test_a_rename_that_finds_no_room_is_no_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without a name that had one for a moment cannot get another one: linkat(2)."""
    top = tmp_path / "top"
    (top / "tree").mkdir(parents=True)
    (top / "f").write_text("old")
    app = Inside(tmp_path / "state.db", {"": top})
    assert app("DELETE", "/tree").status == 204
    real, failures = Directory.replace, iter([errno.ENOSPC])

    def fails(self: Directory, name: str, to: Directory, new: str) -> None:
        for number in failures:
            raise OSError(number, "on purpose")
        real(self, name, to, new)

    monkeypatch.setattr(Directory, "replace", fails)
    assert app("PUT", "/f", body=b"new").status == 507
    assert (top / "f").read_text() == "old"
    assert app("PUT", "/f", body=b"new").status == 204
    app.close()
    assert {path.name: path.read_text() for path in top.iterdir()} == {"f": "new"}

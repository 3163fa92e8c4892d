"""DELETE member by member (RFC 4918 section 9.6.1)."""

import errno
from pathlib import Path
from typing import Any

import pytest

from davserver.counts import STORAGE_ERRORS, Totals
from davserver.methods import delete
from davserver.protocol import multistatus
from davserver.share import Place
from davserver.shares import Shares
from davserver.tree import Directory
from tests.security.inside import LOCKINFO, Inside


def test_a_member_that_the_storage_does_not_let_go_is_told_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    (top / "src").mkdir(parents=True)
    for name in ("good", "bad", "held"):
        (top / "src" / name).write_text(name)
    app = Inside(tmp_path / "state.db", {"": top}, "alice", "bob")
    # What somebody else has locked is a reason to go member by member.
    assert app("LOCK", "/src/held", body=LOCKINFO, user="bob").status == 200
    real = Directory.remove_file

    def fails(self: Directory, name: str) -> None:
        if name == "bad":
            raise OSError(errno.EIO, "on purpose")
        real(self, name)

    monkeypatch.setattr(Directory, "remove_file", fails)
    counted = Totals().of(STORAGE_ERRORS)["EIO"]
    answer = app("DELETE", "/src/", user="alice")
    assert answer.status == 207
    failed = multistatus.parse(answer.body)
    assert {(one.href, one.status) for one in failed} == {("/src/bad", 500), ("/src/held", 423)}
    assert Totals().of(STORAGE_ERRORS)["EIO"] == counted + 1
    app.close()
    assert {path.name for path in (top / "src").iterdir()} == {"bad", "held"}


def test_a_lock_between_two_sections_of_a_walk_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collection is empty by then, and waits to be removed in the next section."""
    top = tmp_path / "top"
    (top / "src" / "sub").mkdir(parents=True)
    (top / "src" / "sub" / "f").write_text("f")
    (top / "src" / "held").write_text("held")
    app = Inside(tmp_path / "state.db", {"": top}, "alice", "bob")
    app.lock("/src/held", user="bob")
    monkeypatch.setattr(delete, "BATCH", 1)
    real, locked = Shares.section, list[int]()

    def section(shares: Shares, *places: Place, **access: Any) -> Any:
        if access.get("claim") and not locked and not any((top / "src" / "sub").iterdir()):
            locked.append(0)
            app.lock("/src/sub", user="bob")
        return real(shares, *places, **access)

    monkeypatch.setattr(Shares, "section", section)
    answer = app("DELETE", "/src/", user="alice")
    assert locked
    failed = {(one.href, one.status) for one in multistatus.parse(answer.body)}
    assert failed == {("/src/sub/", 423), ("/src/held", 423)}
    assert (top / "src" / "sub").is_dir()
    app.close()

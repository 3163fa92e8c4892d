"""A state that servers of several trees share."""

import errno
from pathlib import Path

import pytest

from davserver.state import Intent, Operation
from davserver.tree import Directory
from tests.security.inside import PATCH, Inside


def test_an_intent_for_a_tree_that_is_served_elsewhere_is_no_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers of two trees share a state, and that of the other one was killed."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    other = Inside(tmp_path / "state.db", {"": tmp_path / "two"})
    with other.state.write() as writer:
        key = (*other.shares.all[""].base, "gone")
        kept = writer.add_intent(Intent(Operation.REMOVE, key))
    app = Inside(tmp_path / "state.db", {"": tmp_path / "one"})
    assert app("PUT", "/x", body=b"x").status == 201
    assert app("PROPPATCH", "/x", body=PATCH).status == 207

    def fails(*_: object) -> None:
        raise PermissionError(errno.EACCES, "on purpose")

    with monkeypatch.context() as denied:
        denied.setattr(Directory, "remove_file", fails)
        assert app("DELETE", "/x").status == 403
    assert app("GET", "/x").body == b"x"
    assert [intent.id for intent in app.state.read().intents()] == [kept.id]
    app.close()
    other.close()

"""Collections whose mode keeps their owner from changing them, served by a user who is not root."""

from pathlib import Path

import pytest

from tests.security.inside import PATCH, Inside
from tests.tree.nobody import as_nobody

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def theirs(memory: Path, tmp_path: Path) -> Path:
    """A share `root` with collections `old`, which nobody may write to, and `new`."""
    # SQLite asks for whole paths, which its user has to reach.
    memory.chmod(0o755)
    folder = memory / "theirs"
    # All modules are there then: nobody may read them later.
    (tmp_path / "root").mkdir()
    app = Inside(tmp_path / "state.db", {"": tmp_path / "root"})
    assert app("PROPPATCH", "/", body=PATCH).status == 207
    assert app("MKCOL", "/d").status == 201
    assert app("DELETE", "/d").status == 204
    app.close()
    for name in ("old", "new"):
        (folder / "root" / name / "sub").mkdir(parents=True)
        (folder / "root" / name / "f").write_text(name)
    return folder


def protect(folder: Path) -> None:
    for name in ("old/sub", "old"):
        (folder / "root" / name).chmod(0o555)


def served(folder: Path) -> Inside:
    return Inside(folder / "state.db", {"": folder / "root"})


@pytest.mark.parametrize("has_rows", [True, False])
@pytest.mark.parametrize("method", ["MOVE", "COPY"])
def test_one_is_replaced_whole(theirs: Path, method: str, has_rows: bool) -> None:
    def run(folder: Path) -> None:
        app = served(folder)
        if has_rows:
            assert app("PROPPATCH", "/new", body=PATCH).status == 207
        assert app(method, "/new", "Destination: /old").status == 204
        assert (folder / "root" / "old" / "f").read_text() == "new"
        app.rest()
        assert app.state.read().intents() == ()
        left = ["old"] if method == "MOVE" else ["new", "old"]
        assert sorted(path.name for path in (folder / "root").iterdir()) == left
        app.close()

    as_nobody(theirs, protect, run)


@pytest.mark.parametrize("has_rows", [True, False])
def test_one_is_removed_whole_or_not_at_all(theirs: Path, has_rows: bool) -> None:
    """What is removed with a collection is discarded, whatever its mode."""

    def run(folder: Path) -> None:
        app = served(folder)
        if has_rows:
            assert app("PROPPATCH", "/old", body=PATCH).status == 207
        assert app("DELETE", "/old").status in (207, 403)
        assert (folder / "root" / "old" / "f").read_text() == "old"
        assert app("MKCOL", "/top").status == 201
        (folder / "root" / "old").chmod(0o755)
        assert app("MOVE", "/old", "Destination: /top/old").status == 201
        (folder / "root" / "top" / "old").chmod(0o555)
        assert app("DELETE", "/top").status == 204
        app.rest()
        assert app.state.read().intents() == ()
        assert [path.name for path in (folder / "root").iterdir()] == ["new"]
        app.close()

    as_nobody(theirs, protect, run)

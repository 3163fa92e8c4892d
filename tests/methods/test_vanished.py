"""What vanished behind the server's back: neither its properties nor its locks come back with
another resource.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.security.inside import LOCKINFO, PATCH, Inside


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    top.mkdir()
    (top / "f").write_text("f")
    (top / "other").write_text("other")
    (top / "c").mkdir()
    return top


@pytest.fixture
def app(top: Path) -> Iterator[Inside]:
    app = Inside(top.parent / "state.db", {"": top})
    yield app
    app.close()


def has_properties(app: Inside, target: str) -> bool:
    answer = app("PROPFIND", target, "Depth: 0")
    assert answer.status == 207
    return b"urn:x" in answer.body


NEW: dict[str, tuple[str, str, tuple[str, ...], bytes]] = {
    "PUT": ("/f", "PUT", (), b"new"),
    "LOCK": ("/f", "LOCK", (), LOCKINFO),
    "COPY": ("/f", "COPY", ("Destination: /f",), b""),
    "MOVE": ("/f", "MOVE", ("Destination: /f",), b""),
    "MKCOL": ("/c", "MKCOL", (), b""),
}


@pytest.mark.parametrize("name", NEW)
def test_a_new_resource_has_nothing_of_an_old_one(name: str, app: Inside, top: Path) -> None:
    target, method, fields, body = NEW[name]
    assert app("PROPPATCH", target, body=PATCH).status == 207
    assert has_properties(app, target)
    vanish(top / target[1:])
    source = "/other" if fields else target
    assert app(method, source, *fields, body=body).status == 201
    assert not has_properties(app, target)


def vanish(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()


def make_collection(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_file(path: Path) -> None:
    path.rmdir()
    path.write_text("new")


@pytest.mark.parametrize(("target", "become"), [("/f", make_collection), ("/c", make_file)])
def test_another_kind_of_resource_has_nothing_of_the_old_one(
    target: str, become: Callable[[Path], None], app: Inside, top: Path
) -> None:
    assert app("PROPPATCH", target, body=PATCH).status == 207
    app.lock(target)
    become(top / target[1:])
    assert not has_properties(app, target)
    assert app("DELETE", target).status == 204


@pytest.mark.parametrize("target", ["/f", "/c"])
def test_a_lock_ends_with_what_it_was_for(target: str, app: Inside, top: Path) -> None:
    app.lock(target)
    assert app("MKCOL", target).status in (405, 423)
    vanish(top / target[1:])
    assert app("MKCOL", target).status == 201

"""Read-only means read-only: no method changes a file, a property or a lock."""

from pathlib import Path

import pytest

from tests.security.inside import BODIES, METHODS, Inside, digest

TARGETS = ("/", "/file", "/dir/", "/dir", "/dir/member", "/new", "/new/", "/none/new", "*", "//")
FIELDS: dict[str, tuple[str, ...]] = {
    "no more": (),
    "a destination": ("Destination: /new",),
    "a destination that is there": ("Destination: /file", "Overwrite: T"),
    "a condition": ("If: (Not <DAV:no-lock>)",),
    "depth 0": ("Depth: 0",),
    "another method's name": ("X-HTTP-Method-Override: DELETE", "X-Method: PUT"),
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("method", METHODS)
def test_nothing_changes(tmp_path: Path, method: str, fields: tuple[str, ...]) -> None:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "file").write_bytes(b"content")
    (root / "dir" / "member").write_bytes(b"content")
    state = tmp_path / "state.db"
    writing = Inside(state, {"": root})
    assert writing("PROPPATCH", "/file", body=BODIES["PROPPATCH"]).status == 207
    token = writing.lock("/dir/")
    reader = writing.state.read()
    kept = (reader.locks((), 0.0, below=True), reader.with_properties(()))
    ask = Inside(state, {"": root}, read_only=True)
    before = digest(root)
    for target in TARGETS:
        for extra in ((), (f"Lock-Token: {token}", f"If: </dir/> ({token})")):
            answer = ask(method, target, *fields, *extra, body=BODIES.get(method, b""))
            assert answer.status < 500 or answer.status == 501
            if method in ("PUT", "MKCOL", "DELETE", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"):
                assert answer.status >= 400
    assert digest(root) == before
    assert (reader.locks((), 0.0, below=True), reader.with_properties(())) == kept
    assert kept[0]
    assert kept[1]
    ask.close()
    writing.close()


def test_what_may_not_be_done_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(b"")
    ask = Inside(tmp_path / "state.db", {"": tmp_path / "root"}, read_only=True)
    for target in ("/", "/file", "/none"):
        answer = ask("OPTIONS", target)
        assert set(answer.headers["allow"].split(", ")) <= {"OPTIONS", "GET", "HEAD", "PROPFIND"}
        assert "2" not in answer.headers["dav"]
    ask.close()

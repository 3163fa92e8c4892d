"""Who may use a lock, and what is shown without a login."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.inside import BODIES, LOCKINFO, METHODS, PATCH, Inside, digest

NO_LOCK = "(Not <DAV:no-lock>)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "file").write_bytes(b"content")
    (root / "dir" / "member").write_bytes(b"content")
    return root


@pytest.fixture
def ask(root: Path, tmp_path: Path) -> Iterator[Inside]:
    inside = Inside(tmp_path / "state.db", {"": root}, "alice", "bob")
    yield inside
    inside.close()


LOGINS = {
    "nothing": (),
    "a wrong password": ("Authorization: Basic YWxpY2U6Ym9i",),
    "an unknown user": ("Authorization: Basic ZXZlOmV2ZQ==",),
    "no password": ("Authorization: Basic YWxpY2U6",),
    "no user": ("Authorization: Basic OmFsaWNl",),
    "another scheme": ('Authorization: Digest username="alice"',),
    "a token": ("Authorization: Bearer YWxpY2U6YWxpY2U=",),
    "a header that a proxy would set": ("X-Remote-User: alice", "Remote-User: alice"),
    "noise": ("Authorization: Basic \x80",),
}


@pytest.mark.parametrize("fields", LOGINS.values(), ids=LOGINS)
def test_nothing_is_told_and_done_without_a_login(
    ask: Inside, root: Path, fields: tuple[str, ...]
) -> None:
    before = digest(root)
    for method in METHODS:
        for target in ("/", "/file", "//file", "/dir/", "/new", "/none/new", "/%zz", "*"):
            answer = ask(method, target, *fields, "Destination: /new", body=BODIES.get(method, b""))
            if method == "OPTIONS":
                assert answer.status == 200
                assert answer.body == b""
            else:
                assert answer.status == 401, (method, target)
                assert answer.headers["www-authenticate"].startswith("Basic realm=")
            assert b"content" not in answer.body
            assert b"member" not in answer.body
    assert digest(root) == before


def test_options_tells_the_same_of_everything_without_a_login(ask: Inside) -> None:
    answers = [ask("OPTIONS", target) for target in ("/file", "/dir/", "/none", "/none/x")]
    assert all(one.headers == answers[0].headers for one in answers)


WRITES: dict[str, tuple[str, str, tuple[str, ...], bytes]] = {
    "PUT": ("PUT", "/file", (), b"mine"),
    "DELETE": ("DELETE", "/file", (), b""),
    "PROPPATCH": ("PROPPATCH", "/file", (), PATCH),
    "MOVE away": ("MOVE", "/file", ("Destination: /moved",), b""),
    "MOVE onto": ("MOVE", "/dir/member", ("Destination: /file",), b""),
    "COPY onto": ("COPY", "/dir/member", ("Destination: /file",), b""),
    "LOCK": ("LOCK", "/file", (), LOCKINFO),
}


@pytest.mark.parametrize(("method", "target", "fields", "body"), WRITES.values(), ids=WRITES)
def test_the_token_of_another_is_of_no_use(
    ask: Inside, root: Path, method: str, target: str, fields: tuple[str, ...], body: bytes
) -> None:
    token = ask.lock("/file", "alice")
    before = digest(root)
    for condition in (
        f"({token})",
        f"</file> ({token})",
        f"<http://localhost/file> ({token})",
        f"({token}) {NO_LOCK}",
        NO_LOCK,
        f"(Not {token}) ({token})",
        "(<urn:uuid:00000000-0000-4000-8000-000000000000>) " + NO_LOCK,
    ):
        answer = ask(method, target, *fields, f"If: {condition}", body=body, user="bob")
        assert answer.status in (412, 423), condition
        assert digest(root) == before
    if method != "LOCK":
        own = ask(method, target, *fields, f"If: </file> ({token})", body=body, user="alice")
        assert own.status in (201, 204, 207)
        assert digest(root) != before or method == "PROPPATCH"


def test_only_its_maker_refreshes_and_ends_a_lock(ask: Inside) -> None:
    token = ask.lock("/file", "alice")
    assert ask("UNLOCK", "/file", f"Lock-Token: {token}", user="bob").status == 403
    assert ask("LOCK", "/file", f"If: ({token})", user="bob").status == 403
    assert ask("LOCK", "/file", f"If: ({token})", user="alice").status == 200
    assert ask("UNLOCK", "/file", f"Lock-Token: {token}", user="alice").status == 204
    assert ask("PUT", "/file", body=b"x", user="bob").status == 204


def test_the_lock_of_a_collection_keeps_others_from_its_members(ask: Inside, root: Path) -> None:
    for depth in ("0", "infinity"):
        token = ask.lock("/dir/", "alice", depth)
        before = digest(root)
        for method, target, *fields in (
            ("PUT", "/dir/new"),
            ("MKCOL", "/dir/new"),
            ("LOCK", "/dir/new"),
            ("DELETE", "/dir/member"),
            ("MOVE", "/dir/member", "Destination: /got"),
            ("MOVE", "/file", "Destination: /dir/got"),
            ("COPY", "/file", "Destination: /dir/got"),
            ("DELETE", "/dir/"),
            ("MOVE", "/dir/", "Destination: /got"),
        ):
            body = BODIES.get(method, b"")
            for extra in ((), (f"If: </dir> ({token})",)):
                answer = ask(method, target, *fields, *extra, body=body, user="bob")
                assert answer.status in (207, 423), (depth, method, target)
                assert digest(root) == before
        assert ask("UNLOCK", "/dir/", f"Lock-Token: {token}", user="alice").status == 204


def test_tokens_cannot_be_guessed(ask: Inside) -> None:
    found = set()
    for number in range(50):
        token = ask.lock(f"/new{number}", "alice")
        assert token.startswith("<urn:uuid:")
        assert token[24] == "4"
        found.add(token)
    assert len(found) == 50

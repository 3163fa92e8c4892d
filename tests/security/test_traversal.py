"""Ways out of the share by the text of a path: in the target, in Destination, in a tag of If."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.inside import BODIES, METHODS, Inside, digest

CANARY = b"a canary that nobody may see"

UP = (
    *("..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "..%2f", "..%5c", "..\\", "%5c..", "....//"),
    *("..;", "..%00", "%00..", "..%0d%0a", "..%20", "%252e%252e", "%c0%ae%c0%ae", "..%c0%af"),
    *("%uff0e%uff0e", "%e0%80%ae%e0%80%ae", "．．", "..%ef%bc%8f", "..%252f", "..%ff"),
)
NEEDLES = ("secret.txt", "share_evil/secret.txt", "etc/passwd")

TARGETS = [
    f"{start}{'/'.join([up] * depth)}/{needle}"
    for up in UP
    for depth in (1, 2, 8)
    for start in ("/", "/docs/", "//")
    for needle in NEEDLES
] + [
    *("/../secret.txt", "/docs/../../secret.txt", "/docs/%2e%2e%2f%2e%2e%2fsecret.txt", "//../x"),
    *("/_evil/secret.txt", "_evil/secret.txt", "/../share_evil/secret.txt", "/..share_evil/"),
    *(
        "http://localhost/../secret.txt",
        "http://localhost/%2e%2e/secret.txt",
        "http://../secret.txt",
    ),
    *("file:///etc/passwd", "/etc/passwd", "//etc/passwd", "/%2fetc/passwd", "/proc/self/root/etc"),
    *("/C:/secret.txt", "/%5c%5clocalhost%5cshare", "/~root/", "/%7e", "/.", "/%2e", "/docs/."),
]
DESTINATIONS = [*TARGETS, "", "x", "/", "..", "?", "#", "/" * 500, "http:", "http://", "/%"]


class Stage:
    """A share between canaries: beside its root, above it, and one whose name begins like it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = top / "share"
        (self.root / "docs").mkdir(parents=True)
        (self.root / "docs" / "mine.txt").write_bytes(b"mine")
        (top / "share_evil").mkdir()
        for place in (top, top / "share_evil"):
            (place / "secret.txt").write_bytes(CANARY)

    def outside(self) -> dict[str, bytes]:
        """Everything but the share."""
        return {
            str(path.relative_to(self.top)): path.read_bytes() if path.is_file() else b""
            for path in self.top.rglob("*")
            if not path.is_relative_to(self.root)
        }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "top")


@pytest.fixture(params=["the root", "a named share"])
def ask(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> Iterator[Inside]:
    name = "" if request.param == "the root" else "share"
    inside = Inside(tmp_path / "state.db", {name: stage.root})
    yield inside
    inside.close()


@pytest.mark.parametrize("method", METHODS)
def test_no_target_leads_out(ask: Inside, stage: Stage, method: str) -> None:
    before = stage.outside()
    prefix = "/share" if "share" in ask.trees else ""
    for target in TARGETS:
        for one in {target, prefix + target}:
            fields = (f"Destination: {prefix}/docs/got", "Depth: 0", "Overwrite: T")
            answer = ask(method, one, *fields, body=BODIES.get(method, b""))
            assert answer.status < 500 or answer.status == 501, one
            assert CANARY not in answer.body, one
            assert b"root:" not in answer.body, one
    assert stage.outside() == before
    assert all(path.read_bytes() != CANARY for path in stage.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_no_destination_leads_out(ask: Inside, stage: Stage, method: str) -> None:
    before = stage.outside()
    prefix = "/share" if "share" in ask.trees else ""
    for target in DESTINATIONS:
        (stage.root / "docs" / "sent.txt").write_bytes(b"sent")
        for one in {target, prefix + target}:
            answer = ask(method, f"{prefix}/docs/sent.txt", f"Destination: {one}")
            assert answer.status < 500 or answer.status == 502, one
    assert stage.outside() == before


DOTS = [
    target
    for target in TARGETS
    if any(f"/{up}/" in target for up in ("..", "%2e%2e", ".%2e")) and "//.." not in target
] + ["//../x", "http://localhost/../x"]


def test_dot_segments_are_refused_wherever_they_stand(ask: Inside) -> None:
    prefix = "/share" if "share" in ask.trees else ""
    for target in DOTS:
        assert ask("GET", target).status == 400
        moved = ask("MOVE", f"{prefix}/docs/mine.txt", f"Destination: {target}")
        assert moved.status == 400
        tagged = ask("GET", f"{prefix}/docs/mine.txt", f"If: <{target}> (Not <urn:a>)")
        assert tagged.status == 400


def test_no_tag_tells_anything_of_what_is_outside(ask: Inside, stage: Stage) -> None:
    """A condition on a path that leads out holds for no entity tag, as for one of nothing."""
    prefix = "/share" if "share" in ask.trees else ""
    before = stage.outside()
    facts = (stage.top / "secret.txt").stat()
    etag = f'"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"'
    for target in TARGETS:
        if not target.isascii() or ">" in target:
            continue
        for one in {target, prefix + target}:
            answer = ask("PUT", f"{prefix}/docs/new.txt", f"If: <{one}> ([{etag}])", body=b"x")
            assert answer.status in (400, 412), one
    assert not (stage.root / "docs" / "new.txt").exists()
    assert stage.outside() == before


def test_the_canaries_would_be_seen(stage: Stage, tmp_path: Path) -> None:
    """The control: a server one directory higher serves them, and its changes are noticed."""
    ask = Inside(tmp_path / "state.db", {"": stage.top})
    before, everything = stage.outside(), digest(stage.top)
    assert ask("GET", "/secret.txt").body == CANARY
    assert ask("GET", "/share_evil/secret.txt").body == CANARY
    assert ask("PUT", "/share_evil/new", body=b"x").status == 201
    assert stage.outside() != before
    assert digest(stage.top) != everything
    ask.close()


def test_a_name_that_begins_like_the_share_is_another(stage: Stage, tmp_path: Path) -> None:
    ask = Inside(tmp_path / "state.db", {"share": stage.root})
    for target in ("/share_evil/secret.txt", "/shar", "/Share/docs", "/share%20/docs"):
        assert ask("GET", target).status == 404
        moved = ask("COPY", "/share/docs/mine.txt", f"Destination: {target}")
        assert moved.status in (403, 502)
    assert ask("GET", "/share/docs/mine.txt").body == b"mine"
    ask.close()

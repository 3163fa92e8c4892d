"""COPY of what is large or deep (RFC 4918 section 9.8)."""

from pathlib import Path
from typing import Any

import pytest

from davserver.protocol import multistatus
from davserver.share import Place
from davserver.shares import Shares
from tests.security.inside import PATCH, Inside


def test_a_large_collection_is_copied_whole(tmp_path: Path) -> None:
    """Many files, with collections between them."""
    top = tmp_path / "top"
    for folder in ("src", "src/a", "src/b"):
        (top / folder).mkdir(parents=True)
        for number in range(700):
            (top / folder / f"f{number}").write_text(f"{folder} {number}")
    app = Inside(tmp_path / "state.db", {"": top})
    assert app("COPY", "/src", "Destination: /dst").status == 201
    app.close()
    for path in (top / "src").rglob("*"):
        copied = top / "dst" / path.relative_to(top / "src")
        assert copied.is_dir() if path.is_dir() else copied.read_text() == path.read_text()
    assert len(list((top / "dst").rglob("*"))) == 2102
    assert list(top.rglob(".~dav-*")) == []


def test_a_path_that_gets_too_long_while_it_is_copied_leaves_nothing(tmp_path: Path) -> None:
    """Under its reserved name a deep tree may have longer paths than the system takes at once."""
    top = tmp_path / "top"
    top.mkdir()
    app = Inside(tmp_path / "state.db", {"": top})
    path = "/a"
    assert app("MKCOL", path).status == 201
    for _ in range(20):
        path += "/" + "n" * 200
        assert app("MKCOL", path).status == 201
    assert app("PUT", path + "/f", body=b"deep").status == 201
    assert app("COPY", "/a", "Destination: /b").status == 201
    assert app("GET", "/b" + path[2:] + "/f").body == b"deep"
    assert app("DELETE", "/a").status == 204
    assert app("DELETE", "/b").status == 204
    app.close()
    assert list(top.iterdir()) == []


def test_nobody_sees_half_a_copy(tmp_path: Path) -> None:
    """Whoever looks while a tree is copied sees what was there before."""
    top = tmp_path / "top"
    (top / "src" / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (top / "src" / name).write_text(name)
    app = Inside(tmp_path / "state.db", {"": top})

    def listed() -> set[str]:
        answer = app("PROPFIND", "/", "Depth: infinity")
        return {one.href for one in multistatus.parse(answer.body)}

    before = listed()
    seen: list[set[str]] = []
    tick = app.shares.tick

    def look() -> int:
        seen.append(listed())
        return tick()

    # The one way to look on from within: a time is taken for each file that is copied.
    app.shares.tick = look  # type: ignore[method-assign]
    assert app("COPY", "/src", "Destination: /dst").status == 201
    assert len(seen) >= 3
    assert all(one == before for one in seen)
    assert listed() - before == {"/dst/", "/dst/a", "/dst/b", "/dst/sub/", "/dst/sub/c"}
    app.close()


CHANGES = {
    "a file": ("/x", "/y"),
    "a member of a tree": ("/t/x", "/u/x"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("times", [1, 100])
def test_content_and_properties_are_of_one_time(
    name: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others put another resource there after the content was copied."""
    top = tmp_path / "top"
    (top / "t").mkdir(parents=True)
    app = Inside(tmp_path / "state.db", {"": top})
    source, target = CHANGES[name]

    def change(number: int) -> None:
        app("DELETE", source)
        assert app("PUT", source, body=b"content %d" % number).status == 201
        patch = PATCH.replace(b">1<", b">of %d<" % number)
        assert app("PROPPATCH", source, body=patch).status == 207

    change(0)
    real, numbers = Shares.section, iter(range(1, times + 1))

    def section(shares: Shares, *places: Place, **access: Any) -> Any:
        if access.get("reads"):
            for number in numbers:
                with monkeypatch.context() as meanwhile:
                    meanwhile.setattr(Shares, "section", real)
                    change(number)
                break
        return real(shares, *places, **access)

    monkeypatch.setattr(Shares, "section", section)
    answer = app("COPY", source[:2], f"Destination: {target[:2]}")
    if times > 1:
        assert answer.status == 503
        assert app("HEAD", target).status == 404
    else:
        assert answer.status == 201
        assert app("GET", target).body == b"content 1"
        assert b">of 1<" in app("PROPFIND", target, "Depth: 0").body
    app.close()
    assert list(top.rglob(".~dav-*")) == []


@pytest.mark.parametrize("left_out", ["a link", "what cannot be read"])
def test_properties_of_what_is_left_out_are_in_nobodys_way(left_out: str, tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "t").mkdir(parents=True)
    (top / "t" / "x").write_text("x")
    app = Inside(tmp_path / "state.db", {"": top})
    assert app("PROPPATCH", "/t/x", body=PATCH).status == 207
    (top / "t" / "x").unlink()
    if left_out == "a link":
        (top / "t" / "x").symlink_to("nowhere")
    assert app("COPY", "/t", "Destination: /u").status == 201
    app.close()
    assert list((top / "u").iterdir()) == []

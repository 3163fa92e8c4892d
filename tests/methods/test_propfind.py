"""PROPFIND of what cannot be read, and what it holds on to (RFC 4918 section 9.1)."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from davserver.methods import propfind
from davserver.protocol import multistatus
from davserver.share.written import Written
from davserver.state.rows import Spared
from davserver.tree import Tree
from tests.running import lacking
from tests.security.inside import Inside

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        lacking("only root can become somebody else")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shut(tmp_path: Path) -> Iterator[tuple[Inside, Path]]:
    """A tree with a collection whose members have names, but no facts for others."""
    top = tmp_path / "top"
    (top / "shut" / "inner").mkdir(parents=True)
    (top / "shut" / "f").write_text("f")
    (top / "open").write_text("open")
    app = Inside(tmp_path / "state.db", {"": top})
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    (top / "shut").chmod(0o744)
    yield app, top
    app.close()


@pytest.mark.parametrize("depth", ["1", "infinity"])
def test_members_that_cannot_be_read_show_what_is_known(
    shut: tuple[Inside, Path], depth: str
) -> None:
    app, _ = shut
    with as_nobody():
        answer = app("PROPFIND", "/shut" if depth == "1" else "/", f"Depth: {depth}")
    assert answer.status == 207
    found = {one.href: one for one in multistatus.parse(answer.body)}
    assert {"/shut/", "/shut/f", "/shut/inner/"} <= set(found)
    (stat,) = found["/shut/inner/"].propstats
    assert stat.status == 200
    assert "<D:resourcetype><D:collection/></D:resourcetype>" in stat.properties
    assert not any("getcontentlength" in one for one in found["/shut/f"].propstats[0].properties)


def test_a_tree_that_cannot_all_be_removed_tells_each_member(shut: tuple[Inside, Path]) -> None:
    app, top = shut
    top.chmod(0o777)
    os.chown(top / "open", NOBODY, NOBODY)
    with as_nobody():
        answer = app("COPY", "/", "Destination: /open/x")
        assert answer.status == 403
        answer = app("DELETE", "/shut")
    assert answer.status == 207
    assert {one.status for one in multistatus.parse(answer.body)} == {403}
    assert (top / "shut" / "f").read_text() == "f"


def test_a_store_that_fails_costs_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "top").mkdir()
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    app("PROPFIND", "/", "Depth: 1")
    monkeypatch.setattr(Spared, "properties_of_members", fails)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert app("PROPFIND", "/", "Depth: 1").status == 500
    assert len(os.listdir("/proc/self/fd")) == before
    app.close()


def test_what_was_written_can_be_shared_by_threads() -> None:
    written = Written(50_000)
    wrong: list[BaseException] = []

    def use(number: int) -> None:
        try:
            for turn in range(2000):
                key = (number * turn) % 97
                entries = {str(key): ((key,), None, "x" * 500)}
                assert written.get(key) in ({}, entries)
                written.put(key, entries, 500)
        except BaseException as error:
            wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong
    assert 0 < len(written._collections) <= 50


def test_a_link_never_leads_a_listing_in_circles(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (top / "d" / "up").symlink_to("..")
    state = tmp_path / "state.db"
    app = Inside(state, {"": top}, follow=True)
    assert isinstance(app.trees[""], Tree)
    answer = app("PROPFIND", "/", "Depth: infinity")
    assert [one.href for one in multistatus.parse(answer.body)] == ["/", "/d/", "/d/up/"]
    app.close()


def test_only_short_questions_are_kept(tmp_path: Path) -> None:
    """Little XML can name thousands of properties in a namespace of thousands of letters."""
    asked = '<D:propfind xmlns:D="DAV:" xmlns:x="{}"><D:prop>{}</D:prop></D:propfind>'
    short = asked.format("u:", "<x:a/>").encode()
    long = asked.format("u:" + "n" * 3000, "<x:a/><x:b/><x:c/>").encode()
    (tmp_path / "top").mkdir()
    app = Inside(tmp_path / "state.db", {"": tmp_path / "top"})
    try:
        for body in (short, long):
            assert app("PROPFIND", "/", "Depth: 0", body=body).status == 207
    finally:
        app.close()
    assert len(long) < propfind.KEPT
    assert short in propfind._forms
    assert long not in propfind._forms
    for number in range(100):
        propfind._form(asked.format(f"u:{number}", "<x:a/>").encode())
    assert len(propfind._forms) <= propfind._MOST_FORMS

"""What a request demands is asked again where it counts: in the commit section, of what others
have done since it was asked first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from davserver.share import Place, Section
from davserver.shares import Shares
from tests.security.inside import LOCKINFO, PATCH, Inside

Meanwhile = Callable[[Inside], object]


def locks(target: str) -> Meanwhile:
    return lambda app: app.lock(target, user="bob")


def puts(target: str) -> Meanwhile:
    return lambda app: app("PUT", target, body=b"bob's", user="bob")


def deletes(target: str) -> Meanwhile:
    return lambda app: app("DELETE", target, user="bob")


def becomes(source: str, target: str) -> Meanwhile:
    return lambda app: app("MOVE", source, f"Destination: {target}", user="bob")


@dataclass(frozen=True)
class Case:
    """A request, what somebody else does between both askings, and the answer."""

    method: str
    target: str
    meanwhile: Meanwhile
    status: int
    fields: tuple[str, ...] = ()
    body: bytes = b""


DST = "Destination: /dst"
CASES = {
    "PUT over what is locked": Case("PUT", "/f", locks("/f"), 423, body=b"x"),
    "PUT into what is locked": Case("PUT", "/c/new", locks("/c"), 423, body=b"x"),
    "PUT of what must not be there": Case(
        "PUT", "/c/new", puts("/c/new"), 412, ("If-None-Match: *",), b"x"
    ),
    "PUT below what is gone": Case("PUT", "/c/new", deletes("/c"), 409, body=b"x"),
    "MKCOL in what is locked": Case("MKCOL", "/c/new", locks("/c"), 423),
    "MKCOL of what is there": Case("MKCOL", "/c/new", puts("/c/new"), 405),
    "PROPPATCH of what is locked": Case("PROPPATCH", "/f", locks("/f"), 423, body=PATCH),
    "PROPPATCH of what is gone": Case("PROPPATCH", "/f", deletes("/f"), 404, body=PATCH),
    "DELETE of what is locked": Case("DELETE", "/f", locks("/f"), 423),
    "DELETE of a collection that is locked": Case("DELETE", "/c", locks("/c"), 423),
    "DELETE of a collection whose condition no longer holds": Case(
        "DELETE", "/c", deletes("/f"), 412, ("If: </f> ([$etag])",)
    ),
    "DELETE of a file that became a collection": Case("DELETE", "/f", becomes("/c", "/f"), 409),
    "DELETE of a collection that became a file": Case("DELETE", "/c", becomes("/f", "/c"), 409),
    "COPY onto what is there": Case("COPY", "/f", puts("/dst"), 412, (DST, "Overwrite: F")),
    "COPY of a collection onto what is there": Case(
        "COPY", "/c", puts("/dst"), 412, (DST, "Overwrite: F")
    ),
    "COPY into what is locked": Case("COPY", "/f", locks("/c"), 423, ("Destination: /c/new",)),
    "MOVE of what is locked": Case("MOVE", "/f", locks("/f"), 423, (DST,)),
    "MOVE onto what is there": Case("MOVE", "/c", puts("/dst"), 412, (DST, "Overwrite: F")),
    "MOVE of a file that became a collection": Case("MOVE", "/f", becomes("/c", "/f"), 409, (DST,)),
    "MOVE of what is gone": Case("MOVE", "/f", deletes("/f"), 404, (DST,)),
    "LOCK of what is locked": Case("LOCK", "/f", locks("/f"), 423, body=LOCKINFO),
    "LOCK of nothing yet, in what is locked": Case(
        "LOCK", "/c/new", locks("/c"), 423, (), LOCKINFO
    ),
}


def shown(top: Path) -> dict[str, str]:
    """What clients see: a copy that is being built is not a part of it."""
    return {
        str(path.relative_to(top)): path.read_text() if path.is_file() else ""
        for path in top.rglob("*")
        if ".~dav-" not in str(path)
    }


@pytest.mark.parametrize("name", CASES)
def test_what_others_did_meanwhile_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    top = tmp_path / "top"
    (top / "c").mkdir(parents=True)
    (top / "c" / "m").write_text("m")
    (top / "f").write_text("f")
    app = Inside(tmp_path / "state.db", {"": top}, "alice", "bob")
    etag = app("HEAD", "/f", user="alice").headers["etag"]
    fields = tuple(field.replace("$etag", etag) for field in case.fields)
    real = Shares.section
    seen: list[dict[str, str]] = []

    @contextmanager
    def section(shares: Shares, *places: Place, **access: Any) -> Iterator[Section]:
        if not seen:
            seen.append({})
            case.meanwhile(app)
            seen.append(shown(top))
        with real(shares, *places, **access) as held:
            yield held

    monkeypatch.setattr(Shares, "section", section)
    answer = app(case.method, case.target, *fields, body=case.body, user="alice")
    assert answer.status == case.status, answer
    assert shown(top) == seen[1]
    app.close()
    assert list(top.rglob(".~dav-*")) == []

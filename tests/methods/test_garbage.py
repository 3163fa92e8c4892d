"""No verb leaves circles: Python's search for them holds up every thread."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, GeneratorType, MethodType

import pytest

from davserver import methods
from davserver.protocol import paths
from davserver.protocol.messages import Answer, Request
from davserver.share import Share
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from davserver.tree import Tree
from tests.bench.direct import Content
from tests.security.inside import LOCKINFO, PATCH

TIMES = 5
_OTHERS = (GeneratorType, FunctionType, MethodType, list)


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Shares]:
    top = tmp_path / "top"
    top.mkdir()
    for number in range(TIMES):
        (top / f"old{number}").write_bytes(b"old")
        (top / f"tree{number}").mkdir()
    state, tree = SqliteState(tmp_path / "state.db"), Tree(str(top), durable=True)
    made = Shares([Share("", tree)], state, time.time_ns)
    yield made
    made.close()
    tree.close()
    state.close()


def ask(
    shares: Shares, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> Answer:
    answer = methods.run(Request(method, paths.parse(path), headers, Content(body)), shares)
    if not isinstance(answer.body, bytes):
        # Who leaves early is served as whoever stays.
        for _ in range(1 if "leaves" in headers else 1000):
            next(iter(answer.body), None)
        if close := getattr(answer.body, "close", None):
            close()
    return answer


def circles(shares: Shares, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
    """How many objects are left that nothing but the search finds."""
    gc.collect()
    gc.disable()
    try:
        before = _held()
        for number in range(TIMES):
            given = {name: value.replace("#", str(number)) for name, value in headers.items()}
            assert ask(shares, method, path.replace("#", str(number)), given, body).status < 300
        # The search tells of no generators: so what is there is counted.
        return sum(count for count in (_held() - before).values() if count >= TIMES)
    finally:
        gc.enable()


def _held() -> Counter[str]:
    """How many objects of ours there are, and of what closes over them."""
    kinds = Counter(type(one) for one in gc.get_objects())
    return Counter(
        {
            kind.__name__: count
            for kind, count in kinds.items()
            if str(kind.__module__).startswith("davserver") or kind in _OTHERS
        }
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("OPTIONS", "/", {}, b""),
        ("GET", "/old#", {}, b""),
        ("GET", "/", {}, b""),
        ("HEAD", "/old#", {}, b""),
        ("GET", "/old#", {"leaves": "early"}, b""),
        ("PUT", "/new#", {}, b"new"),
        ("PUT", "/old#", {}, b"new"),
        ("MKCOL", "/made#", {}, b""),
        ("DELETE", "/old#", {}, b""),
        ("DELETE", "/tree#/", {}, b""),
        ("COPY", "/old#", {"destination": "/copy#"}, b""),
        ("COPY", "/tree#/", {"destination": "/copy#/"}, b""),
        ("MOVE", "/old#", {"destination": "/moved#"}, b""),
        ("MOVE", "/tree#/", {"destination": "/moved#/"}, b""),
        ("PROPFIND", "/", {"depth": "1"}, b""),
        ("PROPPATCH", "/old#", {}, PATCH),
        ("LOCK", "/old#", {}, LOCKINFO),
        ("LOCK", "/new#", {}, LOCKINFO),
    ],
)
def test_a_request_leaves_no_circle(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    shares: Shares,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What has been read from the store is kept on purpose, up to a bound.
    monkeypatch.setattr("davserver.state.unchanged.MOST", 1)
    monkeypatch.setattr("davserver.protocol.paths._SHORT", 0)
    # What is made once, as a thread's own connection is, does not count.
    ask(shares, "MKCOL", "/first")
    ask(shares, "PROPPATCH", "/first", {}, PATCH)
    assert circles(shares, method, path, headers, body) == 0


def test_a_circle_is_found(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    real = methods.TABLE["MKCOL"]

    def leaves(request: Request, shares: Shares) -> Answer:
        circle: list[object] = []
        circle.append(circle)
        return real(request, shares)

    monkeypatch.setitem(methods.TABLE, "MKCOL", leaves)
    assert circles(shares, "MKCOL", "/made#", {}, b"") >= TIMES

"""What is held of a long answer while its reader takes its time: about what it reads next."""

import io
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from davserver import wsgi
from davserver.methods import get, propfind
from davserver.protocol.messages import Answer, Request
from davserver.shares import Shares
from tests.security.inside import Inside

BLOCK = 1 << 16
MEMBERS, LONG_NAME = 1500, 100


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Inside]:
    root = tmp_path / "root"
    (root / "many").mkdir(parents=True)
    (root / "large").write_bytes(bytes(20 * BLOCK))
    for number in range(MEMBERS):
        (root / "many" / f"{number:0{LONG_NAME}}").touch()
    inside = Inside(tmp_path / "state.db", {"": root})
    # A few listings note what they write, for the next time, whoever reads it.
    inside.shares.written.most = 0
    yield inside
    inside.close()


def most_held(make: Callable[[], Iterable[bytes]]) -> int:
    """Bytes that are held beside the block that the reader has, once it has had a few."""
    most = 0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        blocks = iter(make())
        for number, block in enumerate(blocks):
            if number > 2:
                most = max(most, tracemalloc.get_traced_memory()[0] - before - len(block))
        assert number > 8
    finally:
        tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    ("method", "target", "run", "bound"),
    [
        ("GET", "/large", get.run, BLOCK // 2),
        # The last elements, each once by itself and once among others.
        ("PROPFIND", "/many/", propfind.run, 5 * BLOCK // 2),
    ],
)
def test_what_was_read_is_let_go(
    app: Inside, method: str, target: str, run: Callable[[Request, Shares], Answer], bound: int
) -> None:
    environ = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "HTTP_DEPTH": "1",
        "wsgi.input": io.BytesIO(),
    }

    def blocks() -> Iterable[bytes]:
        answer = run(wsgi.request(environ, "", ()), app.shares)
        return wsgi.respond(answer, environ, lambda *_: None)

    # What is made once and kept is made now.
    for _ in blocks():
        pass
    assert most_held(blocks) < bound

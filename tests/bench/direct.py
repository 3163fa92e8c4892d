"""What lies below the dispatcher, without a server: small PUTs and commit sections in this process.

Nothing here waits for the disk (durability `rename`): what a disk takes is no cost of ours.
"""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path

from davserver import methods
from davserver.protocol import paths
from davserver.protocol.messages import Request
from davserver.share import Share
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from davserver.tree import Tree
from tests.bench.answers import Wrong

Enter = Callable[[], AbstractContextManager[object]]


@contextlib.contextmanager
def opened(root: Path, state: Path) -> Iterator[Shares]:
    """One share, at `/`."""
    store = SqliteState(state, durable=False)
    tree = Tree(str(root), durable=False)
    shares = Shares([Share("", tree)], store, time.time_ns)
    # As the server does.
    gc.collect()
    gc.freeze()
    try:
        yield shares
    finally:
        shares.close()
        tree.close()
        store.close()


class Content:
    """The body of a request, which is there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length: int | None = len(data)

    def blocks(self) -> Iterator[bytes]:
        yield self._data

    def all(self, limit: int) -> bytes:
        return self._data


def put(shares: Shares, root: Path, bodies: Mapping[str, bytes], done: HTTPStatus) -> list[float]:
    """PUT files into the root, and judge each. Gives the CPU seconds of each: those of all threads
    of this process, and what the kernel did for them. Raises Wrong.
    """
    spent = []
    for name, body in bodies.items():
        headers = {"content-type": "text/plain", "content-length": str(len(body))}
        request = Request("PUT", paths.parse(f"/{name}"), headers, Content(body))
        began = time.process_time_ns()
        answer = methods.run(request, shares)
        spent.append((time.process_time_ns() - began) / 1e9)
        file = root / name
        if answer.status is not done or not file.exists() or file.read_bytes() != body:
            raise Wrong(f"answered {answer.status.value} and did not store {name!r}")
    return spent


def enter(enter: Enter, times: int) -> list[float]:
    """Enter and leave over and over. Gives the seconds of each time."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        with enter():
            pass
        taken.append(time.perf_counter() - began)
    return taken

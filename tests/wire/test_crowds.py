"""Clients by the hundred that are slow, silent or do not read: the next one is served at once."""

import random
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.bench import processes
from tests.faults import vitals
from tests.running import Running
from tests.wire import talk
from tests.wire.conftest import Served
from tests.wire.talk import Talk

HALF_HEADS, SLOW_BODIES, NOT_READING, IDLE = 500, 200, 200, 2000
LISTINGS = 20
"""How many of those that do not read have asked for a listing."""
MEMBERS, LONG_NAME = 4000, 250
LINE, DEPTH = "PROPFIND /many/", "Depth: 1"
WANTED = b'<propfind xmlns="DAV:"><allprop/><include><quota-used-bytes/></include></propfind>'
"""A quota is another one each time: such a listing is not remembered, whoever reads it."""
A_SECOND = 1.0
MOST_MEMORY = 40_000_000
LARGE = 1 << 23
IN_THE_KERNEL = 1 << 22
"""Bytes of an answer that the kernel may hold by itself."""


@pytest.fixture(scope="module", autouse=True)
def many_descriptors() -> Iterator[None]:
    """Enough for both ends of every connection."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(old[1], 65_536), old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, old)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    root = folder / "root"
    root.mkdir()
    (root / "large").write_bytes(bytes(LARGE))
    (root / "small").write_bytes(b"small")
    with Running(root, *options, state=folder / "state.db") as server:
        yield Served(server, root)


def make_many(folder: Path) -> None:
    """A collection whose listing is long."""
    folder.mkdir()
    for number in range(MEMBERS):
        (folder / f"{number:0{LONG_NAME}}").touch()


def seconds_to_get(port: int) -> float:
    """How long the answer to a fresh client takes: the longest of a few."""
    longest = 0.0
    for _ in range(5):
        began = time.monotonic()
        assert talk.ask(port, "GET /small").body == b"small"
        longest = max(longest, time.monotonic() - began)
    return longest


class Crowd:
    """Connections that are held open, and what each does."""

    def __init__(self, port: int, held: ExitStack) -> None:
        self.port = port
        self._held = held
        self._over = threading.Event()

    def join(self, number: int, sent: bytes = b"", *, receive_buffer: int = 0) -> list[Talk]:
        """So many more, each with something sent."""
        found = []
        for _ in range(number):
            one = self._held.enter_context(Talk(self.port, receive_buffer=receive_buffer))
            one.send(sent)
            found.append(one)
        return found

    def drip(self, crowd: list[Talk], data: bytes) -> None:
        """Let each send one byte a second from now on."""

        def run() -> None:
            for number in range(len(data)):
                if self._over.wait(1.0):
                    return
                for one in crowd:
                    with suppress(OSError):
                        one.send(data[number : number + 1])

        thread = threading.Thread(target=run)
        thread.start()
        self._held.callback(thread.join)
        self._held.callback(self._over.set)


@contextmanager
def crowding(port: int) -> Iterator[Crowd]:
    with ExitStack() as held:
        yield Crowd(port, held)


def half_heads(crowd: Crowd) -> None:
    crowd.join(HALF_HEADS, b"GET /small HTTP/1.1\r\nHost: localhost\r\nX-More")


def slow_bodies(crowd: Crowd) -> None:
    uploads = [
        crowd.join(1, talk.request(f"PUT /upload-{number}", "Content-Length: 1000"))[0]
        for number in range(SLOW_BODIES)
    ]
    crowd.drip(uploads, b"x" * 20)


def not_reading(crowd: Crowd) -> None:
    for _ in range(LISTINGS):
        crowd.join(1, talk.request(LINE, DEPTH, body=WANTED), receive_buffer=4096)
        # It is made until no more fits into the kernel, which is work, and no wait.
        seconds_to_get(crowd.port)
    crowd.join(NOT_READING - LISTINGS, talk.request("GET /large"), receive_buffer=4096)


def idle(crowd: Crowd) -> None:
    crowd.join(IDLE)


def everybody(crowd: Crowd) -> None:
    for each in (half_heads, slow_bodies, not_reading, idle):
        each(crowd)


@pytest.mark.parametrize(
    ("come", "number"),
    [
        (half_heads, HALF_HEADS),
        (slow_bodies, SLOW_BODIES),
        (not_reading, NOT_READING),
        (idle, IDLE),
        (everybody, HALF_HEADS + SLOW_BODIES + NOT_READING + IDLE),
    ],
)
def test_a_crowd_holds_nobody_up(
    come: Callable[[Crowd], None], number: int, tmp_path: Path
) -> None:
    with serving(tmp_path) as served:
        pid = served.server.process.pid
        make_many(served.root / "many")
        assert len(talk.ask(served.port, LINE, DEPTH, body=WANTED).body) > IN_THE_KERNEL
        seconds_to_get(served.port)
        before = processes.memory(pid, "VmRSS")
        with crowding(served.port) as crowd:
            come(crowd)
            assert seconds_to_get(served.port) < A_SECOND
            time.sleep(1.5)
            # The control: they are all there.
            assert vitals.sockets(pid) >= number
            assert seconds_to_get(served.port) < A_SECOND
            assert processes.memory(pid, "VmRSS") - before < MOST_MEMORY


def test_beyond_the_pool_slow_bodies_are_told_to_come_again(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--slow-uploads", "2", "--workers", "1") as served,
        crowding(served.port) as crowd,
    ):
        sent = talk.request("PUT /upload", "Content-Length: 1000") + b"x"
        first, second = (crowd.join(1, sent)[0] for _ in range(2))
        # Each has to wait before the next one comes.
        for one in (first, second):
            one.send(b"x")
            assert seconds_to_get(served.port) < A_SECOND
        third = crowd.join(1, sent)[0].reply()
        assert (third.status, third["connection"]) == (503, "close")
        assert int(third["retry-after"]) > 0
        for one in (first, second):
            one.send(b"x" * 998)
            assert one.reply().status in (201, 204)
        assert talk.ask(served.port, "PUT /upload", body=b"quick").status == 204


def test_a_body_below_the_floor_is_ended(tmp_path: Path) -> None:
    floor = ("--slowest-upload", "100", "--upload-grace", "1")
    with serving(tmp_path, *floor) as served, crowding(served.port) as crowd:
        head = talk.request("PUT /upload", "Content-Length: 5000")
        slow, silent = crowd.join(2, head)
        chunks = crowd.join(1, talk.request("PUT /chunks", "Transfer-Encoding: chunked"))
        crowd.drip([slow], b"x" * 20)
        for one in (slow, silent, *chunks):
            reply = one.reply()
            assert (reply.status, reply["connection"]) == (408, "close")
        assert served.names() >= {"small", "large"}
        assert "upload" not in served.names()
        assert "chunks" not in served.names()
        # Who keeps to it may take as long as it takes.
        honest = crowd.join(1, head)[0]
        for _ in range(20):
            honest.send(b"x" * 250)
            time.sleep(0.15)
        assert honest.reply().status == 201


def test_without_a_floor_something_has_to_come(tmp_path: Path) -> None:
    floor = ("--slowest-upload", "0", "--upload-grace", "1")
    with serving(tmp_path, *floor) as served, crowding(served.port) as crowd:
        slow = crowd.join(1, talk.request("PUT /upload", "Content-Length: 12"))[0]
        silent = crowd.join(1, talk.request("PUT /silent", "Content-Length: 12") + b"x")[0]
        for _ in range(12):
            slow.send(b"x")
            time.sleep(0.3)
        assert slow.reply().status == 201
        reply = silent.reply()
        assert (reply.status, reply["connection"]) == (408, "close")
        assert (served.root / "upload").read_bytes() == b"x" * 12
        assert "silent" not in served.names()


def test_an_answer_that_is_read_late_is_whole(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        content = random.Random(1).randbytes(LARGE)
        (served.root / "large").write_bytes(content)
        with Talk(served.port, receive_buffer=4096) as late:
            late.send(talk.request("GET /large") + talk.request("GET /small"))
            for _ in range(3):
                time.sleep(0.3)
                assert seconds_to_get(served.port) < A_SECOND
            assert late.reply().body == content
            assert late.reply().body == b"small"


def test_idle_connections_make_room_for_new_ones(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--connections", "8", "--workers", "1") as served,
        crowding(served.port) as crowd,
    ):
        crowd.join(100)
        busy = crowd.join(1, talk.request("GET /large"), receive_buffer=4096)[0]
        assert busy.begin()[0] == 200
        crowd.join(100)
        assert seconds_to_get(served.port) < A_SECOND
        assert vitals.sockets(served.server.process.pid) < 20
        assert busy.take(LARGE) == bytes(LARGE)

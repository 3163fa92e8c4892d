"""Room for whoever comes next: workers, descriptors and patience are not all taken by others."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.faults.altered import Altered
from tests.running import Running, program
from tests.wire import talk
from tests.wire.conftest import Served
from tests.wire.talk import Talk

ONE = ("--workers", "1")
SHORT = "from davserver.serving import connections; connections.HEAD_SECONDS = 1.0"
PATIENT = """
from davserver.serving import pace, streams
pace._SOON = streams._SOON = 1000
"""
"""Workers wait for a second without letting anybody know: no client of a test pauses for so long,
where one of real life comes within the millisecond each time.
"""


@contextmanager
def serving(
    folder: Path, *options: str, before: tuple[str, ...] = (), change: str = ""
) -> Iterator[Served]:
    root = folder / "root"
    root.mkdir()
    (root / "small").write_bytes(b"small")
    state = folder / "state.db"
    server = (
        Altered(root, *ONE, *options, state=state, change=change)
        if change
        else Running(root, *ONE, *options, state=state)
    )
    server.command[:0] = before
    with server:
        yield Served(server, root)


def answers(port: int) -> bool:
    """Whether the next client is answered soon."""
    with Talk(port) as one:
        one.socket.settimeout(5)
        one.send(talk.request("GET /small"))
        return one.reply().body == b"small"


def test_uploads_that_trickle_without_a_pause_freeze_nobody(tmp_path: Path) -> None:
    """Each byte comes so soon that it is waited for without a place; so do they when they stop."""
    with serving(tmp_path, "--threads", "4", change=PATIENT) as served, ExitStack() as held:
        uploads = [held.enter_context(Talk(served.port)) for _ in range(4)]
        for number, one in enumerate(uploads):
            one.send(talk.request(f"PUT /upload-{number}", "Content-Length: 1000000"))
        over = threading.Event()

        def trickle() -> None:
            while not over.is_set():
                for one in uploads:
                    one.send(b"x")
                time.sleep(0.0003)

        trickling = threading.Thread(target=trickle)
        trickling.start()
        try:
            time.sleep(0.5)
            for _ in range(3):
                assert answers(served.port)
        finally:
            over.set()
            trickling.join()
        time.sleep(0.2)
        assert answers(served.port)


def test_uploads_that_flow_freeze_nobody(tmp_path: Path) -> None:
    """However fast they are: each holds a thread for as long as it lasts."""
    over = threading.Event()

    def flow(one: Talk) -> None:
        with suppress(OSError):
            while not over.is_set():
                one.send(talk.chunked(bytes(1 << 16), end=b""))

    with serving(tmp_path, "--threads", "2") as served, ExitStack() as held:
        held.callback(over.set)
        for number in range(4):
            one = held.enter_context(Talk(served.port))
            one.send(talk.request(f"PUT /upload-{number}", "Transfer-Encoding: chunked"))
            thread = threading.Thread(target=flow, args=(one,))
            thread.start()
            held.callback(thread.join)
            held.callback(over.set)
        time.sleep(0.5)
        for _ in range(5):
            assert answers(served.port)
            time.sleep(0.1)


def test_downloads_that_are_read_fast_freeze_nobody(tmp_path: Path) -> None:
    """The kernel would send all of them without a pause, each by a thread of its own."""
    size = 4 << 30

    def read(one: Talk) -> None:
        buffer = bytearray(1 << 20)
        with suppress(OSError):
            while one.socket.recv_into(buffer, len(buffer), socket.MSG_TRUNC):
                pass

    with serving(tmp_path, "--threads", "2", change=PATIENT) as served, ExitStack() as held:
        with (served.root / "large").open("wb") as file:
            file.truncate(size)
        for _ in range(4):
            one = held.enter_context(Talk(served.port))
            one.send(talk.request("GET /large"))
            thread = threading.Thread(target=read, args=(one,))
            thread.start()
            held.callback(thread.join)
            held.callback(one.socket.shutdown, socket.SHUT_RDWR)
        time.sleep(0.5)
        for _ in range(5):
            assert answers(served.port)
            time.sleep(0.1)


def test_half_heads_and_rests_of_bodies_make_room(tmp_path: Path) -> None:
    with serving(tmp_path, "--connections", "8") as served, ExitStack() as held:
        for sent in (b"G", talk.request("PUT /none/x", "Content-Length: 1000")):
            for _ in range(30):
                held.enter_context(Talk(served.port)).send(sent)
            assert answers(served.port)


def test_descriptors_are_left_for_files(tmp_path: Path) -> None:
    limited = (program("prlimit", "util-linux"), "--nofile=200:200")
    with serving(tmp_path, before=limited) as served, ExitStack() as held:
        for _ in range(300):
            held.enter_context(Talk(served.port))
        assert answers(served.port)
        assert talk.ask(served.port, "PUT /new", body=b"new").status == 201


def test_a_rest_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    state = tmp_path / "state.db"
    with (
        Altered(tmp_path / "root", *ONE, state=state, change=SHORT) as server,
        Talk(server.port) as one,
    ):
        one.send(talk.request("PUT /none/x", "Content-Length: 1000"))
        assert one.reply().status == 409
        began = time.monotonic()
        try:
            while time.monotonic() < began + talk.SECONDS:
                one.send(b"x")
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() < began + talk.SECONDS / 2


def test_who_is_not_invited_knows_that_the_connection_ends(tmp_path: Path) -> None:
    with serving(tmp_path, "--slow-uploads", "1") as served, ExitStack() as held:
        waiting = ("Content-Length: 5", "Expect: 100-continue")
        first, second = (held.enter_context(Talk(served.port)) for _ in range(2))
        first.send(talk.request("PUT /first", *waiting))
        assert first.begin()[0] == 100
        second.send(talk.request("PUT /second", *waiting))
        reply = second.reply()
        assert (reply.status, reply["connection"]) == (503, "close")
        first.send(b"hello")
        assert first.reply().status == 201

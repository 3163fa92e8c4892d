"""Connections: kept where they can be, ended where a length cannot be kept, and at a signal."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.altered import Altered, idle
from tests.running import Running
from tests.wire import talk
from tests.wire.conftest import LOGIN, Served
from tests.wire.talk import Ended, Talk

MEBIBYTE = 1 << 20


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A server of one test alone, which may stop it."""
    root = tmp_path / "root"
    root.mkdir()
    server = Running(root, state=tmp_path / "state.db").start()
    yield Served(server, root)
    if server.process.poll() is None:
        server.stop()


def test_a_connection_outlives_streamed_listings(served: Served) -> None:
    for number in range(600):
        (served.root / f"file {number}").write_bytes(b"")
    with Talk(served.port) as connection:
        for _ in range(3):
            connection.send(talk.request("PROPFIND /", "Depth: 1"))
            answer = connection.reply()
            assert answer.status == 207
            assert answer["transfer-encoding"] == "chunked"
            assert "content-length" not in answer.headers
            assert answer.body.count(b"<D:response>") == 601
            connection.send(talk.request("GET /file%201"))
            assert connection.reply().status == 200


def test_a_small_listing_has_a_length(served: Served) -> None:
    with Talk(served.port) as connection:
        connection.send(talk.request("PROPFIND /", "Depth: 0"))
        answer = connection.reply()
    assert (answer.status, "transfer-encoding" in answer.headers) == (207, False)
    assert int(answer["content-length"]) == len(answer.body)


def test_every_kind_of_answer_keeps_the_connection(served: Served) -> None:
    (served.root / "file").write_bytes(b"hello")
    etag = talk.ask(served.port, "HEAD /file")["etag"]
    asked = (
        (("GET /file",), 200),
        (("GET /file", "Range: bytes=1-2"), 206),
        (("GET /file", "Range: bytes=9-"), 416),
        (("GET /file", f"If-None-Match: {etag}"), 304),
        (("GET /none",), 404),
        (("GET /%zz",), 400),
        (("POST /file",), 405),
        (("FROB /file",), 501),
        (("MKCOL /folder",), 201),
        (("DELETE /folder",), 204),
        (("LOCK /file",), 400),
        (("OPTIONS *",), 200),
        (("MOVE /file", "Destination: /none/x"), 409),
        (("COPY /file", "Destination: ftp://h/x"), 502),
        (("GET /", "Host: evil.example"), 403),
    )
    with Talk(served.port) as connection:
        for (line, *fields), status in asked:
            host = "localhost"
            if fields and fields[0].startswith("Host: "):
                host = fields.pop().removeprefix("Host: ")
            connection.send(talk.request(line, *fields, host=host))
            assert connection.reply().status == status


def test_no_answer_to_head_has_a_body(served: Served, guarded: Served) -> None:
    (served.root / "file").write_bytes(b"hello")
    (served.root / "folder").mkdir()
    with Talk(served.port) as connection:
        for path, status in (
            *(("/file", 200), ("/folder/", 200), ("/", 200), ("/none", 404)),
            *(("/%zz", 400), ("/file/", 404), ("/.~dav-x", 403)),
        ):
            connection.send(talk.request(f"GET {path}"))
            whole = connection.reply()
            connection.send(talk.request(f"HEAD {path}"))
            head = connection.reply(head=True)
            assert head.status == whole.status == status
            # A body would stand where the next answer begins.
            expected = {k: v for k, v in whole.headers.items() if k != "date"}
            assert {k: v for k, v in head.headers.items() if k != "date"} == expected
            connection.send(talk.request(f"HEAD {path}", "Range: bytes=0-0"))
            assert connection.reply(head=True).status == status
    with Talk(guarded.port) as connection:
        connection.send(talk.request("HEAD /"))
        answer = connection.reply(head=True)
        assert (answer.status, answer["www-authenticate"][:5]) == (401, "Basic")
        connection.send(talk.request("HEAD /", LOGIN))
        assert connection.reply(head=True).status == 200


def test_a_file_that_shrinks_ends_the_connection_before_its_length(served: Served) -> None:
    file = served.root / "file"
    size = 64 * MEBIBYTE
    with file.open("wb") as opened:
        opened.truncate(size)
    with Talk(served.port, receive_buffer=MEBIBYTE) as connection:
        connection.send(talk.request("GET /file"))
        status, headers = connection.begin()
        assert (status, int(headers["content-length"])) == (200, size)
        connection.take(MEBIBYTE)
        os.truncate(file, 2 * MEBIBYTE)
        with pytest.raises((Ended, ConnectionResetError)):
            connection.take(size - MEBIBYTE)


def test_a_file_that_is_rewritten_ends_the_connection_before_its_length(served: Served) -> None:
    file = served.root / "file"
    size = 64 * MEBIBYTE
    file.write_bytes(b"\0" * size)
    with Talk(served.port, receive_buffer=MEBIBYTE) as connection:
        connection.send(talk.request("GET /file"))
        connection.begin()
        connection.take(MEBIBYTE)
        with file.open("r+b") as opened:
            opened.seek(size - 1)
            opened.write(b"\1")
        with pytest.raises((Ended, ConnectionResetError)):
            connection.take(size - MEBIBYTE)


def test_a_file_that_is_replaced_is_sent_to_its_end(served: Served) -> None:
    file = served.root / "file"
    size = 32 * MEBIBYTE
    file.write_bytes(b"a" * size)
    with Talk(served.port, receive_buffer=MEBIBYTE) as connection:
        connection.send(talk.request("GET /file"))
        connection.begin()
        assert talk.ask(served.port, "PUT /file", body=b"new").status == 204
        assert connection.take(size) == b"a" * size
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(own: Served, how: signal.Signals) -> None:
    assert own.server.stop(how) == 0
    assert "Traceback" not in own.server.log.read_text() + own.server.said


def stop_in_time(own: Served) -> None:
    begun = time.monotonic()
    assert own.server.stop() == 0
    assert time.monotonic() - begun < 15


def test_a_client_that_does_not_read_does_not_hold_it_up(own: Served) -> None:
    with (own.root / "file").open("wb") as opened:
        opened.truncate(256 * MEBIBYTE)
    with Talk(own.port, receive_buffer=4096) as connection:
        connection.send(talk.request("GET /file"))
        assert connection.begin()[0] == 200
        stop_in_time(own)


def test_clients_that_say_nothing_do_not_hold_it_up(own: Served) -> None:
    half = talk.request("PUT /half", "Content-Length: 100", body=b"x" * 50)
    with (
        Talk(own.port) as idle,
        talk.asking(own.port, b"GET / HT") as begun,
        talk.asking(own.port, half) as sending,
    ):
        idle.send(talk.request("GET /"))
        assert idle.reply().status == 200
        stop_in_time(own)
        assert idle.is_ended()
        assert begun.is_ended()
        del sending
    assert own.names() == set()


def test_what_was_kept_is_there_after_a_restart(own: Served) -> None:
    lock = b"<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype>"
    answer = talk.ask(own.port, "LOCK /file", body=lock + b"</lockinfo>")
    assert answer.status == 201
    assert own.server.stop() == 0
    own.server.start()
    assert talk.ask(own.port, "PUT /file", body=b"x").status == 423
    token = answer["lock-token"]
    assert talk.ask(own.port, "PUT /file", f"If: ({token})", body=b"x").status == 204


def test_a_large_file_that_changes_while_it_is_sent_ends_early(own: Served) -> None:
    """RFC 9112 section 8: the client learns from the missing bytes that it has not got it all."""
    file = own.root / "large"
    with file.open("wb") as sparse:
        sparse.truncate(64 * MEBIBYTE)
    with Talk(own.port) as connection:
        connection.send(talk.request("GET /large"))
        status, _ = connection.begin()
        assert status == 200
        os.utime(file, ns=(0, 0))
        with pytest.raises(Ended):
            connection.take(64 * MEBIBYTE)
    said = own.server.log.read_text()
    assert "GET was cut short" in said
    assert "Traceback" not in said
    assert talk.ask(own.port, "GET /large").status == 200


def test_heads_that_are_sent_by_half_hold_nobody_up(own: Served) -> None:
    """More of them than there are workers."""
    with ExitStack() as held:
        slow = [held.enter_context(Talk(own.port)) for _ in range(100)]
        for connection in slow:
            connection.send(b"GET / HTTP/1.1\r\nHost: local")
        assert talk.ask(own.port, "GET /").status == 200
        for connection in slow:
            connection.send(b"host\r\n\r\n")
            assert connection.reply().status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", 403),
        (b"bad\r\n\r\n", 400),
    ],
)
def test_what_follows_an_answer_holds_nobody_up(own: Served, sent: bytes, status: int) -> None:
    """A body that nobody wanted and that does not come, or a connection that is about to end."""
    with ExitStack() as held:
        slow = [held.enter_context(Talk(own.port)) for _ in range(100)]
        for connection in slow:
            connection.send(sent)
            assert connection.reply().status == status
        assert talk.ask(own.port, "GET /").status == 200


def test_a_small_body_that_nobody_wanted_is_skipped(own: Served) -> None:
    with Talk(own.port) as connection:
        connection.send(talk.request("GET /nothing", "Content-Length: 10") + b"12345")
        assert connection.reply().status == 404
        connection.send(b"67890" + talk.request("GET /"))
        assert connection.reply().status == 200


LATE = "from davserver.serving import connections; connections.HEAD_SECONDS = 0.5"


def test_a_head_that_takes_too_long_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with (
        Altered(tmp_path / "root", state=tmp_path / "state.db", change=LATE) as server,
        Talk(server.port) as connection,
    ):
        for piece in (b"GET / HTTP/1.1\r\n", b"Host: ", b"local"):
            connection.send(piece)
            time.sleep(0.4)
        assert connection.reply().status == 408


def test_a_head_that_stops_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with (
        Altered(tmp_path / "root", state=tmp_path / "state.db", change=idle(0.5)) as server,
        Talk(server.port) as connection,
        Talk(server.port) as silent,
    ):
        connection.send(b"GET / HTTP/1.1\r\n")
        assert connection.reply().status == 408
        assert connection.is_ended()
        assert silent.is_ended()


INJECTED = """
from davserver.protocol import mediatypes
mediatypes.of = lambda name: "text/plain\\r\\nX-Injected: yes"
"""


def test_no_field_of_an_answer_makes_another(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").write_bytes(b"f")
    with Altered(root, state=tmp_path / "state.db", change=INJECTED) as server:
        answer = talk.ask(server.port, "GET /f")
        assert answer.status == 500
        assert "x-injected" not in answer.headers
        assert talk.ask(server.port, "PROPFIND /", "Depth: 0").status == 207


UNREADABLE = """
import os
from davserver.tree import Opened
real = Opened.read
def read(self, position, size):
    if position:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), size, 0)
    return real(self, position, size)
Opened.read = read
"""
"""The address 0 of a process is what no disk needs to be broken for to give EIO."""


def test_what_cannot_be_read_any_more_ends_early_and_is_counted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "large").write_bytes(b"x" * MEBIBYTE)
    with Altered(root, state=tmp_path / "state.db", change=UNREADABLE) as server:
        with Talk(server.port) as connection:
            connection.send(talk.request("GET /large"))
            assert connection.begin()[0] == 200
            with pytest.raises(Ended):
                connection.take(MEBIBYTE)
        assert talk.ask(server.port, "PROPFIND /", "Depth: 0").status == 207
    said = server.log.read_text()
    assert "EIO, number 1 since the start" in said
    assert "Traceback" not in said

"""Request bodies as they come over the wire: whole, cut off, in chunks, or not read at all."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.bench import processes
from tests.security.inside import LOCKINFO
from tests.wire import probes_smuggling, talk
from tests.wire.conftest import LOGIN, Served
from tests.wire.talk import Ended, Talk

OLD = b"what was there before"
BODY = bytes(range(256)) * 40
CHUNKED = "Transfer-Encoding: chunked"
PROPFIND = b"<D:propfind xmlns:D='DAV:'><D:prop><D:getetag/></D:prop></D:propfind>"
MEBIBYTE = 1 << 20


def refused_or_ended(connection: Talk) -> None:
    """What a cut-off request gets: 400, or a closed connection. Never a success."""
    try:
        assert connection.reply().status == 400
    except (Ended, ConnectionResetError):
        return
    assert connection.is_ended()


@pytest.mark.parametrize("there", [True, False], ids=["over a file", "of a new file"])
@pytest.mark.parametrize("sent", [0, 1, 100, len(BODY) - 1])
def test_a_body_that_ends_early_changes_nothing(served: Served, sent: int, there: bool) -> None:
    file = served.root / "file"
    if there:
        file.write_bytes(OLD)
        before = file.stat()
    with talk.asking(
        served.port, talk.request("PUT /file", f"Content-Length: {len(BODY)}", body=BODY[:sent])
    ) as connection:
        connection.end()
        refused_or_ended(connection)
    assert served.names() == ({"file"} if there else set())
    if there:
        assert file.read_bytes() == OLD
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


WHOLE = talk.chunked(BODY[:5000], BODY[5000:], end=b"0\r\nX-Sum: 1\r\n\r\n")
CUTS = {
    "within the first chunk size": 2,
    "after the first chunk size": 6,
    "within the first chunk": 3000,
    "before the end of the first chunk": 5006,
    "between two chunks": 5008,
    "within the last chunk": len(WHOLE) - 40,
    "before the last chunk": WHOLE.rindex(b"0\r\nX-Sum"),
    "before the trailers": WHOLE.rindex(b"X-Sum"),
    "within the trailers": WHOLE.rindex(b"Sum"),
    "before the last byte": len(WHOLE) - 1,
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_chunks_that_end_early_change_nothing(served: Served, cut: int) -> None:
    (served.root / "file").write_bytes(OLD)
    with talk.asking(
        served.port, talk.request("PUT /file", CHUNKED, body=WHOLE[:cut])
    ) as connection:
        connection.end()
        refused_or_ended(connection)
    assert served.names() == {"file"}
    assert (served.root / "file").read_bytes() == OLD


BROKEN = {
    "no chunk size": b"\r\n",
    "letters that are no size": b"zz\r\n",
    "a sign": b"+5\r\nabcde\r\n0\r\n\r\n",
    "a hexadecimal prefix": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "a minus": b"-1\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a bare line feed": b"5\nabcde\r\n0\r\n\r\n",
    "more bytes than the size says": b"3\r\nabcde\r\n0\r\n\r\n",
    "a size that never ends": b"0" * 20_000,
    "a size beyond any file": b"f" * 17 + b"\r\n",
    "an extension that never ends": b"5;" + b"x" * 20_000,
    "trailers that never end": b"0\r\n" + b"A: b\r\n" * 20_000,
    "a trailer without an end": b"0\r\nA: b\n\r\n",
    "a trailer that is no field": b"0\r\nA b\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_chunks_change_nothing(served: Served, data: bytes) -> None:
    with talk.asking(served.port, talk.request("PUT /file", CHUNKED, body=data)) as connection:
        connection.end()
        refused_or_ended(connection)
    assert served.names() == set()


@pytest.mark.parametrize("method", ["PUT", "PROPFIND"])
def test_a_request_for_trailers_breaks_the_body_and_is_not_executed(
    served: Served, method: str
) -> None:
    (served.root / "file").write_bytes(OLD)
    body = talk.chunked(PROPFIND, end=b"0\r\n" + talk.request("PUT /smuggled", body=b"x"))
    with talk.asking(
        served.port, talk.request(f"{method} /file", CHUNKED, body=body)
    ) as connection:
        answer = connection.reply()
        assert (answer.status, answer["connection"]) == (400, "close")
        assert connection.is_ended()
    assert served.names() == {"file"}
    assert (served.root / "file").read_bytes() == OLD


@pytest.mark.parametrize("body", probes_smuggling.BROKEN.values(), ids=probes_smuggling.BROKEN)
def test_who_needs_no_body_executes_no_request_within_its_broken_chunks(
    served: Served, body: bytes
) -> None:
    (served.root / "file").write_bytes(OLD)
    with talk.asking(served.port, talk.request("DELETE /file", CHUNKED) + body) as connection:
        answer = connection.reply()
        assert (answer.status, answer["connection"]) == (204, "close")
        assert connection.is_ended()
    assert served.names() == set()


def test_chunks_are_stored_and_the_connection_is_kept(served: Served) -> None:
    extended = b"5;a=b\r\nhello\r\n3 ; c\r\n, w\r\n05\r\norld!\r\n0;c\r\nX-Sum: 1\r\nY: 2\r\n\r\n"
    with Talk(served.port) as connection:
        connection.send(talk.request("PUT /file", CHUNKED, body=extended))
        assert connection.reply().status == 201
        connection.send(talk.request("GET /file"))
        assert connection.reply().body == b"hello, world!"
        connection.send(talk.request("PUT /file", CHUNKED, body=talk.chunked(*[b"x"] * 1000)))
        assert connection.reply().status == 204
        connection.send(talk.request("PUT /empty", CHUNKED, body=talk.chunked()))
        assert connection.reply().status == 201
    assert (served.root / "file").read_bytes() == b"x" * 1000
    assert (served.root / "empty").read_bytes() == b""


def test_a_chunked_propfind_is_read_like_any_other(served: Served) -> None:
    (served.root / "file").write_bytes(b"")
    with Talk(served.port) as connection:
        for framing, body in (
            (CHUNKED, talk.chunked(PROPFIND[:7], PROPFIND[7:])),
            (f"Content-Length: {len(PROPFIND)}", PROPFIND),
        ):
            connection.send(talk.request("PROPFIND /file", "Depth: 0", framing, body=body))
            answer = connection.reply()
            assert answer.status == 207
            assert b"<D:getetag>" in answer.body
            assert b"<D:resourcetype" not in answer.body


def test_requests_in_one_packet_get_their_answers_in_order(served: Served) -> None:
    (served.root / "a").write_bytes(b"1")
    many = talk.request("PUT /b", body=b"22") + talk.request("GET /a") + talk.request("GET /b")
    with talk.asking(served.port, many) as connection:
        assert connection.reply().status == 201
        assert connection.reply().body == b"1"
        assert connection.reply().body == b"22"


def test_a_small_body_that_nobody_wants_does_not_cost_the_connection(served: Served) -> None:
    with Talk(served.port) as connection:
        for framing, body in ((CHUNKED, talk.chunked(b"x" * 2000)), ("X: y", b"x" * 2000)):
            connection.send(talk.request("PUT /none/file", framing, body=body))
            assert connection.reply().status == 409
            connection.send(talk.request("GET /none", framing, body=body))
            assert connection.reply().status == 404
    assert served.names() == set()


def test_the_client_is_told_to_go_on(served: Served) -> None:
    with Talk(served.port) as connection:
        connection.send(talk.request("PUT /file", "Content-Length: 5", "Expect: 100-continue"))
        assert connection.reply().status == 100
        connection.send(b"hello")
        assert connection.reply().status == 201


OCCUPIED = {"there": OLD, "locked": OLD}


@pytest.fixture
def occupied(guarded: Served) -> Iterator[Served]:
    """The server that asks for a name, with a file, and one that is locked."""
    for name in OCCUPIED:
        (guarded.root / name).write_bytes(OLD)
    lock = talk.ask(guarded.port, "LOCK /locked", LOGIN, body=LOCKINFO)
    assert lock.status == 200
    yield guarded
    assert {name: (guarded.root / name).read_bytes() for name in guarded.names()} == OCCUPIED
    token = f"Lock-Token: {lock['lock-token']}"
    assert talk.ask(guarded.port, "UNLOCK /locked", LOGIN, token).status == 204
    for name in OCCUPIED:
        (guarded.root / name).unlink()


REFUSED = {
    "without a login": ("/file", (), 401),
    "below nothing": ("/none/file", (LOGIN,), 409),
    "onto a reserved name": ("/.~dav-x", (LOGIN,), 403),
    "over a file that was not to be there": ("/there", (LOGIN, "If-None-Match: *"), 412),
    "over a locked file": ("/locked", (LOGIN,), 423),
}
BEYOND_ANY_DISK = f"Content-Length: {10**18 - 1}"


@pytest.mark.parametrize(("path", "fields", "status"), REFUSED.values(), ids=REFUSED)
def test_a_client_that_is_refused_is_not_told_to_go_on(
    occupied: Served, path: str, fields: tuple[str, ...], status: int
) -> None:
    fields = ("Content-Length: 5", "Expect: 100-continue", *fields)
    with talk.asking(occupied.port, talk.request(f"PUT {path}", *fields)) as connection:
        assert connection.reply().status == status


def test_a_client_that_has_more_than_any_disk_is_not_told_to_go_on(served: Served) -> None:
    fields = (BEYOND_ANY_DISK, "Expect: 100-continue")
    with talk.asking(served.port, talk.request("PUT /file", *fields)) as connection:
        assert connection.reply().status == 507
    assert served.names() == set()


BLOCK = b"x" * MEBIBYTE
LITTLE = 5_000_000
"""Bytes of memory that a body may cost, whatever its length."""


@pytest.mark.parametrize("in_chunks", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(("path", "fields", "status"), REFUSED.values(), ids=REFUSED)
def test_a_gibibyte_that_is_refused_costs_no_memory(
    occupied: Served, path: str, fields: tuple[str, ...], status: int, in_chunks: bool
) -> None:
    framing, piece = f"Content-Length: {1 << 30}", BLOCK
    if in_chunks:
        framing, piece = CHUNKED, b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK)
    refuses_a_gibibyte(occupied, talk.request(f"PUT {path}", framing, *fields), piece, status)


def test_a_gibibyte_of_more_than_any_disk_has_costs_no_memory(guarded: Served) -> None:
    head = talk.request("PUT /file", BEYOND_ANY_DISK, LOGIN)
    refuses_a_gibibyte(guarded, head, BLOCK, 507)
    assert guarded.names() == set()


def refuses_a_gibibyte(server: Served, head: bytes, piece: bytes, status: int) -> None:
    """The answer comes before the body has, and can be read by a client that still sends."""
    pid = server.server.process.pid
    talk.ask(server.port, "GET /", LOGIN)
    processes.forget_peak(pid)
    before = processes.memory(pid, "VmRSS")
    with Talk(server.port) as connection:
        connection.send(head)

        def send() -> None:
            with contextlib.suppress(OSError):
                for _ in range(1024):
                    connection.send(piece)

        sending = threading.Thread(target=send)
        sending.start()
        answer = connection.reply()
        sending.join()
    assert answer.status == status
    assert processes.memory(pid, "VmHWM") - before < LITTLE


def test_a_chunk_of_256_mebibytes_costs_no_memory(guarded: Served) -> None:
    """Nothing of a chunk waits for its end."""
    pid, file = guarded.server.process.pid, guarded.root / "file"
    small = talk.chunked(BLOCK)
    assert talk.ask(guarded.port, "PUT /file", LOGIN, CHUNKED, body=small).status == 201
    processes.forget_peak(pid)
    before = processes.memory(pid, "VmRSS")
    with Talk(guarded.port) as connection:
        connection.send(talk.request("PUT /file", LOGIN, CHUNKED))
        connection.send(b"%x\r\n" % (256 * MEBIBYTE))
        for _ in range(256):
            connection.send(BLOCK)
        connection.send(b"\r\n0\r\n\r\n")
        assert connection.reply().status == 204
    assert processes.memory(pid, "VmHWM") - before < LITTLE
    assert file.stat().st_size == 256 * MEBIBYTE
    file.unlink()


@pytest.mark.parametrize("in_chunks", [False, True], ids=["with a length", "in chunks"])
def test_an_xml_body_of_16_mebibytes_is_refused_and_costs_no_memory(
    served: Served, in_chunks: bool
) -> None:
    pid = served.server.process.pid
    talk.ask(served.port, "GET /")
    processes.forget_peak(pid)
    before = processes.memory(pid, "VmRSS")
    body = PROPFIND + b" " * (16 * MEBIBYTE)
    framing = f"Content-Length: {len(body)}"
    if in_chunks:
        framing, body = CHUNKED, talk.chunked(*[body[:MEBIBYTE]] * 16)
    with Talk(served.port) as connection:
        sending = threading.Thread(target=_send, args=(connection, framing, body))
        sending.start()
        answer = connection.reply()
        sending.join()
    assert answer.status == 413
    assert processes.memory(pid, "VmHWM") - before < LITTLE


def _send(connection: Talk, framing: str, body: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.send(talk.request("PROPFIND /", framing, body=body))

"""Which system calls carry content: a small file goes out with its head, the kernel sends most of a
larger one by itself, and what comes in goes into one buffer.

All calls of the server's own threads are counted, so that what they have carried is known to be all
that was carried.
"""

import os
import random
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from davserver.serving.tls import Tls
from tests.certificates import pairs
from tests.serving.repeating import ASKED, asked, serving
from tests.wire import talk
from tests.wire.talk import SECONDS, Talk

CONTENT = random.Random(20261126).randbytes(1 << 20)
WHOLE = 1 << 17
"""Bytes of the largest content that goes out with its head."""
READ = 1 << 16
"""Bytes of the first block of a larger one, which is read while another answer is possible, and of
the last, which is read to see first whether the file is still the same.
"""
AHEAD = 1 << 16
"""Bytes that may come with a head."""
LINE = 1 << 10
"""Bytes that may come with the size of a chunk."""


class Call(NamedTuple):
    """A call, how many bytes it has moved, and the buffer that they went into, if it was given."""

    name: str
    size: int
    into: object = None


class Calls(list[Call]):
    """Those of all threads but the client's."""

    def total(self, *names: str) -> int:
        return sum(call.size for call in self if call.name in names)

    def sending(self) -> list[Call]:
        return [call for call in self if call.name in SENDING]


SENDING = ("send", "sendmsg", "sendfile")
CALLS: Sequence[tuple[Any, str]] = [
    (os, "sendfile"),
    *((socket.socket, name) for name in ("send", "sendmsg", "recv", "recv_into")),
    *((ssl.SSLSocket, name) for name in ("send", "recv", "recv_into")),
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """To be looked at when the server has ended: what is the last to be sent is counted then."""
    made = Calls()
    client = threading.current_thread()

    def count(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: Any) -> Any:
            done = real(*given)
            if threading.current_thread() is not client:
                size = done if isinstance(done, int) else len(done)
                made.append(Call(name, size, given[1].obj if name == "recv_into" else None))
            return done

        monkeypatch.setattr(owner, name, call)

    for owner, name in CALLS:
        count(owner, name)
    return made


def heard(port: int, request: bytes, trusting: ssl.SSLContext | None = None) -> bytes:
    """All that comes on a connection of its own, until the server ends it."""
    client = socket.create_connection(("127.0.0.1", port), SECONDS)
    if trusting:
        client = trusting.wrap_socket(client, server_hostname="localhost")
    with client, client.makefile("rb") as answer:
        client.sendall(request)
        return answer.read()


def getting(*fields: str) -> bytes:
    return talk.request("GET /large", "Connection: close", *fields)


def test_a_small_file_is_one_send_with_its_head(tmp_path: Path, calls: Calls) -> None:
    with serving(tmp_path) as served:
        (served.root / "large").write_bytes(CONTENT[:1024])
        said = heard(served.port, getting())
    assert said.endswith(b"\r\n\r\n" + CONTENT[:1024])
    assert calls.sending() == [Call("sendmsg", len(said))]


def test_so_it_is_when_the_application_is_not_asked_any_more(tmp_path: Path, calls: Calls) -> None:
    with serving(tmp_path) as served, Talk(served.port) as client:
        asked(client, talk.request("GET /file"), ASKED)
        assert served.calls == ASKED - 1
    names = [call.name for call in calls.sending()]
    assert names == ["sendmsg"] * ASKED


@pytest.mark.parametrize(
    ("size", "by_the_kernel"),
    [
        (WHOLE, 0),
        (READ + WHOLE, 0),
        (READ + WHOLE + 1, WHOLE + 1 - READ),
        (1 << 20, (1 << 20) - 2 * READ),
    ],
)
def test_the_kernel_sends_larger_files(
    tmp_path: Path, calls: Calls, size: int, by_the_kernel: int
) -> None:
    with serving(tmp_path) as served:
        (served.root / "large").write_bytes(CONTENT[:size])
        said = heard(served.port, getting())
    assert said.partition(b"\r\n\r\n")[2] == CONTENT[:size]
    assert calls.total("sendfile") == by_the_kernel
    assert calls.total(*SENDING) == len(said)


@pytest.mark.parametrize(
    # Of several the head of the first is there while another answer is possible.
    ("firsts", "read"),
    [((1000,), 2 * READ), ((0, 500_000), 2 * READ)],
    ids=["one range", "two"],
)
def test_the_kernel_sends_ranges(
    tmp_path: Path, calls: Calls, firsts: tuple[int, ...], read: int
) -> None:
    size = 300 << 10
    wanted = ",".join(f"{first}-{first + size - 1}" for first in firsts)
    with serving(tmp_path) as served:
        (served.root / "large").write_bytes(CONTENT)
        said = heard(served.port, getting(f"Range: bytes={wanted}"))
    assert said.startswith(b"HTTP/1.1 206 ")
    for first in firsts:
        assert b"\r\n\r\n" + CONTENT[first : first + size] in said
    assert calls.total("sendfile") == len(firsts) * size - read
    assert calls.total(*SENDING) == len(said)


def test_it_sends_nothing_through_tls(tmp_path: Path, calls: Calls) -> None:
    files = pairs.written(tmp_path)
    trusting = ssl.create_default_context(cafile=files.root)
    with serving(tmp_path, pair=Tls(str(files.cert), str(files.key))) as served:
        (served.root / "large").write_bytes(CONTENT)
        said = heard(served.port, getting(), trusting)
    assert said.partition(b"\r\n\r\n")[2] == CONTENT
    assert {call.name for call in calls.sending()} == {"send"}
    assert calls.total("send") == len(said)


@pytest.mark.parametrize("size", [0, 1 << 14, 1 << 17], ids=["sized", "small chunks", "chunks"])
def test_content_comes_into_one_buffer(tmp_path: Path, calls: Calls, size: int) -> None:
    pieces = [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)] if size else []
    fields = ("Connection: close", *(["Transfer-Encoding: chunked"] if size else []))
    body = talk.chunked(*pieces) if size else CONTENT
    sent = talk.request("PUT /new", *fields, body=body)
    with serving(tmp_path) as served:
        assert heard(served.port, sent).startswith(b"HTTP/1.1 201 ")
        assert (served.root / "new").read_bytes() == CONTENT
    assert calls.total("recv", "recv_into") == len(sent)
    # The end of a chunk, with what is behind it, comes by itself at times.
    assert calls.total("recv") <= AHEAD + 2 * LINE * (len(pieces) + 1)
    filled = [call.into for call in calls if call.name == "recv_into"]
    assert len({id(one) for one in filled}) == 1

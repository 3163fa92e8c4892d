"""A raw HTTP client for bodies of a gigabyte: what it receives the kernel drops, what it sends the
kernel reads.

A client that copies each byte through Python would set the pace. It only copies where every byte
is to be judged.
"""

import mmap
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.client import (
    HEAD_END,
    HOST,
    Answer,
    Client,
    Head,
    Unanswered,
    connected,
    parse_head,
)

BLOCK = 1 << 20
# What clients put into a chunk, curl for one.
CHUNK = 1 << 16


def fetch(port: int, path: str, original: Path | None = None) -> Answer:
    """GET a file and throw it away; the answer has no body. With ``original`` every byte is
    compared with that file's, else only counted. Raises Unanswered.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode("ascii")
    try:
        with connected(port) as connection:
            began = time.perf_counter()
            connection.sendall(request)
            head, start = opened(connection)
            if head.total is None:
                raise Unanswered(f"GET {path}: the answer does not tell its length")
            left = head.total - head.size - len(start)
            if original:
                compare(connection, start, left, original)
            else:
                drop(connection, left)
            seconds = time.perf_counter() - began
    except (OSError, ValueError) as error:
        raise Unanswered(f"GET {path}: {error}") from error
    return Answer(head.status, head.headers, b"", seconds)


def opened(connection: socket.socket) -> tuple[Head, bytes]:
    """The head of an answer, and what came of its body with it."""
    received = b""
    while HEAD_END not in received:
        block = connection.recv(CHUNK)
        if not block:
            raise Unanswered(f"the connection ended after {len(received)} bytes, without a head")
        received += block
    head = parse_head(received)
    return head, received[head.size :]


def drop(connection: socket.socket, left: int) -> None:
    """Let the kernel drop what comes. Raises Unanswered where it is less."""
    buffer = bytearray(BLOCK)
    while left > 0:
        received = connection.recv_into(buffer, min(left, BLOCK), socket.MSG_TRUNC)
        if not received:
            raise Unanswered(f"the connection ended {left} bytes early")
        left -= received


def compare(connection: socket.socket, start: bytes, left: int, original: Path) -> None:
    """Read what comes beside a file. Raises Unanswered where it is another or less."""
    buffer = bytearray(BLOCK)
    with original.open("rb") as file, memoryview(buffer) as view:
        if file.read(len(start)) != start:
            raise Unanswered("other bytes at the beginning")
        while left > 0:
            received = connection.recv_into(view, min(left, BLOCK))
            if not received:
                raise Unanswered(f"the connection ended {left} bytes early")
            if file.read(received) != view[:received].tobytes():
                raise Unanswered(f"other bytes, {left} before the end")
            left -= received


def put(port: int, path: str, source: Path, client: Client, *, chunked: bool) -> Answer:
    """PUT a file, in chunks or with its length. Raises Unanswered."""
    size = source.stat().st_size
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"PUT {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{framing}\r\n"
    head += "Content-Type: application/octet-stream\r\n\r\n"
    try:
        with connected(port) as connection, source.open("rb") as file:
            began = time.perf_counter()
            connection.sendall(head.encode("ascii"))
            if chunked:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    for chunk in chunks(mapped):
                        connection.sendall(chunk)
            else:
                connection.sendfile(file)
            answer = client.exchange(connection, b"")
            seconds = time.perf_counter() - began
    except OSError as error:
        raise Unanswered(f"PUT {path}: {error}") from error
    return Answer(answer.status, answer.headers, answer.body, seconds)


def chunks(data: mmap.mmap) -> Iterator[bytes]:
    """A body in chunks, each with what frames it, and the last one."""
    for at in range(0, len(data), CHUNK):
        part = data[at : at + CHUNK]
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"

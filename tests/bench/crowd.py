"""Connections that stay open and send one request after the other, all of them side by side.

One thread waits for all of them, and what it sends is made before the clock starts: it needs a
small part of the time that a server needs, and never sets the pace.
"""

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench.client import (
    HEAD_END,
    LAST_CHUNK,
    PATIENCE,
    Head,
    Unanswered,
    connected,
    joined,
    parse_head,
)

BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Answered:
    """The statuses and the bodies in the order of the requests; ``seconds`` from the first byte
    sent to the last received.
    """

    statuses: Sequence[int]
    bodies: Sequence[bytes]
    seconds: float


def send(port: int, requests: Sequence[bytes], connections: int) -> Answered:
    """Send whole requests, each over whichever connection is free first.

    A connection that a server closes after an answer is opened anew, while the clock runs. Raises
    Unanswered where an answer does not come whole.
    """
    statuses, raw = [0] * len(requests), [b""] * len(requests)
    waiting = iter(enumerate(requests))
    try:
        with opened(port, connections) as (selector, crowd):
            began = time.perf_counter()
            sending = sum(member.send_next(waiting) for member in crowd)
            while sending:
                ready = selector.select(PATIENCE)
                if not ready:
                    raise Unanswered(f"{sending} requests without an answer")
                for key, _ in ready:
                    member: _Member = key.data
                    status = member.receive()
                    if status is None:
                        continue
                    statuses[member.number] = status
                    raw[member.number] = member.answer
                    sending -= not member.send_next(waiting)
            seconds = time.perf_counter() - began
    except (OSError, ValueError) as error:
        raise Unanswered(str(error)) from error
    return Answered(statuses, [body(answer) for answer in raw], seconds)


def body(raw: bytes) -> bytes:
    """The body of a whole answer."""
    head = parse_head(raw)
    rest = raw[head.size :]
    return joined(memoryview(rest)) if head.chunked else rest


class _Member:
    """One connection, and the number of the request that it sent last."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self.number = 0
        self.answer = b""
        self._port = port
        self._selector = selector
        self._received = bytearray()
        self._connection = self._connected()

    def send_next(self, waiting: Iterator[tuple[int, bytes]]) -> bool:
        """Send the next request. Gives whether there was one; else nothing more is received."""
        number, request = next(waiting, (0, b""))
        if not request:
            self._selector.unregister(self._connection)
            return False
        self.number = number
        self._connection.sendall(request)
        return True

    def receive(self) -> int | None:
        """Read what is there. Gives the status once the answer is whole."""
        block = self._connection.recv(BLOCK)
        received = self._received
        received += block
        head = parse_head(received) if HEAD_END in received else None
        if head is None or not self._whole(head, ended=not block):
            if not block:
                raise Unanswered(f"the connection ended after {len(received)} bytes of an answer")
            return None
        if head.total not in {None, len(received)}:
            raise Unanswered(f"{len(received)} bytes of {head.total}")
        self.answer = bytes(received)
        received.clear()
        if not block or head.headers.get("connection", "").lower() == "close":
            self._connect_anew()
        return head.status

    def close(self) -> None:
        self._connection.close()

    def _whole(self, head: Head, *, ended: bool) -> bool:
        if head.chunked:
            # The head's own line end opens the pattern where the first chunk is the last.
            return self._received.endswith(LAST_CHUNK, head.size - 2)
        return ended if head.total is None else len(self._received) >= head.total

    def _connected(self) -> socket.socket:
        connection = connected(self._port)
        self._selector.register(connection, selectors.EVENT_READ, self)
        return connection

    def _connect_anew(self) -> None:
        self._selector.unregister(self._connection)
        self._connection.close()
        self._connection = self._connected()


@contextlib.contextmanager
def opened(port: int, connections: int) -> Iterator[tuple[selectors.BaseSelector, list[_Member]]]:
    """Open connections, and close them at the end."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as held:
        crowd = []
        for _ in range(connections):
            member = _Member(port, selector)
            held.callback(member.close)
            crowd.append(member)
        yield selector, crowd

"""Answers that are given again: clients ask for the same thing over and over, and most of the work
of an answer is to find out what is asked. What is asked for a second time is kept for the third.

Whoever made an answer has said how to tell that it is still the same (`messages.Repeat`), and is
asked each time. A request is known by a keyed digest of its head, so that no password is kept, by
its body, and by who sends it where: what the middleware has decided by that is decided. Who reads a
file in ranges asks for the same, too: only the range is another one each time.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any, NamedTuple

from davserver.protocol.messages import WHOLE, Repeat
from davserver.protocol.ranges import Range
from davserver.wsgi import Finished

MOST = 512
"""Answers that are kept."""
MOST_ASKED = 8 * MOST
"""Requests that are known again."""
LONGEST = 1 << 12
"""Bytes of the head and of the body of a request whose answer is kept, and of the answer's head."""

_RANGE = re.compile(rb"\r\nrange:[ \t]*bytes=(\d{1,15})-(\d{1,15})[ \t]*(?=\r\n|\Z)", re.IGNORECASE)
_RANGE_FIELD = re.compile(rb"\r\nrange[ \t]*:", re.IGNORECASE)
_RANGE_TOLD = re.compile(rb"\r\nContent-(?:Range: bytes \d+-\d+/(\d+)|Length: \d+)(?=\r\n)")

Key = tuple[object, bytes]
"""Who asks where, and the digest of what is asked."""


class Asked(NamedTuple):
    """A request, as its head tells: the digest in its ``key`` is of the head without the one range
    that is ``wanted``, where it is a small one.
    """

    key: Key
    wanted: Range | None


class Kept(NamedTuple):
    """An answer: the body of the request that it is for, its own head up to the date, what gives
    its own body, and who wants to know that it has been sent.

    Where it is a range of so many bytes as ``size``, the head says neither which nor how long.
    """

    body: bytes
    head: bytes
    repeat: Repeat
    finished: Sequence[Finished]
    size: int | None = None


class Repeats:
    """The answers that one process keeps."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._kept: dict[Key, Kept] = {}
        self._known: set[Key] = set()

    def asked(self, conn: Any, octets: bytes) -> Asked | None:
        """A request with this head on a connection; None where that is too long."""
        if len(octets) > LONGEST:
            return None
        wanted, kind = None, b""
        if b"bytes=" in octets and octets.startswith(b"GET ") and (found := _RANGE.search(octets)):
            first, last = map(int, found.groups())
            rest = octets[: found.start()] + octets[found.end() :]
            if 0 <= last - first < WHOLE and not _RANGE_FIELD.search(rest):
                wanted, kind, octets = Range(first, last), b"a range", rest
        digest = hashlib.blake2b(octets, digest_size=16, key=self._secret, person=kind).digest()
        return Asked((conn.stance, digest), wanted)

    def is_asked_again(self, key: Key) -> bool:
        """Whether the same was asked before; it has been from now on."""
        if key in self._known:
            return True
        if len(self._known) >= MOST_ASKED:
            self._known.clear()
        self._known.add(key)
        return False

    def find(self, conn: Any, asked: Asked) -> "Repeated | None":
        """The answer to a request whose body has come as a whole; the body is taken then."""
        kept = self._kept.get(asked.key)
        if kept is None or (kept.body and conn.rfile.peek(len(kept.body)) != kept.body):
            return None
        began, wanted, told = time.monotonic(), asked.wanted, b""
        if wanted is not None and kept.size is not None:
            first, last = wanted.first, min(wanted.last, kept.size - 1)
            if first > last:
                return None
            wanted = Range(first, last)
            told = b"Content-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n" % (
                *(first, last, kept.size),
                wanted.size,
            )
        try:
            block = kept.repeat(wanted)
        except OSError:
            block = None
        if block is None:
            self._kept.pop(asked.key, None)
            return None
        conn.rfile.skip(len(kept.body))
        return Repeated(conn, kept, told, block, began)

    def keep(self, asked: Asked, kept: Kept) -> None:
        """Keep an answer; where there are too many, the one that was kept first makes room."""
        if asked.wanted is not None:
            size = next((found[1] for found in _RANGE_TOLD.finditer(kept.head) if found[1]), None)
            if size is None:
                return
            kept = kept._replace(head=_RANGE_TOLD.sub(b"", kept.head), size=int(size))
        key = asked.key
        if key not in self._kept and len(self._kept) >= MOST:
            # Another thread may take one away in the same moment.
            with suppress(RuntimeError, StopIteration):
                self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = kept


class Repeated:
    """A kept answer on its way; a connection takes it for what `DavRequest` is."""

    sent_headers = True
    close_connection = False

    def __init__(self, conn: Any, kept: Kept, told: bytes, block: bytes, began: float) -> None:
        self._out = conn.wfile
        self._kept = kept
        self._block = block
        self._began = began
        self._had_written = self._out.bytes_written
        self._head = kept.head + told + date_line(int(time.time()))

    def respond(self) -> bool:
        """Send it, and give and raise what `DavRequest.respond` does."""
        self._out.push(self._head, self._block)
        return self.go_on()

    def go_on(self) -> bool:
        """Send more of it."""
        if not self._out.flush():
            return False
        self.abort()
        return True

    def abort(self) -> None:
        """Tell that it is over."""
        sent = max(self._out.bytes_written - self._had_written - len(self._head), 0)
        seconds = time.monotonic() - self._began
        for tell in self._kept.finished:
            tell(sent, seconds)


@lru_cache(maxsize=1)
def date_line(second: int) -> bytes:
    """The Date field and the end of a head, written once a second."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode()

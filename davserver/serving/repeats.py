"""Answers that are given again: clients ask for the same thing over and over, and most of the work
of an answer is to find out what is asked. What is asked for a second time is kept for the third.

Whoever made an answer has said how to tell that it is still the same (`messages.Repeat`), and is
asked each time. A request is known by a keyed digest of its head, so that no password is kept, by
its body, and by who sends it where: what the middleware has decided by that is decided.
"""

import hashlib
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any, NamedTuple

from davserver.protocol.messages import Repeat
from davserver.wsgi import Finished

MOST = 512
"""Answers that are kept."""
MOST_ASKED = 8 * MOST
"""Requests that are known again."""
LONGEST = 1 << 12
"""Bytes of the head and of the body of a request whose answer is kept, and of the answer's head."""

Key = tuple[object, bytes]
"""Who asks where, and the digest of the head of the request."""


class Kept(NamedTuple):
    """An answer: the body of the request that it is for, its own head up to the date, what gives
    its own body, and who wants to know that it has been sent.
    """

    asked: bytes
    head: bytes
    repeat: Repeat
    finished: Sequence[Finished]


class Repeats:
    """The answers that one process keeps."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._kept: dict[Key, Kept] = {}
        self._asked: set[Key] = set()

    def key(self, conn: Any, octets: bytes) -> Key | None:
        """The key of a request with this head on a connection; None where that is too long."""
        if len(octets) > LONGEST:
            return None
        return conn.stance, hashlib.blake2b(octets, digest_size=16, key=self._secret).digest()

    def is_asked_again(self, key: Key) -> bool:
        """Whether the same was asked before; it has been from now on."""
        if key in self._asked:
            return True
        if len(self._asked) >= MOST_ASKED:
            self._asked.clear()
        self._asked.add(key)
        return False

    def find(self, conn: Any, key: Key) -> "Repeated | None":
        """The answer to a request whose body has come as a whole; the body is taken then."""
        kept = self._kept.get(key)
        if kept is None or (kept.asked and conn.rfile.peek(len(kept.asked)) != kept.asked):
            return None
        began = time.monotonic()
        try:
            block = kept.repeat()
        except OSError:
            block = None
        if block is None:
            self._kept.pop(key, None)
            return None
        conn.rfile.skip(len(kept.asked))
        return Repeated(conn, kept, block, began)

    def keep(self, key: Key, kept: Kept) -> None:
        """Keep an answer; where there are too many, the one that was kept first makes room."""
        if key not in self._kept and len(self._kept) >= MOST:
            # Another thread may take one away in the same moment.
            with suppress(RuntimeError, StopIteration):
                self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = kept


class Repeated:
    """A kept answer on its way; a connection takes it for what `DavRequest` is."""

    sent_headers = True
    close_connection = False

    def __init__(self, conn: Any, kept: Kept, block: bytes, began: float) -> None:
        self._out = conn.wfile
        self._kept = kept
        self._block = block
        self._began = began
        self._had_written = self._out.bytes_written
        self._head = kept.head + date_line(int(time.time()))

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

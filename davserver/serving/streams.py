"""What comes in on a connection, and what goes out."""

import errno
import fcntl
import os
import select
import socket
import ssl
import sys
import termios
import time
from collections import deque
from collections.abc import Callable

from davserver.protocol.messages import CutShort, Stretch
from davserver.serving import heads
from davserver.serving.pace import FLOW

_PIECE = 1 << 16
"""Bytes that are taken at a time where nobody knows how many will come."""
_LINE = 1 << 10
"""Bytes that are taken at a time where a line is wanted."""

_SENT = 1 << 19
"""Bytes of a file that the kernel is asked to send at a time. It takes any number, but over
loopback a GiB in one call costs a third more CPU.
"""

TURN_SECONDS = 0.05
"""How long an answer that somebody reads fast is sent until others have their turn."""

_SOON = 1
"""Milliseconds within which a client that reads takes what fills the kernel's buffer."""

_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Nothing can be read or written at the moment."""


class Broken(OSError):
    """The connection cannot be used any more, or nobody read from it for too long."""


class Inbox:
    """The incoming bytes of a connection, of which the head of a request is taken in one piece.

    Whoever needs more than has come lets ``wait`` wait, which is told how many bytes have come
    since the time before; so is ``flow``, when as many as `pace.FLOW` have come without a wait.
    While it ``is_quiet`` nobody waits.
    """

    is_quiet = False

    def __init__(
        self,
        connected: socket.socket,
        wait: Callable[[int], None],
        flow: Callable[[int], None] = lambda came: None,
    ) -> None:
        self._socket = connected
        self._wait = wait
        self._flow = flow
        self._held = b""
        self._searched = 0
        """Bytes of it that have no end of a head."""
        self._came = 0

    def close(self) -> None:
        self._held = b""

    def has_data(self) -> bool:
        """Whether something has come that nobody has taken yet."""
        return bool(self._held)

    def receive(self) -> bool:
        """Take in what has come, if anything has and not enough is here. Gives whether the client
        may still send more. Raises Broken.
        """
        if len(self._held) > heads.LONGEST:
            # Who sends request after request and waits for no answer is read no faster than that.
            return True
        data = self._received(_PIECE)
        if data:
            self._held = self._held + data if self._held else data
            if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                # No event will tell of what has been decrypted already.
                return self.receive()
        return data != b""

    def head(self) -> bytes | None:
        """The next head, without the empty line behind it, or None where it is not whole yet.
        Raises Refused where that can be nothing sound any more.
        """
        if not self._held:
            return None
        # One empty line before a request is passed over (RFC 9112 section 2.2).
        if self._held.startswith(b"\r\n"):
            self._held, self._searched = self._held[2:], 0
        # What has been searched is not searched again, however small the pieces are that come.
        end = self._held.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            new = self._held[max(0, self._searched - 1) :]
            is_longer = len(self._held) >> 10 != self._searched >> 10
            self._searched = len(self._held)
            if is_longer or len(self._held) > heads.LONGEST or heads.is_telling(new):
                heads.check(self._held)
            return None
        self._searched = 0
        octets, self._held = self._held[:end], self._held[end + 4 :]
        # Of what has come only the rest can be of a body.
        self._came = len(self._held)
        if len(octets) > heads.LONGEST_LINE:
            heads.check(octets)
        return octets

    def peek(self, size: int) -> bytes:
        """What comes next, ``size`` bytes at most, as far as it has come; it stays."""
        return self._held[:size]

    def read1(self, size: int) -> bytes:
        """What comes next, ``size`` bytes at most; none at the end. Raises Broken, and what
        ``wait`` raises.
        """
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
            return data
        return self._awaited(size)

    def readinto1(self, view: memoryview) -> int:
        """Put what comes next into ``view``. Gives how many bytes, 0 at the end. Raises as `read1`
        does.
        """
        held = min(len(self._held), len(view))
        if held:
            view[:held], self._held = self._held[:held], self._held[held:]
            rest = view[held:]
            return held + (self._received_into(rest) or 0 if rest else 0)
        self._tell_flow()
        while not self.is_quiet:
            size = self._received_into(view)
            if size is not None:
                return size
            self._wait_for_more()
        return 0

    def skip(self, size: int) -> int:
        """Throw away up to so many bytes of what has come. Gives how many are left to be."""
        skipped = min(size, len(self._held))
        self._held = self._held[skipped:]
        return size - skipped

    def readline(self, size: int) -> bytes:
        """A line with its end, cut off after ``size`` bytes; cut short at the end. Raises as
        `read1` does.
        """
        while (end := self._held.find(b"\n", 0, size)) < 0 and len(self._held) < size:
            # Not much more: what follows the line is better put where it belongs at once.
            data = self._awaited(_LINE)
            self._held += data
            if not data:
                break
        return self.read1(end + 1 if end >= 0 else size) if self._held else b""

    def _awaited(self, size: int) -> bytes:
        """What comes next; none at the end, or where nobody waits."""
        self._tell_flow()
        while not self.is_quiet:
            data = self._received(size)
            if data is not None:
                return data
            self._wait_for_more()
        return b""

    def _tell_flow(self) -> None:
        # Before more is read: who is refused there has lost nothing of what has come.
        if self._came > FLOW and not self.is_quiet:
            came, self._came = self._came, 0
            self._flow(came)

    def _wait_for_more(self) -> None:
        came, self._came = self._came, 0
        self._wait(came)

    def _received(self, size: int) -> bytes | None:
        """What has come; None where nothing has, and nothing at the end."""
        try:
            data = self._socket.recv(size)
        except _LATER:
            return None
        except OSError as error:
            raise Broken(*error.args) from error
        self._came += len(data)
        return data

    def _received_into(self, view: memoryview) -> int | None:
        """How much has come; None where nothing has, and 0 at the end."""
        try:
            size = self._socket.recv_into(view)
        except _LATER:
            return None
        except OSError as error:
            raise Broken(*error.args) from error
        self._came += size
        return size


class Outbox:
    """The outgoing bytes of a connection: sent at once as far as they can be, and the rest held
    until somebody calls `flush`.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held: deque[memoryview | Stretch] = deque()
        self.bytes_written = 0

    @property
    def can_send_files(self) -> bool:
        """Whether the kernel can send a file by itself: not through TLS."""
        return not isinstance(self._socket, ssl.SSLSocket)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    def push(self, data: bytes, block: bytes = b"") -> None:
        """Send ``data`` and ``block``. Raises Broken."""
        if block and not self.can_send_files:
            data, block = b"".join((data, block)), b""
        if not self._held:
            sent = self._sent(data, block)
            if sent == len(data) + len(block):
                return
            data, block = data[sent:], block[max(sent - len(data), 0) :]
        self._held += [memoryview(one) for one in (data, block) if one]

    def push_file(self, stretch: Stretch) -> None:
        """Send a part of a file. Raises Broken, and CutShort where the file is shorter or cannot
        be read.
        """
        self._held.append(stretch)
        self.flush()

    def flush(self) -> bool:
        """Send what is held as far as it can be, and not for too long. Gives whether nothing is
        left. Raises as `push_file` does.
        """
        is_reading, ends = False, 0.0
        while self._held:
            piece = self._held[0]
            if isinstance(piece, Stretch):
                sent = self._sent_of(piece)
                size = piece.size
                rest: memoryview | Stretch = piece.after(sent)
            else:
                sent, size = self._sent(piece), len(piece)
                rest = piece[sent:]
            if sent == size:
                self._held.popleft()
            elif sent:
                self._held[0] = rest
                is_reading = isinstance(piece, Stretch)
                now = time.monotonic()
                ends = ends or now + TURN_SECONDS
                if now > ends:
                    return False
            elif not is_reading or not self._is_soon_ready():
                return False
        return True

    def _is_soon_ready(self) -> bool:
        """Whether who has just read of a file reads on at once: to come back to it later would cost
        more than to wait for that long.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        return bool(poll.poll(_SOON))

    def settle(self, seconds: float) -> None:
        """Wait until nothing is held. Raises Broken, where nobody reads for so long too."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        while not self.flush():
            if not poll.poll(seconds * 1000):
                raise Broken(errno.ETIMEDOUT, "nobody reads")

    def drop(self) -> None:
        """Send nothing of what is held."""
        self._held.clear()

    def _sent(self, data: bytes | memoryview, block: bytes = b"") -> int:
        """How many bytes the kernel takes."""
        try:
            sent = self._socket.sendmsg((data, block)) if block else self._socket.send(data)
        except _LATER:
            return 0
        except OSError as error:
            raise Broken(*error.args) from error
        self.bytes_written += sent
        return sent

    def _sent_of(self, stretch: Stretch) -> int:
        try:
            sent = os.sendfile(
                self._socket.fileno(),
                stretch.descriptor,
                stretch.first,
                min(stretch.size, _SENT),
            )
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:
                raise CutShort from error
            raise Broken(*error.args) from error
        if not sent:
            raise CutShort
        self.bytes_written += sent
        return sent


def unread(connected: socket.socket) -> int:
    """How many bytes that were sent have not been acknowledged by the other side yet (tcp(7), the
    ioctl SIOCOUTQ). Raises OSError.
    """
    return int.from_bytes(fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

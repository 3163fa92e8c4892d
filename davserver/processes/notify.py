"""Tells the service manager how the server does: the protocol of sd_notify(3)."""

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

_MICRO = 1_000_000


class Notifier:
    """Sends to the datagram socket of ``address``, or nothing where that is empty.

    ``watchdog_seconds`` is how long the service manager waits for a sign of life, 0 for no limit.
    What cannot be sent is passed over: a server serves without being watched, too.
    """

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        # A name that begins with @ is one of the abstract namespace (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int) -> "Notifier":
        """As the environment of the process says. What it says is taken out: it is not meant for
        the processes that this one starts.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", "")
        is_watched = microseconds.isdecimal() and meant in ("", str(pid))
        return cls(address, int(microseconds) / _MICRO if is_watched else 0.0)

    def ready(self, status: str) -> None:
        """Clients can come; also after `reloading`."""
        self._send("READY=1", f"STATUS={status}", f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """New settings are looked at, until `ready`."""
        # Else an answer to an earlier request could be taken for this one's.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reading the settings again")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Finishing what is under way")

    def alive(self) -> None:
        """A sign of life, for the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """A sentence for whoever asks how the service does."""
        self._send(f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)

"""Sends what hides a request in another through a proxy, and says whose answers were mixed up."""

import json
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.wire import talk
from tests.wire.probes import CONTENT, Probe
from tests.wire.talk import Ended, Reply, Talk

PREFIX = "/dav"
"""What a proxy passes on. What is hidden is beside it: no proxy would ask davserver for that."""
MARK = "marked-"
"""How the names begin that clients ask for."""
BEFORE, AFTER = 3, 2
"""How many others ask while a probe's connection is open, and when it has ended."""
PAUSE = 0.5
"""Seconds after which a proxy waits for the rest of a probe, and says nothing."""
SECONDS = 10.0

_ANY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_ANY.check_hostname = False
_ANY.verify_mode = ssl.CERT_NONE


class Asked(NamedTuple):
    """A request as the server behind a proxy has seen it, and the status of its answer."""

    method: str
    target: str
    status: int


@dataclass(slots=True)
class Site:
    """The port of a proxy, what the server behind it was asked for up to now, and what is called
    to make a file of a name, with that name as its content.
    """

    port: int
    asked: Callable[[], Sequence[Asked]]
    make: Callable[[str], object]
    _made: int = 0

    def new_name(self) -> str:
        """That of a file which nobody has asked for yet."""
        self._made += 1
        name = f"{MARK}{self._made}"
        self.make(name)
        return name


class Through(Talk):
    """A connection to a proxy that speaks TLS."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.encrypt(_ANY)


def complaints(site: Site, probe: Probe) -> list[str]:
    """Send a probe on a connection of its own, and sound requests on others. Gives what is wrong
    with the answers to all of them, and with what the server behind the proxy was asked for.
    """
    had = len(site.asked())
    with Through(site.port) as connection:
        _say(connection, _below_prefix(probe.sent))
        own = _heard(connection, 1)
        names = [site.new_name() for _ in range(BEFORE + AFTER + 1)]
        wrong = [one for name in names[:BEFORE] for one in _about_another(site.port, name)]
        behind = names[BEFORE]
        _say(connection, _completing(probe) + _request(behind))
        own += _heard(connection, 9)
    wrong += _about_its_own(own, behind)
    others = [*names[:BEFORE], *names[BEFORE + 1 :]]
    wrong += [one for name in others[BEFORE:] for one in _about_another(site.port, name)]
    if not wrong:
        # A line is written when its answer is over, which a client may know before.
        _wait_for(site, others)
    targets = {f"{PREFIX}/{name}" for name in ("file", "new", "none", "none/new", *names)}
    return wrong + _about_the_server(site.asked()[had:], targets)


def read(log: Path) -> list[Asked]:
    """What an access log in the form `json` tells."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [Asked(one["method"], one["target"], one["status"]) for one in lines]


def _about_another(port: int, name: str) -> list[str]:
    """Somebody else's sound request has one answer: its own."""
    try:
        with Through(port) as connection:
            connection.send(_request(name))
            reply = connection.reply()
            has_more = not connection.is_ended()
    except (AssertionError, Ended, OSError) as error:
        return [f"another client got for {name} no answer: {error!r}"]
    wrong = []
    if (reply.status, reply.body) != (200, name.encode()):
        wrong.append(f"another client got for {name}: {reply.status} {reply.body[:80]!r}")
    if has_more:
        wrong.append(f"another client got for {name} more than an answer")
    return wrong


def _about_its_own(replies: Sequence[Reply], behind: str) -> list[str]:
    """Who has sent the probe, and a sound request behind it, got these alone carried out."""
    done = [reply for reply in replies if 200 <= reply.status < 300]
    wrong = [] if len(done) <= 2 else [f"its own: {[reply.status for reply in done]}"]
    for reply in done:
        if reply.status == 200 and reply.body not in (CONTENT, behind.encode(), b""):
            wrong.append(f"its own: {reply.body[:80]!r}")
    return wrong


def _about_the_server(asked: Sequence[Asked], targets: set[str]) -> list[str]:
    """It was asked for nothing but what clients have asked for, by now or before, and nothing has
    failed in it.
    """
    return [
        f"the server was asked: {one}"
        for one in asked
        if not (one.target in targets or one.target.startswith(f"{PREFIX}/{MARK}"))
        or (one.status >= 500 and one.status != 501)
    ]


def _wait_for(site: Site, names: Sequence[str]) -> None:
    wanted = {f"{PREFIX}/{name}" for name in names}
    until = time.monotonic() + SECONDS
    while not wanted <= {one.target for one in site.asked()}:
        assert time.monotonic() < until, "not all requests are in the log"
        time.sleep(0.005)


def _request(name: str) -> bytes:
    return talk.request(f"GET {PREFIX}/{name}", "Connection: close")


def _completing(probe: Probe) -> bytes:
    """The empty line that makes a request of what a probe hides, where it wants one."""
    return b"\r\n" if probe.then.startswith(b"\r\n") else b""


def _below_prefix(sent: bytes) -> bytes:
    """The same for a path that the proxy passes on; what is hidden stays as it is."""
    return sent.replace(b" /", f" {PREFIX}/".encode(), 1)


def _say(connection: Talk, data: bytes) -> None:
    # A proxy that has refused the probe has ended the connection, which is fine.
    with suppress(OSError):
        connection.send(data)


def _heard(connection: Talk, most: int) -> list[Reply]:
    """The answers that come, interim ones left out, until the end or a pause."""
    found: list[Reply] = []
    connection.socket.settimeout(PAUSE)
    with suppress(OSError, Ended):
        while len(found) < most and connection.has_more():
            reply = connection.reply()
            if reply.status >= 200:
                found.append(reply)
    return found

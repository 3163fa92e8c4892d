"""The wall clock steps by days while locks are held, and while the server is down.

The server runs with libfaketime, which moves the time of day and leaves the clocks alone that only
count. A lock lives as long as it was granted for, in seconds that have passed: a step neither ends
it early nor lets it live on. Writing, reading and comparing entity tags go on meanwhile.
"""

import random
import re
import shlex
import signal
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from lxml import etree

from tests.faults.altered import Altered, idle
from tests.faults.proof import Report
from tests.faults.told import Told
from tests.running import Running
from tests.wire import talk
from tests.wire.talk import Reply, Talk

DAY = 86_400
LONG, SHORT = 3600, 1
"""Seconds that locks live."""
SLACK = 15.0
"""Seconds that a busy machine may take for a few requests, or for the start of a server."""
PATIENCE = 2.0
"""Seconds of silence after which the server ends a connection."""
FIGURES = (
    *("steps", "restarts", "requests", "vanished", "overlived", "implausible", "repeated_tags"),
    *("refused", "not_stepped", "never_ended"),
)
_XML = "Content-Type: application/xml"
_LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
    b"</D:locktype></D:lockinfo>"
)
_DISCOVER = b'<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>'
_D = "{DAV:}"
# libfaketime 0.9.10 refuses to sleep until a moment of a clock that only counts, which is what
# time.sleep asks of the system; select waits as long.
_SLEEP = "import select, time; time.sleep = lambda seconds: select.select((), (), (), seconds)"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=6, help="steps of the clock (6)")
    parser.add_argument("--options", default="", help="further options for davserver")


def run(options: Namespace) -> Report:
    """Carry it out; ``--server`` is davserver."""
    why = "" if library() else "libfaketime is not installed (Debian package faketime)"
    if options.server != "davserver":
        why = f"{options.server} is not asked"
    if why:
        return Report("clocks", options.server, options.seed, skipped=why)
    told = Told()
    with tempfile.TemporaryDirectory(prefix="davserver-clocks-") as made:
        stepped(Path(made), options, told)
    figures = told.figures(FIGURES)
    return Report("clocks", options.server, options.seed, figures, tuple(told.violations))


def library() -> Path | None:
    """Where Debian has libfaketime for programs with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


def forget(pid: int) -> None:
    """Take away what libfaketime leaves of a process that was killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (Path("/dev/shm") / name).unlink(missing_ok=True)


class Clock:
    """The time of day of a server process, ``offset`` seconds away from the true one."""

    def __init__(self, place: Path) -> None:
        self._file = place / "offset"
        self.offset = 0
        self.step(0)

    def step(self, offset: int) -> None:
        """Set it to so many seconds from the true time, at once."""
        self.offset = offset
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+}\n")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # The times of files are the true ones: the server sets them itself.
            "NO_FAKE_STAT": "1",
        }


@dataclass(slots=True)
class Held:
    """A lock, and between which moments its life has begun."""

    url: str
    token: str
    seconds: int
    asked: float
    granted: float


class Asker:
    """Asks the server, whichever process it is now, and knows every entity tag that it has seen."""

    def __init__(self, told: Told) -> None:
        self.port = 0
        self._told = told
        self._tags: set[tuple[str, str]] = set()
        self._turn = 0

    def ask(self, line: str, *fields: str, body: bytes = b"") -> Reply:
        self._told.count("requests")
        return talk.ask(self.port, line, *fields, body=body)

    def wants(self, status: int, line: str, *fields: str, body: bytes = b"") -> Reply:
        """Ask for what has to have this status."""
        reply = self.ask(line, *fields, body=body)
        if reply.status != status:
            sentence = f"{line} was answered {reply.status} instead of {status}"
            self._told.wrong("vanished" if status == 423 else "refused", sentence)
        return reply

    def lock(self, url: str, seconds: int, depth: str = "0") -> Held:
        asked = time.monotonic()
        fields = (f"Depth: {depth}", f"Timeout: Second-{seconds}", _XML)
        reply = self.ask(f"LOCK {url}", *fields, body=_LOCKINFO)
        assert reply.status in (200, 201), f"LOCK {url} was answered {reply.status}"
        token = reply["lock-token"].strip("<>")
        return Held(url, token, seconds, asked, time.monotonic())

    def refresh(self, lock: Held) -> None:
        lock.asked = time.monotonic()
        fields = (f"If: <{lock.url}> (<{lock.token}>)", f"Timeout: Second-{lock.seconds}")
        self.wants(200, f"LOCK {lock.url}", *fields)
        lock.granted = time.monotonic()

    def seconds_left(self, url: str) -> list[int]:
        """What a listing says of the locks of a URL."""
        reply = self.wants(207, f"PROPFIND {url}", "Depth: 0", _XML, body=_DISCOVER)
        if reply.status != 207:
            return []
        texts = [one.text or "" for one in etree.fromstring(reply.body).iter(f"{_D}timeout")]
        found = [re.fullmatch(r"Second-(\d+)", text.strip()) for text in texts]
        return [int(match[1]) for match in found if match]

    def writes(self, url: str, *fields: str) -> None:
        """Write and read twice: each content has a tag of its own, and conditions tell by it."""
        tags: list[str] = []
        for _ in range(2):
            self._turn += 1
            body = b"content %d" % self._turn
            condition = [f"If-Match: {tags[-1]}"] if tags else []
            reply = self.ask(f"PUT {url}", *condition, *fields, body=body)
            if reply.status not in (201, 204):
                self._told.wrong("refused", f"PUT {url} was answered {reply.status}")
                return
            tag = reply["etag"]
            if (url, tag) in self._tags:
                self._told.wrong("repeated_tags", f"{url}: {tag} is of two contents")
            self._tags.add((url, tag))
            tags.append(tag)
            read = self.wants(200, f"GET {url}")
            if (read.headers.get("etag"), read.body) != (tag, body):
                self._told.wrong("refused", f"GET {url} gave another content or tag than PUT")
        self.wants(412, f"PUT {url}", f"If-Match: {tags[0]}", *fields, body=b"stale")


def stepped(place: Path, options: Namespace, told: Told, *, change: str = "") -> None:
    """Hold locks, step the clock, and look; at every other step the server is down."""
    (place / "root" / "folder").mkdir(parents=True)
    clock, asker = Clock(place), Asker(told)
    further = shlex.split(options.options)
    running = _started(place, clock, further, change)
    try:
        asker.port = running.port
        asker.writes("/free")
        locks = [asker.lock("/file", LONG), asker.lock("/folder", LONG, "infinity")]
        for number, offset in enumerate(_offsets(options)):
            short = asker.lock(f"/short-{number}", SHORT)
            if number % 2:
                _stop(running, signal.SIGKILL if number % 4 == 3 else signal.SIGTERM)
                clock.step(offset)
                running = _started(place, clock, further, change)
                asker.port = running.port
                told.count("restarts")
            else:
                clock.step(offset)
            told.count("steps")
            _look(asker, clock, locks, told)
            _watch(asker, short, told)
            for lock in locks:
                asker.refresh(lock)
        for lock in locks:
            asker.wants(204, f"UNLOCK {lock.url}", f"Lock-Token: <{lock.token}>")
        asker.writes("/file")
        asker.writes("/folder/member")
        _fall_silent(asker.port, clock, told)
    finally:
        _stop(running, signal.SIGTERM)


def _offsets(options: Namespace) -> list[int]:
    """A week and a day forward, the same back, and what the seed adds to it."""
    draw = random.Random(options.seed)
    drawn = [draw.randrange(-30 * DAY, 30 * DAY) for _ in range(options.steps)]
    return [8 * DAY, -8 * DAY, 8 * DAY, 0, *drawn][: options.steps]


def _started(place: Path, clock: Clock, further: Sequence[str], change: str) -> Running:
    return Altered(
        place / "root",
        *further,
        state=place / "state.db",
        change=f"{_SLEEP}\n{idle(PATIENCE)}\n{change}",
        environment=clock.environment,
    ).start()


def _stop(running: Running, how: int) -> None:
    if running.process.poll() is None:
        try:
            running.stop(how)
        finally:
            forget(running.process.pid)


def _look(asker: Asker, clock: Clock, locks: Sequence[Held], told: Told) -> None:
    """Every lock still holds, for as long as is left of it, and all else goes on."""
    date = parsedate_to_datetime(asker.wants(200, "HEAD /free")["date"]).timestamp()
    if abs(date - time.time() - clock.offset) > SLACK:
        told.wrong("not_stepped", f"the server's date is not {clock.offset:+} seconds away")
    for url in ("/file", "/folder/member", "/folder/none"):
        asker.wants(423, f"PUT {url}", body=b"without a token")
    asker.wants(423, "DELETE /folder/")
    for lock in locks:
        left = asker.seconds_left(lock.url)
        least = lock.seconds - (time.monotonic() - lock.asked) - 1
        if len(left) != 1 or not least <= left[0] <= lock.seconds:
            told.wrong("implausible", f"{lock.url}: {left} of {lock.seconds} seconds are left")
    file, folder = (f"If: <{lock.url}> (<{lock.token}>)" for lock in locks)
    asker.writes("/file", file)
    asker.writes("/folder/member", folder)
    asker.writes("/free")


def _watch(asker: Asker, lock: Held, told: Told) -> None:
    """A short lock ends when its time has passed, and not before."""
    while True:
        status = asker.ask(f"PUT {lock.url}", body=b"").status
        now = time.monotonic()
        if status == 423:
            if now > lock.granted + lock.seconds + SLACK:
                told.wrong("overlived", f"{lock.url}: locked beyond its {lock.seconds} seconds")
                return
            time.sleep(0.05)
        elif status != 204:
            told.wrong("refused", f"PUT {lock.url} was answered {status}")
            return
        else:
            if now < lock.asked + lock.seconds:
                told.wrong("vanished", f"{lock.url}: not locked for its {lock.seconds} seconds")
            return


def _fall_silent(port: int, clock: Clock, told: Told) -> None:
    """A connection that says nothing is ended in time, although the clock steps back."""
    with Talk(port) as connection:
        connection.send(talk.request("OPTIONS /"))
        assert connection.reply().status == 200
        clock.step(clock.offset - 8 * DAY)
        told.count("steps")
        connection.socket.settimeout(PATIENCE + SLACK)
        with suppress(ConnectionResetError):
            try:
                connection.socket.recv(1)
            except TimeoutError:
                told.wrong("never_ended", "a silent connection is not ended after a step back")

"""Clients that lock, write and unlock, and clients that write without asking."""

import threading
import time
from bisect import bisect_left
from dataclasses import dataclass

from lxml import etree

from tests.faults import contents
from tests.faults.fleet import Asked, Client
from tests.faults.told import Told

AREAS = ("/locks/0", "/locks/1")
TARGETS = (("", True), ("/f", False), ("/s", True), ("/s/g", False))
"""What is locked in an area, and whether with all below it."""
FILES = ("/f", "/s/g")
_XML = "Content-Type: application/xml"
_LOCKINFO = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
    "</D:locktype><D:owner>{}</D:owner></D:lockinfo>"
)
_DISCOVER = b'<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>'
_PATCH = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><t:note xmlns:t="urn:t">x</t:note></D:prop>'
    b"</D:set></D:propertyupdate>"
)
_D = "{DAV:}"


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock for as long as its holder is sure of it: from the answer of LOCK to the request of
    UNLOCK.
    """

    root: str
    deep: bool
    start: int
    end: int
    owner: str

    def covers(self, url: str) -> bool:
        return url == self.root or (self.deep and url.startswith(self.root + "/"))

    def overlaps(self, other: "Hold") -> bool:
        at_once = self.start < other.end and other.start < self.end
        return at_once and (self.covers(other.root) or other.covers(self.root))


class Locks:
    """Three players lock, the others write without a token."""

    players = 5
    holders = 3

    def __init__(self, told: Told) -> None:
        self._told = told
        self._mutex = threading.Lock()
        self._holds: list[Hold] = []
        self._intrusions: list[tuple[str, Asked]] = []

    def begin(self, client: Client) -> None:
        for url in ("/locks", "/free", *AREAS, *(f"{area}/s" for area in AREAS)):
            client.until_answered(f"MKCOL {url}")

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            if number < self.holders:
                self._hold(client, f"h{number}.{turn}")
            else:
                self._intrude(client, f"i{number}.{turn}")

    def _hold(self, client: Client, owner: str) -> None:
        area = client.random.choice(AREAS)
        below, deep = client.random.choice(TARGETS)
        root = area + below
        token = self._lock(client, root, deep, owner)
        if token is None:
            return
        start = time.monotonic_ns()
        files = [area + file for file in FILES if (area + file).startswith(root)]
        for turn in range(client.random.randrange(4)):
            self._use(client, client.random.choice(files), root, token, f"{owner}.{turn}")
        end = time.monotonic_ns()
        with self._mutex:
            self._holds.append(Hold(root, deep, start, end, owner))
        asked, first = client.until_answered(f"UNLOCK {root}", f"Lock-Token: <{token}>")
        if first and asked.status != 204:
            self._told.wrong("vanished_locks", f"{root}: UNLOCK by {owner}: {asked.status}")

    def _lock(self, client: Client, root: str, deep: bool, owner: str) -> str | None:
        """Ask for a lock once. Gives its token where it was granted."""
        depth = "Depth: infinity" if deep else "Depth: 0"
        info = _LOCKINFO.format(owner).encode()
        asked = client.ask(f"LOCK {root}", depth, "Timeout: Second-3600", _XML, body=info)
        if asked.reply and asked.status in (200, 201):
            self._told.count("locks")
            return asked.reply["lock-token"].strip("<>")
        if asked.reply and asked.status not in (423, 207, 503):
            self._told.wrong("unexpected", f"{asked.line} was answered {asked.status}")
        if asked.reply:
            return None
        # It was granted or not before its server died: what is shown now will not change.
        found, _ = client.until_answered(f"PROPFIND {root}", "Depth: 0", _XML, body=_DISCOVER)
        assert found.reply is not None
        if found.status == 207:
            for lock in etree.fromstring(found.reply.body).iter(f"{_D}activelock"):
                if lock.findtext(f"{_D}owner") == owner:
                    return (lock.findtext(f"{_D}locktoken/{_D}href") or "").strip()
        return None

    def _use(self, client: Client, url: str, root: str, token: str, name: str) -> None:
        """Write with the token, and read what nobody else can have written."""
        field = f"If: <{root}> (<{token}>)"
        asked = client.ask(f"PUT {url}", field, body=contents.content(name, 100))
        if asked.reply and asked.status not in (201, 204, 503):
            self._told.wrong("vanished_locks", f"{asked.line} with its token: {asked.status}")
        read = client.ask(f"GET {url}")
        if asked.status in (201, 204) and read.reply:
            found = contents.name(read.reply.body) if read.status == 200 else None
            if found != name:
                self._told.wrong("unguarded_writes", f"{url} is locked for {name} and has {found}")

    def _intrude(self, client: Client, name: str) -> None:
        area = client.random.choice(AREAS)
        url = area + client.random.choice(FILES)
        ways: tuple[tuple[str, str, list[str], bytes], ...] = (
            (url, f"PUT {url}", [], contents.content(name, 100)),
            (url, f"PROPPATCH {url}", [_XML], _PATCH),
            (url, f"DELETE {url}", [], b""),
            (url, f"MOVE {url}", [f"Destination: /free/{name}"], b""),
            (f"{area}/s/new", f"MKCOL {area}/s/new", [], b""),
            (f"{area}/s/new", f"DELETE {area}/s/new", [], b""),
        )
        guarded, line, fields, body = client.random.choice(ways)
        asked = client.ask(line, *fields, body=body)
        with self._mutex:
            self._intrusions.append((guarded, asked))

    def finish(self, client: Client) -> None:
        """No two holds overlap, and nothing was written within one."""
        del client
        holds = sorted(self._holds, key=lambda hold: hold.start)
        for number, hold in enumerate(holds):
            for later in holds[number + 1 :]:
                if later.start >= hold.end:
                    break
                if hold.overlaps(later):
                    sentence = f"{hold.root} of {hold.owner}, {later.root} of {later.owner}"
                    self._told.wrong("overlapping_locks", sentence)
        tried = sorted(self._intrusions, key=lambda one: one[1].start)
        starts = [asked.start for _, asked in tried]
        for hold in holds:
            for url, asked in tried[bisect_left(starts, hold.start) :]:
                if asked.start >= hold.end:
                    break
                if not hold.covers(url) or asked.end is None or asked.end > hold.end:
                    continue
                self._told.count("intrusions")
                if asked.status < 300:
                    sentence = f"{asked.line} was answered {asked.status} while it was locked"
                    self._told.wrong("unguarded_writes", sentence)

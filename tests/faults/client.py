"""One client of the load: it owns a collection and knows exactly what is in it."""

import re
from collections.abc import Callable, Mapping
from random import Random

from tests.faults import bodies, draws
from tests.faults.connection import Answer, Asked, Connection, Cut
from tests.faults.findings import TORN, WRONG, Findings
from tests.faults.model import Path, Thing, World, differing, is_within
from tests.faults.operations import Drawing, Operation

WRITES = frozenset({"PUT", "MKCOL", "DELETE", "MOVE", "COPY", "PROPPATCH", "LOCK", "UNLOCK"})
CLIENTS = 8
"""Numbers of contents are counted in steps of this: each client has its own."""
_PROPSTAT = re.compile(rb"HTTP/1\.1 (\d{3})")


class Unread(Exception):
    """An answer to a request that changes nothing was cut off."""


Turn = Callable[["Client"], None]


class Client:
    """``others`` are turns at what all share, which it takes now and then.

    What was acknowledged is in ``world``, what has been sent and not been answered is ``flying``,
    and ``strays`` are places of operations that were refused for no reason.
    """

    def __init__(
        self, number: int, seed: int, lacks: frozenset[str], findings: Findings, *others: Turn
    ) -> None:
        self.number = number
        self.top: Path = (f"t{number}",)
        self.world = World({self.top: Thing(None)})
        self.flying: Operation | None = None
        self.strays: set[Path] = set()
        self.tokens: dict[str, str] = {}
        self.etags: dict[Path, str] = {}
        self._stale: dict[Path, str] = {}
        self._contents: dict[tuple[str, str], int] = {}
        self._seed = seed
        self.chance = Random(seed)
        self._last = 0
        self._lacks = lacks
        self._findings = findings
        self._others = others
        self._line = Connection(0)

    def play(self, port: int, round: int, is_ending: Callable[[int], bool], turns: int = 0) -> None:
        """Send one operation after the other until the server is gone, or for some turns.
        ``is_ending`` says whether the connection from a port of one's own may end.
        """
        self.chance = Random(f"{self._seed} {round} {self.number}")
        done = 0
        with Connection(port) as self._line:
            while not turns or done < turns:
                done += 1
                try:
                    self._turn(port)
                except Unread as error:
                    if is_ending(self._line.own_port):
                        return
                    self._findings.add(WRONG, f"{error}")
                    self._line.close()
                except (OSError, Cut) as error:
                    if not is_ending(self._line.own_port):
                        doing = self.flying or "what is shared"
                        self._findings.add(WRONG, f"{doing}: not answered though alive: {error}")
                    return
        self._findings.count("turns_done")

    def new(self, small: bool) -> int:
        """The number of a new content, or of anything else that is to be unique."""
        while True:
            self._last += 1
            number = self._last * CLIENTS + self.number
            if not small or bodies.is_small(number):
                return number

    def ask(self, asked: Asked) -> Answer:
        try:
            answer = self._line.ask(asked)
        except Cut as error:
            raise Unread(f"{asked.method} {asked.url}: {error}") from error
        if asked.method == "GET" and answer.status == 200:
            self._observe(asked.url, answer)
        return answer

    def begun(self, asked: Asked) -> int:
        self._line.send(asked)
        status = self._line.status()
        if status < 300 and status != 207 and asked.method in WRITES:
            self._findings.count("acknowledged")
        return status

    def ended(self, asked: Asked, status: int) -> Answer:
        answer = self._line.rest(asked, status)
        if asked.method == "PUT" and status < 300:
            if "etag" in answer.headers:
                self._remember(asked.url, answer.headers["etag"], bodies.number(asked.body))
            else:
                self._findings.count("puts_without_etag")
        return answer

    def resume(self, world: World, tokens: Mapping[str, str], etags: Mapping[Path, str]) -> None:
        """Take what was found for what there must be from now on."""
        self.world = world
        self.tokens = {owner: tokens[owner] for owner in world.locks if owner in tokens}
        self.etags = {path: etag for path, etag in etags.items() if path in world}
        self.flying = None
        self.strays.clear()
        self._stale.clear()

    def _turn(self, port: int) -> None:
        if self._others and self.chance.random() < 0.2:
            self.chance.choice(self._others)(self)
            return
        given = Drawing(
            self.chance, self.world, port, self.new, self.tokens, self.etags, self._stale
        )
        self._do(draws.drawn(given, self._lacks))

    def _do(self, operation: Operation) -> None:
        """Send it; the status line settles it, except that a 207 has to be read."""
        asked = operation.asked
        if asked.method == "GET":
            self._read(operation, self.ask(asked))
            return
        self.flying = operation
        status = self.begun(asked)
        if status != 207:
            self._settle(operation, status)
            answer = self.ended(asked, status)
        else:
            answer = self.ended(asked, status)
            self._settle(operation, self._told(operation, answer))
        if status < 300 and operation.what in ("LOCK", "LOCK unmapped"):
            self.tokens[operation.owner] = answer.headers.get("lock-token", "").strip("<>")
        if status < 300 and asked.method == "PUT" and "etag" in answer.headers:
            self.etags[operation.path] = answer.headers["etag"]

    def _told(self, operation: Operation, answer: Answer) -> int:
        """The status that a 207 means: the greatest in it."""
        if operation.asked.method != "PROPPATCH":
            return 207
        worst = max((int(one) for one in _PROPSTAT.findall(answer.body)), default=500)
        if worst < 300:
            self._findings.count("acknowledged")
        return worst

    def _settle(self, operation: Operation, status: int) -> None:
        self.flying = None
        done = status < 300 and status != 207
        if done:
            self._forget_etags(operation)
            self.world = operation.after
        if done == bool(operation.refusal):
            if status == 503:
                self._findings.count("busy")
                return
            self._findings.add(WRONG, f"{operation}: {status}")
            self.strays |= set(differing(self.world.seen(), operation.after.seen()))
        elif not done:
            self._findings.count("refused")
            told = 207 if operation.asked.method == "PROPPATCH" and status in (403, 424) else status
            if told not in (operation.refusal, 503):
                self._findings.add(WRONG, f"{operation}: {status} instead of {operation.refusal}")

    def _read(self, operation: Operation, answer: Answer) -> None:
        """A file of one's own has the content that it must have."""
        if answer.status != 200:
            self._findings.add(WRONG, f"{operation}: {answer.status}")
            return
        found, wanted = bodies.number(answer.body), self.world.things[operation.path].content
        if found != wanted:
            kind = TORN if found == bodies.TORN else WRONG
            self._findings.add(kind, f"{operation}: found {found} instead of {wanted}")
        if "etag" in answer.headers:
            self.etags[operation.path] = answer.headers["etag"]

    def _observe(self, url: str, answer: Answer) -> None:
        if "etag" in answer.headers:
            self._remember(url, answer.headers["etag"], bodies.number(answer.body))

    def _remember(self, url: str, etag: str, content: int) -> None:
        """Two contents never share a strong ETag at one URL."""
        if etag.startswith("W/"):
            return
        if self._contents.setdefault((url, etag), content) != content:
            self._findings.add(WRONG, f"{url}: two contents with the ETag {etag}")

    def _forget_etags(self, operation: Operation) -> None:
        """What changes its place has another ETag there; a replaced content's is stale."""
        world, after = self.world.things, operation.after.things
        for path in [one for one in self.etags if world.get(one) != after.get(one)]:
            old = self.etags.pop(path)
            if operation.asked.method == "PUT":
                self._stale[path] = old
        if operation.target:
            places = (operation.path, operation.target)
            self.etags = {
                path: etag
                for path, etag in self.etags.items()
                if not any(is_within(path, place) for place in places)
            }

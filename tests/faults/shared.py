"""URLs that all clients write to: a chain of If-Match, a race of If-None-Match, and a lock.

Each knows what was acknowledged and what is under way, and judges what is found afterwards.
"""

from collections.abc import Mapping
from threading import Lock
from typing import Protocol

from tests.faults import bodies
from tests.faults.connection import Answer, Asked
from tests.faults.findings import LOST, LOST_LOCKS, LOST_UPDATES, TORN, WRONG, Findings
from tests.faults.model import Path, Seen
from tests.faults.operations import OCTETS, href, lock_fields, lockinfo


class Player(Protocol):
    """Whoever sends the requests."""

    number: int

    def new(self, small: bool) -> int:
        """The number of a new content."""

    def ask(self, asked: Asked) -> Answer:
        """Send and receive. Raises Cut or OSError."""

    def begun(self, asked: Asked) -> int:
        """Send, and give the status as soon as it is there. Raises Cut or OSError."""

    def ended(self, asked: Asked, status: int) -> Answer:
        """The rest of what was begun. Raises Cut or OSError."""


class Chain:
    """One file: each content is one step further than the one whose ETag its PUT has named."""

    kind = "PUT If-Match"

    def __init__(self, path: Path, findings: Findings, first: int) -> None:
        self.path = path
        self._findings = findings
        self._lock = Lock()
        self._steps = {first: 0}
        self._acked = {0: {first}}
        self._flying: dict[int, int] = {}

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def turn(self, player: Player) -> None:
        """Read a step, write the next."""
        top = max(self._acked)
        answer = player.ask(Asked("GET", href(self.path), {}))
        found = bodies.number(answer.body) if answer.status == 200 else None
        step = self._step(found)
        if found is None or step is None:
            kind = TORN if found in bodies.BROKEN else LOST
            self._findings.add(kind, f"{href(self.path)}: step {top} was there, now {found}")
            return
        if step < top:
            # Nothing has ended: whoever wrote this named a step that was no longer there.
            self._findings.add(LOST_UPDATES, f"{href(self.path)}: from step {top} to {step}")
            self._acked = {step: {found}}
            return
        number = player.new(False)
        self._steps[number] = step + 1
        fields = {**OCTETS, "If-Match": answer.headers.get("etag", "*")}
        asked = Asked("PUT", href(self.path), fields, bodies.body(number))
        self._flying[player.number] = number
        status = player.begun(asked)
        with self._lock:
            if status < 300 and step + 1 in self._acked:
                self._findings.add(LOST_UPDATES, f"{href(self.path)}: step {step + 1} twice")
            if status < 300:
                self._acked.setdefault(step + 1, set()).add(number)
            del self._flying[player.number]
        player.ended(asked, status)

    def judge(self, found: Mapping[Path, Seen]) -> Asked | None:
        """Judge what is found. Gives a request that begins anew where there is nothing to go on
        from.
        """
        seen = found.get(self.path)
        number = seen.content if seen else None
        top, step = max(self._acked), self._step(number)
        if number in bodies.BROKEN:
            self._findings.add(TORN, f"{href(self.path)}: content {number}")
        elif step is None or step < top or (step == top and number not in self._acked[top]):
            self._findings.add(LOST, f"{href(self.path)}: step {top}, found {step}")
        elif step > top and number not in self._flying.values():
            self._findings.add(WRONG, f"{href(self.path)}: step {step} was refused")
        self._flying.clear()
        if number is None or step is None:
            number = min(self._acked[top])
            self._acked = {top: {number}}
            return Asked("PUT", href(self.path), OCTETS, bodies.body(number))
        self._acked = {step: {number}}
        return None

    def _step(self, number: int | None) -> int | None:
        return None if number is None else self._steps.get(number)


class Claims:
    """Names that everybody wants to be the first at."""

    kind = "PUT If-None-Match"
    PREFIX = "first-"

    def __init__(self, top: Path, findings: Findings) -> None:
        self.top = top
        self._findings = findings
        self._lock = Lock()
        self._next = 0
        self._won: dict[int, set[int]] = {}
        self._refused: set[int] = set()
        self._flying: dict[int, tuple[int, int]] = {}

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def turn(self, player: Player) -> None:
        """Claim the next name."""
        name, number = self._next, player.new(False)
        fields = {**OCTETS, "If-None-Match": "*"}
        asked = Asked("PUT", href(self._path(name)), fields, bodies.body(number))
        self._flying[player.number] = (name, number)
        status = player.begun(asked)
        with self._lock:
            if status < 300:
                self._won.setdefault(name, set()).add(number)
                if len(self._won[name]) > 1:
                    self._findings.add(LOST_UPDATES, f"{asked.url}: two have been the first")
            elif status == 412:
                self._refused.add(name)
            self._next = max(self._next, name + 1)
            del self._flying[player.number]
        player.ended(asked, status)

    def judge(self, found: Mapping[Path, Seen]) -> list[Asked]:
        """Judge what is found. Gives requests that take it away."""
        flying: dict[int, set[int | None]] = {}
        for name, number in self._flying.values():
            flying.setdefault(name, set()).add(number)
        for name in sorted(self._won.keys() | self._refused | flying.keys()):
            seen = found.get(self._path(name))
            content = seen.content if seen else None
            may: set[int | None] = set(self._won.get(name, ()))
            if name not in self._won:
                may = flying.get(name, set()) | (set() if name in self._refused else {None})
            if content in bodies.BROKEN:
                self._findings.add(TORN, f"{href(self._path(name))}: content {content}")
            elif content not in may:
                self._findings.add(
                    LOST, f"{href(self._path(name))}: found {content}, not one of {may}"
                )
        self._won.clear()
        self._refused.clear()
        self._flying.clear()
        names = [
            path for path in found if path[:-1] == self.top and path[-1].startswith(self.PREFIX)
        ]
        self._next += 1
        return [Asked("DELETE", href(path), {}) for path in names]

    def _path(self, name: int) -> Path:
        return (*self.top, f"{self.PREFIX}{name}")


class Gate:
    """A file that only the holder of its exclusive lock writes to."""

    kind = "LOCK by turns"

    def __init__(self, path: Path, findings: Findings, first: int) -> None:
        self.path = path
        self._findings = findings
        self._lock = Lock()
        self._content = first
        self._holder = ""
        self._locking: dict[int, str] = {}
        self._unlocking: dict[int, str] = {}
        self._writing: dict[int, int] = {}

    @property
    def in_flight(self) -> int:
        return len(self._locking) + len(self._unlocking) + len(self._writing)

    def turn(self, player: Player) -> None:
        """Lock, write and unlock; go away where somebody else holds the lock."""
        owner = f"gate-{player.new(True)}"
        asked = Asked("LOCK", href(self.path), lock_fields(False), lockinfo(owner))
        self._locking[player.number] = owner
        status = player.begun(asked)
        with self._lock:
            if status < 300 and self._holder:
                self._findings.add(WRONG, f"{asked.url}: two exclusive locks")
            if status < 300:
                self._holder = owner
            del self._locking[player.number]
        token = player.ended(asked, status).headers.get("lock-token", "")
        if status < 300:
            self._write(player, token)
            self._unlock(player, token, owner)

    def _write(self, player: Player, token: str) -> None:
        number = player.new(False)
        fields = {**OCTETS, "If": f"({token})"}
        asked = Asked("PUT", href(self.path), fields, bodies.body(number))
        self._writing[player.number] = number
        status = player.begun(asked)
        if status < 300:
            self._content = number
        elif status != 503:
            self._findings.add(WRONG, f"{asked.url}: {status} for the holder of the lock")
        del self._writing[player.number]
        player.ended(asked, status)

    def _unlock(self, player: Player, token: str, owner: str) -> None:
        asked = Asked("UNLOCK", href(self.path), {"Lock-Token": token})
        with self._lock:
            self._unlocking[player.number] = owner
            self._holder = ""
        status = player.begun(asked)
        with self._lock:
            if status >= 300:
                self._holder = self._holder or owner
            del self._unlocking[player.number]
        player.ended(asked, status)

    def judge(self, found: Mapping[Path, Seen], tokens: Mapping[str, str]) -> list[Asked]:
        """Judge what is found. Gives requests that begin anew: nobody holds the lock."""
        seen = found.get(self.path, Seen(None, 0, frozenset()))
        may = {self._content, *self._writing.values()}
        if seen.content in bodies.BROKEN:
            self._findings.add(TORN, f"{href(self.path)}: content {seen.content}")
        elif seen.content not in may:
            self._findings.add(LOST, f"{href(self.path)}: found {seen.content} instead of {may}")
        held = {*self._locking.values(), *self._unlocking.values(), self._holder} - {""}
        if self._holder and self._holder not in seen.owners:
            self._findings.add(LOST_LOCKS, href(self.path))
        if len(seen.owners) > 1 or seen.owners - held:
            self._findings.add(WRONG, f"{href(self.path)}: locks of {sorted(seen.owners)}")
        for record in (self._locking, self._unlocking, self._writing):
            record.clear()
        self._holder = ""
        wanted = [
            Asked("UNLOCK", href(self.path), {"Lock-Token": f"<{tokens[owner]}>"})
            for owner in sorted(seen.owners)
            if owner in tokens
        ]
        if seen.content is None or seen.content in bodies.BROKEN:
            wanted.append(Asked("PUT", href(self.path), OCTETS, bodies.body(self._content)))
        else:
            self._content = seen.content
        return wanted

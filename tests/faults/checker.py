"""Holds what is found after a restart against what was acknowledged and what was under way."""

import re
import time
from collections.abc import Mapping
from pathlib import Path as FilePath

from tests.faults import bodies, view
from tests.faults.client import Client
from tests.faults.connection import Asked
from tests.faults.findings import (
    HALF_DONE,
    LEFTOVERS,
    LOST,
    LOST_LOCKS,
    ORPHAN_ROWS,
    TORN,
    WRONG,
    Findings,
)
from tests.faults.load import SHARED, Load
from tests.faults.model import Held, Path, Seen, Thing, World, differing, is_within
from tests.faults.operations import href
from tests.faults.servers import Server
from tests.faults.view import Rows, Shown, Stored

IDLE = 10.0
"""Seconds within which trash is emptied."""
_ALARMS = ("Traceback", " ERROR ", " CRITICAL ")
_EXPECTED = re.compile(r"worker \d+ \(process \d+\) was ended by SIGKILL; another one starts now")
"""What a master says of a worker that was killed alone."""


class Checker:
    """Checks a server in a place, and lets the load go on from what is there."""

    def __init__(self, server: Server, place: FilePath, load: Load, findings: Findings) -> None:
        self._server = server
        self._place = place
        self._load = load
        self._findings = findings
        self._read = 0
        self._told: set[str] = set()

    def check(self, port: int) -> None:
        """Look at everything. Nobody plays meanwhile. Raises Cut or OSError."""
        owners = {
            token: owner for client in self._load.clients for owner, token in client.tokens.items()
        }
        shown = view.shown(port, self._server.lacks, owners, self._findings)
        self._findings.count("in_flight", self._load.in_flight())
        self._compare_tree(shown, self._idle())
        if self._server.has_state:
            compare_rows(shown, self._rows(), self._findings, self._told, self._under_way())
            self._read_log()
        again = []
        for client in self._load.clients:
            again += self._judge(client, shown)
        again += self._judge_shared(shown)
        self._load.send(port, again)

    def _judge(self, client: Client, shown: Shown) -> list[Asked]:
        """One client's own collection. Gives requests without which it cannot go on."""
        seen = below(shown.seen, client.top)
        world = settled(client, seen, self._findings)
        client.resume(world, shown.tokens, shown.etags)
        if client.top in seen:
            return []
        client.resume(World({client.top: Thing(None)}), {}, {})
        return [Asked("MKCOL", href(client.top, slash=True), {})]

    def _judge_shared(self, shown: Shown) -> list[Asked]:
        load, again = self._load, []
        if SHARED not in shown.seen:
            self._findings.add(LOST, href(SHARED))
            again.append(Asked("MKCOL", href(SHARED, slash=True), {}))
        if asked := load.chain.judge(shown.seen):
            again.append(asked)
        return again + load.claims.judge(shown.seen) + load.gate.judge(shown.seen, shown.tokens)

    def _compare_tree(self, shown: Shown, stored: Stored) -> None:
        """What is listed is what lies there, less the server's own names."""
        for name in sorted(set(stored.passing) - self._told):
            self._findings.add(LEFTOVERS, f"{name}{self._under_way()}")
        self._told.update(stored.passing)
        for name in sorted({href(path) for path in stored.lone} - self._told):
            self._findings.add(ORPHAN_ROWS, f"{name}{self._under_way()}")
            self._told.add(name)
        listed = {path: one.content for path, one in shown.seen.items()}
        for path in sorted(listed.keys() | stored.contents.keys()):
            pair = listed.get(path, "nothing"), stored.contents.get(path, "nothing")
            if pair[0] != pair[1]:
                self._findings.add(WRONG, f"{href(path)}: {pair[0]} by HTTP, {pair[1]} on the disk")

    def _under_way(self) -> str:
        """What had not been answered, for whoever looks for the cause."""
        flying = [str(one.flying) for one in self._load.clients if one.flying is not None]
        return f" (under way: {'; '.join(flying)})" if flying else ""

    def _idle(self) -> Stored:
        """What lies there once nothing passes by any more but what is known to stay."""
        until = time.monotonic() + IDLE
        while True:
            stored = view.stored(self._place, self._server)
            if self._told.issuperset(stored.passing) or time.monotonic() > until:
                return stored
            time.sleep(0.01)

    def _rows(self) -> Rows:
        """The rows once no intent is left but what is known to stay."""
        until = time.monotonic() + IDLE
        while True:
            rows = view.rows(self._place / "state.db", self._place / "root")
            known = {f"intent {number}" for number in rows.intents} <= self._told
            if known or time.monotonic() > until:
                return rows
            time.sleep(0.01)

    def _read_log(self) -> None:
        """Nothing has failed within the server."""
        with (self._place / "server.log").open("rb") as log:
            log.seek(self._read)
            text = log.read()
            self._read += len(text)
        for line in text.decode(errors="replace").splitlines():
            if any(alarm in line for alarm in _ALARMS) and not _EXPECTED.search(line):
                self._findings.add(WRONG, f"logged: {line}")


def compare_rows(
    shown: Shown, rows: Rows, findings: Findings, told: set[str], under_way: str = ""
) -> None:
    """What the database holds is what is shown. ``told`` is what was told before: it stays."""
    kept = {f"intent {number}" for number in rows.intents}
    for name in sorted(kept - told):
        findings.add(LEFTOVERS, f"{name}{under_way}")
    if rows.damage:
        findings.add(WRONG, f"integrity_check: {rows.damage}")
    lone = {href(path) for path in (*rows.properties, *rows.locks.values()) if path}
    lone -= {href(path) for path in shown.seen}
    for name in sorted(lone - told):
        findings.add(ORPHAN_ROWS, f"{name}{under_way}")
    for path, one in shown.seen.items():
        wanted, found = 2 if one.pair else 0, rows.properties.get(path, 0)
        if one.pair != bodies.TORN and found != wanted:
            findings.add(WRONG, f"{href(path)}: {found} rows for {wanted} properties")
    differing = set(rows.locks) ^ set(shown.tokens.values())
    for token in sorted(differing - told):
        findings.add(WRONG, f"only a row or only an answer has the lock {token}")
    told |= kept | differing | lone


def below(seen: Mapping[Path, Seen], top: Path) -> dict[Path, Seen]:
    return {path: one for path, one in seen.items() if is_within(path, top)}


def settled(client: Client, seen: Mapping[Path, Seen], findings: Findings) -> World:
    """The world that a client can go on from: that of all acknowledged operations, or the one with
    the operation under way. What is neither is a finding, and taken as it is.
    """
    may = [client.world]
    if client.flying is not None and not client.flying.refusal:
        may.append(client.flying.after)
    for world in may:
        if world.seen() == seen:
            return world
    nearest = min(may, key=lambda world: len(differing(world.seen(), seen)))
    _tell(client, nearest, seen, findings)
    things = {path: Thing(one.content, one.pair) for path, one in seen.items()}
    return World(things, _locks(nearest, seen))


def _locks(nearest: World, seen: Mapping[Path, Seen]) -> dict[str, Held]:
    """The locks that are there, those that should not be as far as they can be told."""
    covered: dict[str, list[Path]] = {}
    for path, one in seen.items():
        for owner in one.owners:
            covered.setdefault(owner, []).append(path)
    return {
        owner: nearest.locks.get(owner, Held(min(paths, key=len), len(paths) > 1))
        for owner, paths in covered.items()
    }


def _tell(client: Client, nearest: World, seen: Mapping[Path, Seen], findings: Findings) -> None:
    """Every difference by its kind; all those of one operation under way are one."""
    flying, wanted = client.flying, nearest.seen()
    touched: set[Path] = set()
    mine: set[str] = set()
    if flying is not None and not flying.refusal:
        touched = set(differing(client.world.seen(), flying.after.seen()))
        mine = set(flying.after.locks) ^ set(client.world.locks)
    halves = []
    for path in differing(wanted, seen):
        must, found = wanted.get(path), seen.get(path)
        if _is_torn(must, found):
            findings.add(TORN, f"{href(path)}: {_said(must, found)}")
        elif must and found and (must.content, must.pair) == (found.content, found.pair):
            if must.owners ^ found.owners <= mine:
                halves.append(path)
        elif path in touched:
            halves.append(path)
        elif path in client.strays:
            findings.add(WRONG, f"{href(path)}: refused, and yet {_said(must, found)}")
        else:
            findings.add(LOST, f"{href(path)}: {_said(must, found)}")
    if halves:
        places = ", ".join(
            f"{href(path)}: {_said(wanted.get(path), seen.get(path))}" for path in halves
        )
        findings.add(HALF_DONE, f"{flying}: {places}")
    told = {owner for one in wanted.values() for owner in one.owners}
    there = {owner for one in seen.values() for owner in one.owners}
    for owner in sorted(told - there - mine):
        findings.add(LOST_LOCKS, f"{owner} on {href(nearest.locks[owner].root)}")
    for owner in sorted(there - told - mine):
        findings.add(WRONG, f"a lock that was given back: {owner}")


def _is_torn(must: Seen | None, found: Seen | None) -> bool:
    """What nobody wrote, or a file that has lost its content."""
    if found is None:
        return False
    if bodies.TORN in (found.content, found.pair):
        return must is None or (found.content, found.pair) != (must.content, must.pair)
    return bool(found.content == bodies.EMPTY and must and must.content)


def _said(must: Seen | None, found: Seen | None) -> str:
    return f"must be {_short(must)}, is {_short(found)}"


def _short(one: Seen | None) -> str:
    if one is None:
        return "nothing"
    what = "a collection" if one.content is None else f"content {one.content}"
    pair = f", properties {one.pair}" if one.pair else ""
    return f"{what}{pair}{', locked' if one.owners else ''}"

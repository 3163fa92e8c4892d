"""Kills a request at each of its steps, recovers, and compares what is there then."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from davserver.protocol.paths import Path
from tests.share.cases import Case
from tests.share.dying import ENDED, FAILED, KILLED, Dying, forked
from tests.share.ground import Ground, World, asking


@dataclass
class Crashes:
    """Crashes of one request on a ground. ``killed`` and ``recoveries`` count how often the
    request, and the recovery after it, were ended by force. With ``has_others`` it is no start that
    recovers, but a server that goes on.
    """

    ground: Ground
    case: Case
    killed: int = 0
    recoveries: int = 0
    has_others: bool = False

    def all(self, *, twice: bool = False) -> int:
        """A kill at every step, and with ``twice`` another at every step of each recovery. Gives
        how many there were. Raises AssertionError that tells of all which went wrong.
        """
        old, new = self._ends()
        wrong: list[str] = []
        at = 0
        code = KILLED
        while code != ENDED:
            at += 1
            again, recovering = 0, KILLED
            while recovering != ENDED:
                again += 1
                self.ground.build(self.case.world)
                code = self.request(at)
                recovering = self.recovery(again if twice else 0)
                if recovering != ENDED:
                    self.recoveries += 1
                    assert self.recovery(0) == ENDED
                where = f"step {at}, then {again}" if twice else f"step {at}"
                wrong += (f"{where}: {one}" for one in self._complaints(old, new, code))
            self.killed += code != ENDED
        assert not wrong, f"{len(wrong)} of {at}:\n" + "\n".join(wrong)
        return self.killed + self.recoveries

    def request(self, at: int) -> int:
        """One request that dies at a step, in a process of its own. Gives how that has ended."""

        def run(dying: Dying) -> int:
            case = self.case
            with self.ground.served() as shares:
                ask = asking(shares)
                dying.begin()
                status = ask(case.method, case.url, case.headers, case.body)
                if status != case.status:
                    os.write(2, f"{case}: answered with {status}\n".encode())
                    return FAILED
                dying.is_answered = True
                self.ground.rest(shares)
                dying.end()
            return ENDED

        return self._forked(at, run)

    def recovery(self, at: int) -> int:
        """The next start, which may die, too, until it has recovered."""

        def run(dying: Dying) -> int:
            with self.ground.served() as shares:
                dying.begin()
                if not self.has_others:
                    shares.recover()
                dying.end()
                self.ground.rest(shares)
            return ENDED

        return self._forked(at, run)

    def _forked(self, at: int, run: Callable[[Dying], int]) -> int:
        def do() -> int:
            dying = Dying(at, no_flags=not self.ground.way.flags)
            dying.patch()
            return run(dying)

        return forked(do)

    def _ends(self) -> tuple[World, World]:
        """What is there before the request, and after it when nobody dies."""
        self.ground.build(self.case.world)
        old = self.ground.seen()
        assert self.request(0) == ENDED
        new = self.ground.seen()
        for world in (old, new):
            assert world.is_clean, f"even without a crash: {_unclean(world)}"
        assert old.stored != new.stored
        return old, new

    def _complaints(self, old: World, new: World, code: int) -> list[str]:
        seen = self.ground.seen()
        found = [] if seen.is_clean else [_unclean(seen)]
        if code == FAILED:
            found.append("the request has failed otherwise")
        elif code != KILLED and seen.stored != new.stored:
            found.append(f"it was answered, and is not done: {_differences(new, seen)}")
        elif self.case.walks:
            found += halves(self.case, old, new, seen)
        elif seen.stored not in (old.stored, new.stored):
            was, will = _differences(old, seen), _differences(new, seen)
            found.append(f"neither the old state ({was}) nor the new one ({will})")
        return found


def _unclean(world: World) -> str:
    lost = sorted("/".join(path) for path in world.lost)
    return f"lost rows {lost}, intents {world.intents}, leftovers {sorted(world.leftovers)}"


def _differences(wanted: World, seen: World) -> str:
    paths = {*wanted.things, *seen.things}
    found = ["/".join(path) for path in paths if wanted.things.get(path) != seen.things.get(path)]
    if sorted(wanted.locks.values()) != sorted(seen.locks.values()):
        found.append("locks")
    return ", ".join(sorted(found))


def halves(case: Case, old: World, new: World, seen: World) -> list[str]:
    """What is wrong with a walk that was ended: each member is whole, and in one place; what was
    in nobody's way is where it was.
    """
    found: list[str] = []
    target: Path = tuple(filter(None, case.headers.get("Destination", "").split("/")))
    for path, thing in old.things.items():
        if path[: len(case.source)] != case.source:
            continue
        there = target + path[len(case.source) :]
        here, moved = seen.things.get(path), seen.things.get(there) if target else None
        if here not in (None, thing):
            found.append(f"{path} has changed")
        if target and thing.content is None:
            if thing not in (here, moved):
                found.append(f"{path} is lost")
        elif target and (here is None) == (moved is None):
            found.append(f"{path} is {'in no place' if here is None else 'in both places'}")
        elif target and moved not in (None, thing):
            found.append(f"{path} has arrived otherwise")
    allowed = {*old.things, *new.things}
    found += [f"{path} is new" for path in seen.things if path not in allowed]
    found += [f"the lock {token} is lost" for token in new.locks if token not in seen.locks]
    return found

"""Many clients write at once through several processes, of which some are killed.

Three davservers serve one tree with one state file; every two seconds one of them is killed and
another one started. Each game has its own URLs and its own law, and judges what its players have
been answered when all is over.
"""

import random
import shlex
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.faults import leftovers
from tests.faults.fleet import Client, Fleet
from tests.faults.holders import Locks
from tests.faults.movers import Moves
from tests.faults.proof import Report
from tests.faults.registers import Counters, Registers, Winners
from tests.faults.told import Told


class Game(Protocol):
    """What some clients do with URLs of their own, and what must come of it."""

    players: int

    def begin(self, client: Client) -> None:
        """Make what is there before."""

    def play(self, client: Client, number: int, stop: threading.Event) -> None:
        """What the player of that number does until the end."""

    def finish(self, client: Client) -> None:
        """Judge, when all players have ended."""


GAMES: Mapping[str, Callable[[Told], Game]] = {
    "registers": Registers,
    "counters": Counters,
    "winners": Winners,
    "locks": Locks,
    "moves": Moves,
}
FIGURES = (
    *("requests", "unknown", "busy", "kills", "histories", "unexplained", "torn_reads"),
    *("mixed_tags", "accepted", "counted", "counted_without_answer", "lost_updates", "rounds"),
    *("double_winners", "locks", "overlapping_locks", "intrusions", "unguarded_writes"),
    *("vanished_locks", "moves", "looks", "both_or_neither", "server_errors", "unexpected"),
    *("dropped", "left_over"),
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=24, help="how long they play (24)")
    parser.add_argument("--pause", type=float, default=2, help="seconds between two kills (2)")
    parser.add_argument("--processes", type=int, default=3, help="servers (3)")
    parser.add_argument("--games", default=",".join(GAMES), help="with commas (%(default)s)")
    parser.add_argument("--options", default="", help="further options for davserver")


def run(options: Namespace) -> Report:
    """Carry it out; ``--server`` is davserver, as no other one shares its state."""
    if options.server != "davserver":
        why = f"{options.server} has no state that several processes share"
        return Report("race", options.server, options.seed, skipped=why)
    told = raced(Run.of(options))
    figures = told.figures(FIGURES)
    return Report("race", options.server, options.seed, figures, tuple(told.violations))


@dataclass(frozen=True, slots=True)
class Run:
    """A race: ``change`` and ``apart`` spoil the servers, for the controls."""

    seed: int
    seconds: float
    pause: float
    processes: int
    games: Sequence[str]
    options: Sequence[str] = ()
    change: str = ""
    apart: bool = False

    @classmethod
    def of(cls, options: Namespace, *, change: str = "", apart: bool = False) -> "Run":
        return cls(
            options.seed,
            options.seconds,
            options.pause,
            options.processes,
            options.games.split(","),
            shlex.split(options.options),
            change,
            apart,
        )


def raced(race: Run) -> Told:
    """Play, kill, and judge."""
    told = Told()
    games = [GAMES[name](told) for name in race.games]
    with tempfile.TemporaryDirectory(prefix="davserver-race-") as made:
        place = Path(made)
        fleet = Fleet(place, race.processes, race.options, change=race.change, apart=race.apart)
        with fleet:
            referee = Client(fleet, told, f"{race.seed}")
            for game in games:
                game.begin(referee)
            _play(race, games, fleet, told)
            for game in games:
                game.finish(referee)
            referee.close()
        for state in dict.fromkeys(fleet.states):
            _clear_away(fleet, state)
            for sentence in leftovers.of(fleet.root, state):
                told.wrong("left_over", sentence)
    return told


def _play(race: Run, games: Sequence[Game], fleet: Fleet, told: Told) -> None:
    stop, threads, failures = threading.Event(), [], list[BaseException]()

    def play(game: Game, name: str, number: int) -> None:
        client = Client(fleet, told, f"{race.seed} {name} {number}")
        try:
            game.play(client, number, stop)
        except BaseException as error:
            failures.append(error)
            stop.set()
        finally:
            client.close()

    for name, game in zip(race.games, games, strict=True):
        for number in range(game.players):
            threads.append(threading.Thread(target=play, args=(game, name, number)))
    for thread in threads:
        thread.start()
    draw, end = random.Random(race.seed), time.monotonic() + race.seconds
    try:
        while not stop.wait(min(race.pause, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end:
                break
            fleet.kill(draw.randrange(race.processes))
            told.count("kills")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def _clear_away(fleet: Fleet, state: Path) -> None:
    """Start one server once more, and give it the time to take away what the others have left."""
    with fleet.alone(state):
        leftovers.cleared(fleet.root)

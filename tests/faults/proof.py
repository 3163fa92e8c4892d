"""What a proof of durability gives: figures, and the violations that it has found."""

import importlib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

PROOFS: Mapping[str, str] = {
    "kills": "kill -9 at random moments of a mixed load over HTTP",
    "power": "power cuts: snapshots of an ext4 image, mounted and recovered",
    "syscalls": "every system call of every verb fails in turn",
    "full": "disk full, limits of size and descriptors, a disk that turns read-only",
    "cuts": "connections cut after every byte of a session",
    "race": "many writers in several processes, of which some are killed",
    "links": "a symbolic link is exchanged for a directory while it is asked for",
    "clocks": "the clock steps by days while locks are held",
    "mutants": "seeded bugs, each caught by a named test",
}
"""Each is a module of this folder, and a sub-command of `python -m tests.faults`."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one proof on one server.

    ``figures`` are counts by name, in the order in which they are told. ``violations`` are
    sentences, one each; none means that the promise held. ``skipped`` says why nothing was run.
    """

    proof: str
    server: str
    seed: int
    figures: Mapping[str, int | float | str] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    skipped: str = ""


class Proof(Protocol):
    """What each module of a proof has."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Add its options; each has the short size of CI as its default."""

    def run(self, options: Namespace) -> Report:
        """Carry it out. ``options.seed`` decides what is drawn, ``options.server`` names the server
        (`davserver`, or one of those that the proof's own help lists).
        """


def load(name: str) -> Proof:
    """The module of a proof."""
    found: Proof = importlib.import_module(f"tests.faults.{name}")
    return found

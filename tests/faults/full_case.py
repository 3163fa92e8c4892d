"""What the cases of a disk that takes no more have in common: a served folder, and a draw."""

import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import remains
from tests.faults.ledger import Ledger
from tests.running import Running

FULL = 507
DENIED = 403
BUSY = 503
FAILED = 500
KIB = 1 << 10
MIB = 1 << 20


@dataclass(slots=True)
class Served:
    """A server over ``root`` and what it has acknowledged."""

    root: Path
    state: Path
    log: Path
    command: Sequence[str] = ()
    options: Sequence[str] = ()
    ledger: Ledger = field(init=False)
    running: Running = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(lambda: self.running.port)
        self.start()

    @property
    def pid(self) -> int:
        """The process of the one worker, which a limit is set for."""
        (pid,) = self.running.workers
        return pid

    def start(self) -> None:
        """Start it; ``command`` is what it is started by."""
        self.running = Running(self.root, *self.options, "--workers", "1", state=self.state)
        self.running.log = self.log
        self.running.command = [*self.command, *self.running.command]
        self.running.start()

    def kill(self) -> None:
        """Kill it, if it is there still."""
        if self.running.process.returncode is None:
            self.running.stop(signal.SIGKILL)

    def end(self) -> None:
        """What is true at the end of every case: all that was acknowledged is there, before and
        after the server was killed, and nothing is left over; nor is the trash after its stop.
        """
        ledger = self.ledger
        if not self.running.is_whole:
            ledger.violations.append("the server has ended")
            return
        ledger.check()
        self._leave_nothing()
        self.kill()
        self.start()
        ledger.check()
        self._leave_nothing()
        self.running.stop()
        self._leave_nothing(clean=True)

    def _leave_nothing(self, *, clean: bool = False) -> None:
        for name in remains.left(self.root, self.state, clean=clean):
            self.ledger.counts["leftovers"] += 1
            self.ledger.violations.append(f"left over: {name}")


@contextmanager
def served(
    root: Path, state: Path, log: Path, command: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[Served]:
    """Serve ``root`` until the block ends."""
    root.mkdir(exist_ok=True)
    one = Served(root, state, log, command, options)
    try:
        yield one
    finally:
        one.kill()


@dataclass(slots=True)
class Draw:
    """Contents and sizes out of a seed."""

    chance: random.Random
    drawn: int = 0

    def content(self, size: int) -> bytes:
        """Content that no other has."""
        self.drawn += 1
        return b"%d\n" % self.drawn + self.chance.randbytes(max(0, size - 8))

    def text(self, size: int) -> str:
        """A value for a property."""
        self.drawn += 1
        return f"{self.drawn} {self.chance.randbytes(size // 2).hex()}"

    def size(self, least: int, most: int) -> int:
        """As many small ones as large ones."""
        power = self.chance.uniform(least.bit_length(), most.bit_length())
        return max(least, min(most, int(2.0 ** (power - 1))))

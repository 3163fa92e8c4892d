"""Exchanges two names of a directory as fast as it can, in a process of its own.

    python swapper.py FOLDER ONE OTHER [FOLDER ONE OTHER ...]

It ends by SIGTERM, or when a name is gone, and then prints how often it has exchanged a pair.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXCHANGE = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """Two names of a folder."""

    folder: Path
    one: str
    other: str


class Swapper:
    """The process; a context manager that ends it. Afterwards ``swaps`` says how often it has
    exchanged a pair, and ``lasted`` whether it has gone on until it was told to end.
    """

    def __init__(self, *pairs: Pair) -> None:
        self.swaps = 0
        self.lasted = False
        self._command = [sys.executable, "-I", "-S", __file__]
        for pair in pairs:
            self._command += [str(pair.folder), pair.one, pair.other]

    def __enter__(self) -> "Swapper":
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        self.lasted = self._process.poll() is None
        self._process.terminate()
        said, _error = self._process.communicate()
        self.swaps = int(said)


def main(given: Sequence[str]) -> None:
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    pairs = []
    for folder, one, other in zip(given[::3], given[1::3], given[2::3], strict=True):
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        pairs.append((found, os.fsencode(one), found, os.fsencode(other), EXCHANGE))
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    print("ready", flush=True)
    swaps = 0
    while not stopped and not any(exchange(*pair) for pair in pairs):
        swaps += len(pairs)
    print(swaps)


if __name__ == "__main__":
    main(sys.argv[1:])

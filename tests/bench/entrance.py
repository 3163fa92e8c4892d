"""How threads of several processes wait for a commit section that all of them want at once.

The clock tells how long each waits; but a thread that the machine does not run waits too, however
fair the section is. So it is also counted how many others entered meanwhile, which says who was
passed by, whatever else runs on the machine.
"""

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tests.bench.direct import Enter, opened

PROCESSES, THREADS = 2, 8
TOGETHER = 1.0
"""Seconds until every process is up, and all begin."""


class Visit(NamedTuple):
    """One section: when it was asked for and when it was entered, on the clock of the machine."""

    asked: float
    entered: float

    @property
    def waited(self) -> float:
        return self.entered - self.asked


def crowded(root: Path, state: Path, seconds: float) -> list[Visit]:
    """Let all threads in all processes enter sections as fast as they can."""
    begin = time.monotonic() + TOGETHER
    end = begin + seconds
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(_crowd, root, state, begin, end) for _ in range(PROCESSES)]
        return [visit for each in asked for visit in each.result()]


def together(enter: Enter, threads: int, begin: float, end: float) -> list[Visit]:
    """Let threads of this process enter from ``begin`` to ``end``, on the monotonic clock."""
    visits: list[list[Visit]] = [[] for _ in range(threads)]

    def run(own: list[Visit]) -> None:
        time.sleep(max(0, begin - time.monotonic()))
        while time.monotonic() < end:
            asked = time.monotonic()
            with enter():
                own.append(Visit(asked, time.monotonic()))

    running = [threading.Thread(target=run, args=(own,)) for own in visits]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [visit for own in visits for visit in own]


def passed(visits: Sequence[Visit]) -> list[int]:
    """How many others entered during each wait."""
    entered = sorted(visit.entered for visit in visits)
    return [
        bisect_left(entered, visit.entered) - bisect_right(entered, visit.asked) for visit in visits
    ]


def _crowd(root: Path, state: Path, begin: float, end: float) -> list[Visit]:
    with opened(root, state) as shares:
        return together(shares.section, THREADS // PROCESSES, begin, end)

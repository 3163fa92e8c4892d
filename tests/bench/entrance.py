"""How threads of several processes wait for a commit section that all of them want at once.

The clock tells how long each waits; but a thread that the machine does not run waits too, however
fair the section is. So it is also counted how many others entered meanwhile, which says who was
passed by, whatever else runs on the machine.
"""

import threading
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from tests.bench.direct import Enter, opened

PROCESSES, THREADS = 2, 8
PATIENCE = 60.0
"""Seconds for all processes to be up, and for their visits to arrive."""


class Visit(NamedTuple):
    """One section: when it was asked for and when it was entered, on the clock of the machine."""

    asked: float
    entered: float

    @property
    def waited(self) -> float:
        return self.entered - self.asked


def crowded(root: Path, state: Path, seconds: float) -> list[Visit]:
    """Let all threads in all processes enter sections as fast as they can."""
    context = get_context("spawn")
    meeting, told = context.Barrier(PROCESSES), context.Queue()
    given = (root, state, seconds, meeting, told)
    crowd = [context.Process(target=_crowd, args=given) for _ in range(PROCESSES)]
    for process in crowd:
        process.start()
    try:
        return [visit for _ in crowd for visit in told.get(timeout=2 * PATIENCE + seconds)]
    finally:
        for process in crowd:
            process.join(PATIENCE)
            process.kill()


def together(enter: Enter, threads: int, seconds: float) -> list[Visit]:
    """Let threads of this process enter as fast as they can, at least once each."""
    # No objects: Python's search for garbage among thousands of them would hold everybody up.
    visits = [array("d") for _ in range(threads)]
    end = time.monotonic() + seconds

    def run(own: "array[float]") -> None:
        while not own or time.monotonic() < end:
            asked = time.monotonic()
            with enter():
                own.extend((asked, time.monotonic()))

    running = [threading.Thread(target=run, args=(own,)) for own in visits]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [Visit(*pair) for own in visits for pair in zip(own[::2], own[1::2], strict=True)]


def passed(visits: Sequence[Visit]) -> list[int]:
    """How many others entered during each wait."""
    entered = sorted(visit.entered for visit in visits)
    return [
        bisect_left(entered, visit.entered) - bisect_right(entered, visit.asked) for visit in visits
    ]


def _crowd(
    root: Path, state: Path, seconds: float, meeting: Barrier, told: "Queue[list[Visit]]"
) -> None:
    with opened(root, state) as shares:
        meeting.wait(PATIENCE)
        told.put(together(shares.section, THREADS // PROCESSES, seconds))

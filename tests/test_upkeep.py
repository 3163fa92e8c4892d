"""The thread that tends the shares: when somebody asks for it, and until it is stopped."""

import threading
from collections.abc import Callable

import pytest

from davserver.upkeep import Upkeep


class Tended:
    """What is tended, and how often it was."""

    def __init__(self) -> None:
        self.wake: Callable[[], object] = lambda: None
        self.times = 0
        self.tended = threading.Semaphore(0)

    def tend(self) -> None:
        self.times += 1
        self.tended.release()


def test_it_tends_at_once_and_whenever_it_is_woken() -> None:
    shares = Tended()
    upkeep = Upkeep(shares)  # type: ignore[arg-type]
    upkeep.start()
    assert shares.tended.acquire(timeout=60)
    for _ in range(3):
        shares.wake()
        assert shares.tended.acquire(timeout=60)
    upkeep.stop()
    times = shares.times
    shares.wake()
    assert shares.times == times


def test_it_tends_by_itself_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davserver.upkeep.INTERVAL", 0.01)
    shares = Tended()
    upkeep = Upkeep(shares)  # type: ignore[arg-type]
    upkeep.start()
    for _ in range(2):
        assert shares.tended.acquire(timeout=60)
    upkeep.stop()

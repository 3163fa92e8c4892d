"""The thread that tends the shares: when somebody asks for it, and until it is stopped."""

import os
import threading
from collections.abc import Iterator

import pytest

from davserver.upkeep import Upkeep, ring


class Tended:
    """What is tended, and how often it was."""

    def __init__(self) -> None:
        self.times = 0
        self.tended = threading.Semaphore(0)
        self.fails = False

    def tend(self) -> None:
        self.times += 1
        self.tended.release()
        if self.fails:
            raise RuntimeError("on purpose")


@pytest.fixture
def bell() -> Iterator[int]:
    made = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    yield made
    os.close(made)


def test_it_tends_at_once_and_whenever_the_bell_rings(bell: int) -> None:
    shares = Tended()
    upkeep = Upkeep(shares, bell)  # type: ignore[arg-type] # they are tended, no more
    upkeep.start()
    assert shares.tended.acquire(timeout=60)
    for _ in range(3):
        ring(bell)
        assert shares.tended.acquire(timeout=60)
    upkeep.stop()
    times = shares.times
    ring(bell)
    assert shares.times == times


def test_what_goes_wrong_once_is_no_end(
    bell: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("davserver.upkeep.INTERVAL", 0.01)
    shares = Tended()
    shares.fails = True
    upkeep = Upkeep(shares, bell)  # type: ignore[arg-type] # they are tended, no more
    upkeep.start()
    for _ in range(2):
        assert shares.tended.acquire(timeout=60)
    upkeep.stop()
    assert "cannot tidy up" in caplog.text


def test_it_tends_by_itself_too(bell: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davserver.upkeep.INTERVAL", 0.01)
    shares = Tended()
    upkeep = Upkeep(shares, bell)  # type: ignore[arg-type] # they are tended, no more
    upkeep.start()
    for _ in range(2):
        assert shares.tended.acquire(timeout=60)
    upkeep.stop()

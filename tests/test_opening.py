"""What is opened from settings: the time that no step of the wall clock changes."""

import time
from pathlib import Path

import pytest

from davserver import opening
from davserver.config import ConfigError
from davserver.opening import Steady, open_state
from davserver.state.sqlite import SqliteState
from davserver.tree import mounts
from davserver.tree.mounts import Mount


class Clocks:
    """A wall clock and the time since a boot, that go as they are told."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.boot = 1_000.0

    def step(self, seconds: float) -> None:
        """The wall clock is set."""
        self.wall += seconds

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@pytest.fixture
def clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(time, "time", lambda: clocks.wall)
    monkeypatch.setattr(time, "clock_gettime", lambda _: clocks.boot)
    booted(tmp_path, monkeypatch, "one")
    return clocks


def booted(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / "boot_id").write_text(f"{name}\n")
    monkeypatch.setattr(opening, "BOOT", folder / "boot_id")


def test_a_step_of_the_wall_clock_changes_nothing(tmp_path: Path, clocks: Clocks) -> None:
    state = SqliteState(tmp_path / "state.db")
    steady = Steady(state)
    assert steady() == clocks.wall
    for days in (-8, 16, -1):
        clocks.step(days * 86_400)
        assert steady() == 1_800_000_000.0
    clocks.wait(50)
    assert steady() == 1_800_000_050.0
    state.close()


def test_all_servers_of_one_boot_have_one_time(tmp_path: Path, clocks: Clocks) -> None:
    for _ in range(3):
        state = SqliteState(tmp_path / "state.db")
        assert Steady(state)() == 1_800_000_000.0
        state.close()
        clocks.step(86_400)


def test_another_boot_is_measured_anew(
    tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SqliteState(tmp_path / "state.db")
    Steady(state)
    clocks.wall, clocks.boot = 1_900_000_000.0, 5.0
    booted(tmp_path, monkeypatch, "two")
    steady = Steady(state)
    assert steady() == 1_900_000_000.0
    clocks.step(-86_400)
    assert steady() == 1_900_000_000.0
    # What belonged to the first boot is forgotten.
    booted(tmp_path, monkeypatch, "one")
    assert Steady(state)() == clocks.wall
    state.close()


def test_without_a_number_of_the_boot_the_clock_is_taken_as_it_is(
    tmp_path: Path, clocks: Clocks
) -> None:
    opening.BOOT.unlink()
    state = SqliteState(tmp_path / "state.db")
    assert Steady(state)() == clocks.wall
    state.close()


def test_a_damaged_store_has_a_time_too(tmp_path: Path, clocks: Clocks) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all" * 100)
    state = SqliteState(tmp_path / "state.db")
    assert state.damage
    assert Steady(state)() == clocks.wall
    state.close()


def test_a_state_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "holding", lambda path: Mount(path, "nfs4"))
    with pytest.raises(ConfigError, match="nfs4"):
        open_state(tmp_path / "state.db", durable=True)
    assert list(tmp_path.iterdir()) == []

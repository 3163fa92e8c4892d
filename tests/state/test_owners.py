"""Owners: who lives, who is dead, and what a burial leaves."""

import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from davserver.state.owners import Owners
from tests.state.test_gate import child, ended, said

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_an_owner_lives_until_he_is_closed(tmp_path: Path) -> None:
    one, other = Owners(tmp_path / "owners"), Owners(tmp_path / "owners")
    assert one.me != other.me
    for who in (one, other):
        assert who.is_alive(one.me)
        assert who.is_alive(other.me)
    one.bury()
    assert {path.name for path in (tmp_path / "owners").iterdir()} == {one.me, other.me}
    other.close()
    assert not one.is_alive(other.me)
    assert not one.is_alive("0123456789abcdef")
    assert one.is_alive(one.me)
    one.close()
    assert list((tmp_path / "owners").iterdir()) == []


def test_a_killed_owner_is_dead_and_buried(tmp_path: Path) -> None:
    read, write = os.pipe()

    def live() -> None:
        owners = Owners(tmp_path / "owners")
        os.write(write, owners.me.encode())
        signal.pause()

    process = child(live)
    token = said(read, 16).decode()
    owners = Owners(tmp_path / "owners")
    assert owners.is_alive(token)
    owners.bury()
    assert (tmp_path / "owners" / token).exists()
    os.kill(process, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    assert not owners.is_alive(token)
    assert (tmp_path / "owners" / token).exists()
    owners.bury()
    assert not (tmp_path / "owners" / token).exists()
    assert not owners.is_alive(token)
    owners.close()


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    owners = Owners(tmp_path / "owners")
    for path in (tmp_path / "owners", tmp_path / "owners" / owners.me):
        assert path.stat().st_mode & 0o077 == 0
    owners.close()


def test_who_is_buried_while_he_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of a file and its lock somebody may take it for one of the dead."""
    digger = Owners(tmp_path / "owners")
    real = fcntl.flock
    burials: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and len(burials) < 3:
            burials.append(descriptor)
            digger.bury()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    made = Owners(tmp_path / "owners")
    assert len(burials) == 3
    assert {path.name for path in (tmp_path / "owners").iterdir()} == {digger.me, made.me}
    assert digger.is_alive(made.me)
    made.close()
    digger.close()


def test_owners_that_come_and_go_while_others_are_buried(tmp_path: Path) -> None:
    """Nobody who lives is buried."""
    digger = Owners(tmp_path / "owners")
    over = threading.Event()
    wrong: list[str] = []

    def live() -> None:
        for _ in range(100):
            owners = Owners(tmp_path / "owners")
            if not (tmp_path / "owners" / owners.me).exists():
                wrong.append(owners.me)
            owners.close()

    def bury() -> None:
        while not over.is_set():
            digger.bury()

    burying = threading.Thread(target=bury)
    living = [threading.Thread(target=live) for _ in range(3)]
    burying.start()
    for one in living:
        one.start()
    for one in living:
        one.join()
    over.set()
    burying.join()
    assert wrong == []
    digger.close()
    assert list((tmp_path / "owners").iterdir()) == []

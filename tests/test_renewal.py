"""Which new settings are taken while the server runs, and which need a restart."""

from pathlib import Path
from typing import Any

import pytest

from davserver import config, renewal
from davserver.config import ConfigError, Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("root", "other"):
        (tmp_path / name).mkdir()
    return tmp_path / "root"


def load(root: Path, **flags: Any) -> Settings:
    return config.load(flags, [str(root)], {}, None)


def test_what_has_not_changed_is_the_same_wherever_it_comes_from(root: Path) -> None:
    old = load(root)
    new, kept = renewal.renewed(old, load(root, threads="16"))
    assert kept == ()
    assert renewal.is_same(old, new)


def test_what_has_changed_is_taken(root: Path) -> None:
    old = load(root)
    new, kept = renewal.renewed(old, load(root, threads="4", workers="3", user="me"))
    assert kept == ()
    assert not renewal.is_same(old, new)
    assert (new.threads, new.workers, new.user) == (4, 3, "me")


def test_sockets_and_the_state_stay(root: Path, tmp_path: Path) -> None:
    old = load(root, port="1", state=str(tmp_path / "a.db"))
    other = load(root, host="127.0.0.2", port="2", state=str(tmp_path / "b.db"), threads="4")
    new, kept = renewal.renewed(old, other)
    assert kept == ("host", "port", "state")
    assert (new.host, new.port, new.state, new.threads) == (old.host, 1, old.state, 4)


def test_other_directories_are_served_by_a_state_that_has_a_name(root: Path) -> None:
    state = str(root.parent / "a.db")
    new, kept = renewal.renewed(load(root, state=state), load(root.parent / "other", state=state))
    assert kept == ()
    assert new.shares[0].path == str(root.parent / "other")


def test_a_state_that_is_named_after_directories_keeps_them(root: Path) -> None:
    old = load(root)
    new, kept = renewal.renewed(old, load(root.parent / "other"))
    assert kept == ("root",)
    assert renewal.is_same(old, new)


def test_the_login_of_an_address_that_others_reach_stays(root: Path) -> None:
    """What each is right by itself may be wrong together."""
    old = load(root, host="0.0.0.0", user="me", insecure_http=True)
    with pytest.raises(ConfigError, match="a login is needed there"):
        renewal.renewed(old, load(root, host="127.0.0.1"))

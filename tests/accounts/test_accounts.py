"""Passwords: hashed, verified, remembered for a while, and never guessed in bulk."""

import threading
import time

import pytest
from argon2 import PasswordHasher

from davserver import accounts
from davserver.accounts import Account, Accounts, new_password
from davserver.protocol.faults import Fault


class Hasher:
    """Counts what is hashed."""

    def __init__(self) -> None:
        self.verified = 0
        self._real = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

    def hash(self, password: str) -> str:
        return self._real.hash(password)

    def verify(self, digest: str, password: bytes) -> bool:
        self.verified += 1
        return self._real.verify(digest, password)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> Hasher:
    made = Hasher()
    monkeypatch.setattr(accounts, "_HASHER", made)
    return made


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_password_is_kept_as_argon2id() -> None:
    account = Account.with_password("me", "öpen sesame")
    assert account.password_hash.startswith("$argon2id$")
    assert "sesame" not in repr(account)
    assert PasswordHasher().verify(account.password_hash, "öpen sesame")
    assert Account.with_password("me", "öpen sesame") != account


def test_only_the_right_password_of_the_right_user_is_one(hasher: Hasher) -> None:
    del hasher
    kept = Accounts((Account.with_password("me", "a"), Account.with_password("you", "b")), Clock())
    assert not kept.anonymous
    for name, password, right in (
        ("me", "a", True),
        ("you", "b", True),
        ("me", "b", False),
        ("me", "", False),
        ("me", "a\0", False),
        ("Me", "a", False),
        ("", "", False),
        ("eve", "a", False),
        ("me", "\udcff", False),
        ("me\0a", "", False),
    ):
        assert kept.verify(name, password) is right
        assert kept.verify(name, password) is right


def test_without_accounts_everybody_is_anonymous() -> None:
    assert Accounts((), Clock()).anonymous


def test_what_was_verified_is_remembered_for_a_while(hasher: Hasher) -> None:
    clock = Clock()
    kept = Accounts((Account.with_password("me", "a"),), clock)
    for _ in range(5):
        assert kept.verify("me", "a")
    assert hasher.verified == 1
    clock.now += accounts.REMEMBERED_SECONDS - 1
    assert kept.verify("me", "a")
    assert hasher.verified == 1
    clock.now += 2
    assert kept.verify("me", "a")
    assert hasher.verified == 2


def test_what_was_refused_is_not_remembered(hasher: Hasher) -> None:
    kept = Accounts((Account.with_password("me", "a"),), Clock())
    for number in range(1, 4):
        assert not kept.verify("me", "wrong")
        assert hasher.verified == number


def test_no_pair_of_name_and_password_stands_for_another(hasher: Hasher) -> None:
    del hasher
    kept = Accounts((Account.with_password("a", "b:c"), Account.with_password("a:b", "d")), Clock())
    assert kept.verify("a", "b:c")
    assert not kept.verify("a:b", "c")


def test_an_unknown_name_costs_a_hash_too(hasher: Hasher) -> None:
    kept = Accounts((Account.with_password("me", "a"),), Clock())
    kept.verify("eve", "a")
    assert hasher.verified == 1


def test_memory_is_bounded(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "REMEMBERED", 2)
    names = ("a", "b", "c")
    kept = Accounts(tuple(Account.with_password(name, name) for name in names), Clock())
    for name in names:
        assert kept.verify(name, name)
    assert kept.verify("c", "c")
    assert hasher.verified == 3
    assert kept.verify("a", "a")
    assert hasher.verified == 4


def test_guessers_do_not_get_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hash at a time; who waits too long is told to come back."""
    inside = threading.Semaphore(0)
    go_on = threading.Event()
    running = [0, 0]
    counting = threading.Lock()

    def slow(digest: str, password: str) -> bool:
        del digest, password
        with counting:
            running[0] += 1
            running[1] = max(running)
        inside.release()
        go_on.wait(20)
        with counting:
            running[0] -= 1
        return False

    monkeypatch.setattr(accounts, "_matches", slow)
    kept = Accounts((Account("me", "$"),), time.monotonic)
    guessing = [threading.Thread(target=kept.verify, args=("me", f"{n}")) for n in range(2)]
    for one in guessing:
        one.start()
    assert inside.acquire(timeout=20)
    assert inside.acquire(timeout=20)
    real = kept._hashing.acquire
    monkeypatch.setattr(kept._hashing, "acquire", lambda timeout: real(timeout=0.01))
    with pytest.raises(Fault) as refused:
        kept.verify("me", "third")
    assert refused.value.status == 503
    assert dict(refused.value.headers)["Retry-After"]
    go_on.set()
    for one in guessing:
        one.join()
    assert running[1] == accounts.HASHES_AT_A_TIME


def test_new_passwords_differ_and_are_long() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 16
    assert all(password.isascii() and password.isprintable() for password in made)

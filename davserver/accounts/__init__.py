"""Who may do what: accounts and their passwords.

A password is kept as an argon2id hash. Because WebDAV clients send it with every request, one that
was verified is remembered for a while, as a keyed digest under a key of this process.
"""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from davserver.protocol import faults

REMEMBERED = 1024
"""Verified credentials that are remembered at a time."""
REMEMBERED_SECONDS = 300.0
HASHES_AT_A_TIME = 2
"""A guesser must not get all cores: further ones are told to come back."""

# The least that OWASP recommends for argon2id: 19 MiB, two passes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the argon2id hash of the password."""

    name: str
    password_hash: str

    @classmethod
    def with_password(cls, name: str, password: str) -> "Account":
        return cls(name, _HASHER.hash(password.encode("utf-8", "surrogateescape")))


class Accounts:
    """The accounts of a server. ``clock`` tells seconds since any fixed moment."""

    def __init__(self, accounts: tuple[Account, ...], clock: Callable[[], float]) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._dummy = _HASHER.hash(secrets.token_hex(16))
        self._verified: OrderedDict[bytes, float] = OrderedDict()
        self._mutex = threading.Lock()
        self._hashing = threading.BoundedSemaphore(HASHES_AT_A_TIME)

    @property
    def anonymous(self) -> bool:
        """Whether everybody may do everything without a name."""
        return not self._accounts

    def verify(self, name: str, password: str) -> bool:
        """Whether this is the password of an account. Raises Fault 503 while too many others are
        being verified. An unknown name costs as much time as a known one.
        """
        account = self._accounts.get(name)
        proof = hmac.digest(
            self._key, f"{name}\0{password}".encode("utf-8", "surrogateescape"), hashlib.sha256
        )
        now = self._clock()
        with self._mutex:
            if self._verified.get(proof, 0.0) > now:
                return True
        if not self._hashing.acquire(timeout=5.0):
            raise faults.busy()
        try:
            matches = _matches(account.password_hash if account else self._dummy, password)
        finally:
            self._hashing.release()
        if account is None or not matches:
            return False
        with self._mutex:
            self._verified[proof] = now + REMEMBERED_SECONDS
            while len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        return True


def new_password() -> str:
    """A password of 96 random bits."""
    return secrets.token_urlsafe(12)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password.encode("utf-8", "surrogateescape"))
    except Argon2Error:
        return False

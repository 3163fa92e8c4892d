"""Certificates and their keys: what a pair of files holds, and new ones for a local network.

The only room that knows the library `cryptography`. To import it takes 60 ms and 12 MB, so who may
do without imports `reading` and `making` where they are used.
"""

from dataclasses import dataclass
from datetime import datetime


class BadPair(Exception):
    """Why a certificate and its key cannot be used: one sentence, which begins with the file."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate whose key is at hand: the names that it is for, the two moments between which
    it holds, and its SHA-256 fingerprint as clients show it.
    """

    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    fingerprint: str

    def warning(self, now: datetime) -> str:
        """What clients will complain about at a moment, or empty."""
        if now > self.ends:
            return f"the certificate has expired on {self.ends:%Y-%m-%d}: clients will refuse it"
        if now < self.begins:
            return f"the certificate holds from {self.begins:%Y-%m-%d %H:%M} UTC on, not yet"
        return ""

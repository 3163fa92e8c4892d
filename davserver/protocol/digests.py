"""Digests that a client sends with its content, and whether the content has them.

`Repr-Digest` and `Content-Digest` (RFC 9530), `Content-MD5` (RFC 1864), and `OC-Checksum`, which
the clients of ownCloud and Nextcloud send. Content is stored as it comes, so that content and
representation are the same bytes.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from davserver.protocol import faults
from davserver.protocol.headers import Headers


class Hash(Protocol):
    """What `hashlib` has."""

    def update(self, data: bytes | memoryview, /) -> object: ...
    def digest(self) -> bytes: ...


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class Digests:
    """The digests of one content. ``expected`` are header, algorithm and octets."""

    def __init__(self, expected: Iterable[tuple[str, str, bytes]]) -> None:
        self._expected = tuple(expected)
        self._hashes = {name: ALGORITHMS[name]() for _, name, _ in self._expected}

    def update(self, block: bytes | memoryview) -> None:
        """Take in the next part of the content."""
        for one in self._hashes.values():
            one.update(block)

    def check(self) -> None:
        """Raises Fault 400 where the content is another one."""
        for header, name, octets in self._expected:
            if self._hashes[name].digest() != octets:
                raise faults.wrong_digest(header)


def read(headers: Headers) -> Digests:
    """The digests of a request. Algorithms that are not known are passed over (RFC 9530
    section 2). Raises Fault 400 for a digest that cannot be understood.
    """
    return _NONE if _FIELDS.isdisjoint(headers) else Digests(_expected(headers))


_NONE = Digests(())


def _expected(headers: Headers) -> Iterator[tuple[str, str, bytes]]:
    for header in ("Repr-Digest", "Content-Digest"):
        text = headers.get(header.lower(), "")
        for member in filter(None, map(str.strip, text.split(","))):
            wrong = faults.bad_header(header, "algorithms with octets, as in sha-256=:...:")
            key, _, value = member.partition("=")
            match = _OCTETS.fullmatch(value)
            if not _KEY.fullmatch(key) or match is None:
                raise wrong
            if key in ALGORITHMS:
                yield header, key, _decoded(match[1], wrong)
    md5 = headers.get("content-md5")
    if md5 is not None:
        wrong = faults.bad_header("Content-MD5", "an MD5 digest in base64")
        yield "Content-MD5", "md5", _decoded(md5.strip(), wrong)
    checksum = headers.get("oc-checksum")
    if checksum is not None:
        wrong = faults.bad_header("OC-Checksum", "algorithm and digest, as in SHA1:...")
        name, colon, digits = checksum.strip().partition(":")
        if not colon:
            raise wrong
        algorithm = _OWNCLOUD.get(name.upper())
        if algorithm is not None:
            if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
                raise wrong
            yield "OC-Checksum", algorithm, bytes.fromhex(digits)


def _decoded(text: str, wrong: faults.Fault) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong from error


ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "sha-256": hashlib.sha256,
    "sha-512": hashlib.sha512,
    "sha": lambda: hashlib.sha1(usedforsecurity=False),
    "sha3-256": hashlib.sha3_256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "adler": _Adler32,
}
"""By the names of RFC 9530 and of the registry that it has. `adler` is the sum of RFC 1950."""

_FIELDS = frozenset({"repr-digest", "content-digest", "content-md5", "oc-checksum"})
_OWNCLOUD = {
    "SHA1": "sha",
    "SHA256": "sha-256",
    "SHA512": "sha-512",
    "SHA3-256": "sha3-256",
    "MD5": "md5",
    "ADLER32": "adler",
}
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
# An item of a structured field (RFC 8941 section 3.3.5); parameters have no meaning here.
_OCTETS = re.compile(r":([A-Za-z0-9+/=]*):(?:[ \t]*;.*)?")

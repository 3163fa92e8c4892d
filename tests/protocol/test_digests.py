"""Digests that are sent with content: which are understood, and which are found wrong."""

import base64
import hashlib
import zlib
from collections.abc import Iterable

import pytest

from davserver.protocol import digests
from davserver.protocol.faults import Fault

CONTENT = b"hello, in several parts"


def octets(name: str, content: bytes = CONTENT) -> bytes:
    if name == "adler":
        return zlib.adler32(content).to_bytes(4, "big")
    return hashlib.new({"sha": "sha1"}.get(name, name.replace("sha-", "sha")), content).digest()


def item(name: str, content: bytes = CONTENT) -> str:
    return f"{name}=:{base64.b64encode(octets(name, content)).decode()}:"


def owncloud(name: str, content: bytes = CONTENT) -> str:
    algorithm = {"SHA1": "sha", "ADLER32": "adler"}.get(name, name.lower())
    return f"{name}:{octets(algorithm, content).hex()}"


def md5(content: bytes = CONTENT) -> str:
    return base64.b64encode(octets("md5", content)).decode()


def check(
    headers: dict[str, str], blocks: Iterable[bytes] = (CONTENT[:5], b"", CONTENT[5:])
) -> None:
    found = digests.read(headers)
    for block in blocks:
        found.update(block)
    found.check()


ALGORITHMS = ["sha-256", "sha-512", "sha", "sha3-256", "md5", "adler"]
OWNCLOUD = ["SHA1", "SHA256", "SHA512", "SHA3-256", "MD5", "ADLER32"]
RIGHT: dict[str, dict[str, str]] = {
    "none": {},
    "two headers": {"repr-digest": item("sha-256"), "content-digest": item("sha-512")},
    "all headers": {
        "repr-digest": item("sha-256"),
        "content-digest": item("sha-256"),
        "content-md5": md5(),
        "oc-checksum": owncloud("SHA1"),
    },
    "several in one": {"repr-digest": f"{item('md5')},{item('sha')}\t, {item('sha-512')}"},
    "an empty header": {"repr-digest": "", "content-digest": " , "},
    "with parameters": {"content-digest": item("sha-256") + ";q=1 ; x"},
    "Content-MD5 with blanks": {"content-md5": f" {md5()} "},
    "OC-Checksum in lower case": {"oc-checksum": owncloud("SHA1").lower()},
    "OC-Checksum in upper case": {"oc-checksum": owncloud("MD5").upper()},
    "unknown beside known": {"repr-digest": f"crc32c=:AAAAAA==:, {item('sha-256')}"},
    "unknown alone": {"repr-digest": "unixsum=:AAAA:, *x.y-z_0=::"},
    "an unknown checksum": {"oc-checksum": "CRC32:00000000"},
    "an unknown checksum of another form": {"oc-checksum": "FOO:what ever"},
} | {f"OC-Checksum {name}": {"oc-checksum": owncloud(name)} for name in OWNCLOUD}
for header in ("repr-digest", "content-digest"):
    RIGHT |= {f"{header} {name}": {header: item(name)} for name in ALGORITHMS}


@pytest.mark.parametrize("headers", RIGHT.values(), ids=list(RIGHT))
def test_content_that_has_its_digests(headers: dict[str, str]) -> None:
    check(headers)
    check(headers, [bytes([byte]) for byte in CONTENT])


@pytest.mark.parametrize("headers", RIGHT.values(), ids=list(RIGHT))
def test_content_that_has_not(headers: dict[str, str]) -> None:
    """Each digest that is known finds each change."""
    if not digests.read(headers)._expected:
        check(headers, [b"anything"])
        return
    for blocks in ([], [CONTENT[:-1]], [CONTENT, b"\0"], [CONTENT[::-1]]):
        with pytest.raises(Fault, match="400"):
            check(headers, blocks)


def test_no_content_has_digests_too() -> None:
    for name in ALGORITHMS:
        check({"repr-digest": item(name, b"")}, [])
    with pytest.raises(Fault, match="400"):
        check({"repr-digest": item("sha-256", b"")}, [b"x"])


def test_one_wrong_digest_among_right_ones_is_enough() -> None:
    headers = {"repr-digest": f"{item('sha-512')}, {item('sha-256', b'other')}"}
    with pytest.raises(Fault, match="Repr-Digest"):
        check(headers)
    with pytest.raises(Fault, match="OC-Checksum"):
        check({"content-md5": md5(), "oc-checksum": owncloud("SHA1", b"other")})
    with pytest.raises(Fault, match="Content-MD5"):
        check({"content-md5": md5(b"other"), "oc-checksum": owncloud("SHA1")})


MALFORMED: list[dict[str, str]] = [
    {header: value}
    for header in ("repr-digest", "content-digest")
    for value in (
        "sha-256",
        "sha-256=",
        "sha-256=abc",
        "sha-256=:abc",
        "sha-256=:a:",
        "sha-256=:ab=c:",
        'sha-256="abc"',
        "sha-256=?1",
        "=:AAAA:",
        "SHA-256=:AAAA:",
        "sha 256=:AAAA:",
        "sha-256 =:AAAA:",
        "sha-256= :AAAA:",
        "sha-256=:AA AA:",
        "sha-256=:AAAA:x",
        "sha-256=:é:",
        f"{item('sha-256')}; x, wrong",
        "1sha=:AAAA:",
        "é=:AAAA:",
    )
] + [
    {header: value}
    for header, values in {
        "content-md5": ("x", "=", "not base64", "é", "AAAA AAAA", "AAAAA"),
        "oc-checksum": ("", "SHA1", "SHA1:", "SHA1:0", "SHA1:0g", "MD5:é", "SHA1: 00", "SHA1:0x00"),
    }.items()
    for value in values
]


@pytest.mark.parametrize("headers", MALFORMED, ids=str)
def test_what_cannot_be_understood(headers: dict[str, str]) -> None:
    with pytest.raises(Fault, match="400"):
        digests.read(headers)


def test_a_digest_of_another_length_is_a_wrong_one() -> None:
    for headers in (
        {"content-md5": ""},
        {"content-md5": "AAAA"},
        {"repr-digest": "sha-256=::"},
        {"oc-checksum": "SHA1:00"},
        {"oc-checksum": "ADLER32:00000000000000"},
    ):
        with pytest.raises(Fault, match="does not have the digest"):
            check(headers)

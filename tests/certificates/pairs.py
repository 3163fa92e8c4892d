"""Pairs of certificate and key, as files: good ones and every kind of bad one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from davserver.certificates import making
from davserver.certificates.making import Made

NAMES = ("localhost", "127.0.0.1", "::1")


class Files(NamedTuple):
    """Where a pair lies, and the root that its clients trust."""

    cert: Path
    key: Path
    root: Path


def made(*names: str, now: datetime | None = None) -> Made:
    return making.make([making.name(one) for one in names or NAMES], now or datetime.now(UTC))


def written(folder: Path, pair: Made | None = None) -> Files:
    """A pair in the files of a folder; a new one where none is given."""
    files = Files(folder / "cert.pem", folder / "key.pem", folder / "root.pem")
    for path, content in zip(files, pair or made(), strict=True):
        path.write_bytes(content)
    return files


def expired() -> Made:
    return made(now=datetime.now(UTC) - timedelta(days=making.DAYS + 10))


def encrypted(key: bytes) -> bytes:
    found = load_pem_private_key(key, None)
    return found.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


def old_form(key: bytes, *, encrypt: bool = False) -> bytes:
    """As `BEGIN EC PRIVATE KEY`."""
    found = load_pem_private_key(key, None)
    how = BestAvailableEncryption(b"x") if encrypt else NoEncryption()
    return found.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, how)


def rsa_key() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def weak() -> bytes:
    """A sound pair in one file, whose key is too short to be taken."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + cert.public_bytes(Encoding.PEM)


def _missing(files: Files) -> None:
    files.cert.unlink()


def _without_key_file(files: Files) -> None:
    files.key.unlink()


def _folder(files: Files) -> None:
    files.key.unlink()
    files.key.mkdir()


def _no_pem(files: Files) -> None:
    files.cert.write_bytes(b"\x30\x82\x01\x0a")


def _empty(files: Files) -> None:
    files.cert.write_bytes(b"")


def _damaged(files: Files) -> None:
    lines = files.cert.read_bytes().splitlines(keepends=True)
    files.cert.write_bytes(b"".join([lines[0], *lines[3:]]))


def _cut(files: Files) -> None:
    files.cert.write_bytes(files.cert.read_bytes()[:300])


def _key_no_pem(files: Files) -> None:
    files.key.write_bytes(files.cert.read_bytes())


def _key_damaged(files: Files) -> None:
    lines = files.key.read_bytes().splitlines(keepends=True)
    files.key.write_bytes(b"".join([lines[0], *lines[2:]]))


def _other_key(files: Files) -> None:
    files.key.write_bytes(made().key)


def _key_of_another_kind(files: Files) -> None:
    files.key.write_bytes(rsa_key())


def _encrypted(files: Files) -> None:
    files.key.write_bytes(encrypted(files.key.read_bytes()))


def _encrypted_in_the_old_form(files: Files) -> None:
    files.key.write_bytes(old_form(files.key.read_bytes(), encrypt=True))


def _wrong_order(files: Files) -> None:
    files.cert.write_bytes(files.root.read_bytes() + files.cert.read_bytes())


BAD: dict[str, tuple[Callable[[Files], None], str, str]] = {
    "no certificate file": (_missing, "cert", "cannot be read: No such file"),
    "no key file": (_without_key_file, "key", "cannot be read: No such file"),
    "a folder": (_folder, "key", "cannot be read: Is a directory"),
    "no PEM": (_no_pem, "cert", "holds no certificate in PEM form"),
    "nothing": (_empty, "cert", "holds no certificate in PEM form"),
    "a damaged certificate": (_damaged, "cert", "is damaged"),
    "a certificate that is cut off": (_cut, "cert", "is damaged"),
    "a key that is none": (_key_no_pem, "key", "holds no private key in PEM form"),
    "a damaged key": (_key_damaged, "key", "damaged"),
    "the key of another": (_other_key, "key", "not the key of the certificate"),
    "a key of another kind": (_key_of_another_kind, "key", "not the key of the certificate"),
    "an encrypted key": (_encrypted, "key", "is encrypted"),
    "an encrypted key in the old form": (_encrypted_in_the_old_form, "key", "is encrypted"),
    "the root in front": (_wrong_order, "cert", "must be the first"),
}
"""What is done to a good pair, which file is named then, and what of the sentence says why."""

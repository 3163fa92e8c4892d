"""A certificate and its key, read from their files and checked against each other."""

import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from davserver.certificates import BadPair, Pair

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


def read(cert: str, key: str | None = None) -> Pair:
    """The pair in two PEM files, or in one that holds both. The first certificate of the file is
    the server's own. Raises BadPair.
    """
    found = _certificates(cert)
    own = _public_key(key or cert)
    fitting = [_octets(one.public_key()) == own for one in found]
    if not any(fitting):
        raise BadPair(f"{key or cert}: this is not the key of the certificate in {cert}.")
    if not fitting[0]:
        raise BadPair(
            f"{cert}: the server's own certificate must be the first, before those that signed it."
        )
    first = found[0]
    return Pair(
        names(first),
        first.not_valid_before_utc,
        first.not_valid_after_utc,
        first.fingerprint(SHA256()).hex(":").upper(),
    )


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses that a certificate is for (RFC 9110 section 4.3.4)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def _certificates(file: str) -> list[x509.Certificate]:
    content = _content(file)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise BadPair(
            f"{file}: holds no certificate in PEM form, which begins with "
            '"-----BEGIN CERTIFICATE-----".'
        )
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise BadPair(f"{file}: the certificate in it is damaged.") from error


def _public_key(file: str) -> bytes:
    """What makes a key comparable to a certificate."""
    found = _KEY.search(_content(file))
    if found is None:
        raise BadPair(
            f"{file}: holds no private key in PEM form; if the key is in a file of its own, name "
            "that with --key."
        )
    try:
        return _octets(load_pem_private_key(found[0], None).public_key())
    except TypeError as error:
        raise BadPair(
            f"{file}: the key is encrypted, and nobody is there to be asked for its password; "
            f"write it without one: openssl pkey -in {file} -out plain.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadPair(f"{file}: the private key in it is damaged or of an unknown kind.") from error


def _octets(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no path"
        raise BadPair(f"{file}: cannot be read: {reason}.") from error

"""New certificates for a local network, where no public authority vouches for a name.

Two are made, because no single one can be trusted everywhere: Android takes only an authority
(CA:TRUE) as trusted, Firefox refuses an authority as a server (its error
MOZILLA_PKIX_ERROR_CA_CERT_USED_AS_END_ENTITY). So a root signs the server's certificate, and the
root's key is forgotten at once: nobody can sign another one that the devices would trust.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 820
"""How long it holds. Apple's systems refuse a server's certificate of more than 825 days, whoever
has signed it (https://support.apple.com/103769); the limit of 398 days is for those below their
preinstalled roots alone (https://support.apple.com/102028).
"""
EARLIER = timedelta(days=1)
"""Before now: the clocks of other devices may be slow."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
_LONGEST_TITLE = 64
"""Characters of a common name (RFC 5280 appendix A.1)."""


class Made(NamedTuple):
    """PEM files: the server's certificate and its key, and the root to be trusted."""

    cert: bytes
    key: bytes
    root: bytes


def name(text: str) -> x509.GeneralName:
    """A host name, which may begin with `*.`, or an address. Raises ValueError."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
            raise ValueError(text)
        return x509.IPAddress(address)
    ascii_text = text.lower().removesuffix(".").encode("idna").decode()
    labels = ascii_text.removeprefix("*.").split(".")
    if len(ascii_text) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(text)
    return x509.DNSName(ascii_text)


def make(names: Sequence[x509.GeneralName], now: datetime) -> Made:
    """A certificate for these names, of which the first is its title."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    title = str(names[0].value)[:_LONGEST_TITLE]
    serial = x509.random_serial_number()
    # Two roots in one store need names that differ.
    issuer = _title(f"davserver {title[:40]} {serial & 0xFFFFFFFF:08x}")

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - EARLIER)
            .not_valid_after(now + timedelta(days=DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(identifier, critical=False)
        )

    root = (
        begun(issuer, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, SHA256())
    )
    cert = (
        begun(_title(title), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(root_key, SHA256())
    )
    return Made(
        cert.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        root.public_bytes(Encoding.PEM),
    )


def _title(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )

"""New certificates: what is in them, and who takes them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from davserver.certificates import making
from tests.certificates import pairs
from tests.running import program, run


def of(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_the_certificate_is_no_authority_and_the_root_can_sign_nothing_but_it() -> None:
    made = pairs.made("nas", "10.0.0.1")
    cert, root = of(made.cert), of(made.root)
    constraints = x509.BasicConstraints
    assert not cert.extensions.get_extension_for_class(constraints).value.ca
    assert root.extensions.get_extension_for_class(constraints).value.ca
    assert root.extensions.get_extension_for_class(constraints).value.path_length == 0
    cert.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    # The one key that is given out is not the root's.
    assert made.key.count(b"PRIVATE KEY-----") == 2
    assert cert.public_key() != root.public_key()


def test_apple_takes_its_time() -> None:
    """At most 825 days, a day by a day of 86,400 seconds."""
    cert = of(pairs.made().cert)
    assert cert.not_valid_after_utc - cert.not_valid_before_utc <= timedelta(days=825)
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.oid.ExtendedKeyUsageOID.SERVER_AUTH in usage


def test_two_roots_have_two_names() -> None:
    assert of(pairs.made().root).subject != of(pairs.made().root).subject


def test_openssl_takes_it_in_its_strictest_mood(tmp_path: Path) -> None:
    files = pairs.written(tmp_path)
    command = ("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost")
    checked = run([program("openssl"), *command, "-CAfile", files.root, files.cert])
    assert (checked.returncode, checked.stdout) == (0, f"{files.cert}: OK\n")
    other = run([program("openssl"), *command[:-1], "nas", "-CAfile", files.root, files.cert])
    assert other.returncode != 0


def test_python_takes_it_in_its_strictest_mood(tmp_path: Path) -> None:
    files = pairs.written(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    client = ssl.create_default_context(cafile=files.root)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert one.getpeercert()
    assert one.cipher()


NO_NAMES = {
    "nothing": "",
    "a dot": ".",
    "two dots": "a..b",
    "a space": "a b",
    "a line end": "a\nb",
    "a slash": "a/b",
    "a port": "nas:8080",
    "a URL": "https://nas",
    "a zone": "fe80::1%eth0",
    "a number beyond": "300.1.1.1",
    "a hyphen in front": "-a",
    "a hyphen behind": "a-",
    "a star within": "a.*.b",
    "a star alone": "*",
    "a star and a dot": "*.",
    "a long label": "a" * 64,
    "a long name": ".".join(["a" * 60] * 5),
}


@pytest.mark.parametrize("text", NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # the sentence is its caller's
        making.name(text)


NAMES = {
    "a name": ("nas", "nas"),
    "capitals": ("NAS.Local", "nas.local"),
    "a dot at the end": ("nas.", "nas"),
    "an underscore": ("my_nas", "my_nas"),
    "another script": ("bücher.example", "xn--bcher-kva.example"),
    "all below": ("*.lan", "*.lan"),
    "digits in front": ("3com.example", "3com.example"),
}


@pytest.mark.parametrize(("text", "expected"), NAMES.values(), ids=NAMES)
def test_what_is_a_name(text: str, expected: str) -> None:
    assert making.name(text) == x509.DNSName(expected)


def test_a_long_name_is_no_title() -> None:
    name = ".".join(["a" * 60] * 4)
    assert pairs.made(name, now=datetime(2030, 1, 1, tzinfo=UTC)).cert

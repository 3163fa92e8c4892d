"""TLS over pairs of real sockets, by events: versions, the exchange of certificates, the end."""

import logging
import select
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

import pytest

from davserver.certificates import BadPair
from davserver.serving import requests, tls
from davserver.serving.streams import Outbox
from davserver.serving.tls import Speech, Tls
from tests.certificates import pairs
from tests.certificates.pairs import BAD, Files

SECONDS = 20


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return pairs.written(tmp_path)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What is closed at the end of a test."""
    with ExitStack() as stack:
        yield stack


def served(files: Files) -> Tls:
    return Tls(str(files.cert), str(files.key))


def trusting(files: Files) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.root)


def connected(
    held: ExitStack, server: Tls, client: ssl.SSLContext
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Both ends of a connection on which no handshake has begun, neither of which blocks."""
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    ours = held.enter_context(server.wrap(here))
    theirs = client.wrap_socket(there, server_hostname="localhost", do_handshake_on_connect=False)
    return ours, held.enter_context(theirs)


def shaken(ours: ssl.SSLSocket, theirs: ssl.SSLSocket) -> int:
    """Do both sides of the handshake, each when its event has come. Gives how often ours had to
    wait for one.
    """
    waits = 0
    open_ends = {ours, theirs}
    epoll = select.epoll()
    deadline = time.monotonic() + SECONDS
    try:
        for end in open_ends:
            epoll.register(end, select.EPOLLIN | select.EPOLLOUT)
        while open_ends:
            assert time.monotonic() < deadline, "the handshake does not end"
            assert epoll.poll(SECONDS)
            for end in list(open_ends):
                event = tls.shake_hands(end)
                waits += bool(event) and end is ours
                if event:
                    epoll.modify(end, event)
                else:
                    open_ends.discard(end)
                    epoll.unregister(end)
    finally:
        epoll.close()
    return waits


def finish(end: ssl.SSLSocket) -> None:
    """Do one side of a handshake to which all has come that will."""
    while tls.shake_hands(end) == select.EPOLLIN:
        assert select.select([end], [], [], SECONDS)[0]


def received(end: ssl.SSLSocket) -> bytes:
    """What comes next on a socket that does not block."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            return end.recv(1 << 16)
        except ssl.SSLWantReadError:
            select.select([end], [], [], SECONDS)
    raise AssertionError("nothing came")


VERSIONS = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}


@pytest.mark.parametrize(("version", "name"), VERSIONS.items(), ids=VERSIONS.values())
def test_both_versions_speak(
    files: Files, held: ExitStack, version: ssl.TLSVersion, name: str
) -> None:
    client = trusting(files)
    client.minimum_version = client.maximum_version = version
    client.set_alpn_protocols(["h2", "http/1.1"])
    ours, theirs = connected(held, served(files), client)
    assert shaken(ours, theirs) > 0
    assert theirs.version() == name
    assert theirs.selected_alpn_protocol() == "http/1.1"
    assert theirs.compression() is None
    environ = tls.environ(ours)
    assert environ["wsgi.url_scheme"] == "https"
    assert (environ["HTTPS"], environ["SSL_PROTOCOL"]) == ("on", name)
    cipher = theirs.cipher()
    assert cipher is not None
    assert (environ["SSL_CIPHER"], environ["SSL_CIPHER_USEKEYSIZE"]) == (cipher[0], str(cipher[2]))
    theirs.send(b"hello")
    assert received(ours) == b"hello"
    ours.send(b"and back")
    assert received(theirs) == b"and back"


def _old(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def change(client: ssl.SSLContext) -> None:
        client.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            client.minimum_version = client.maximum_version = version

    return change


def _ciphers(names: str) -> Callable[[ssl.SSLContext], None]:
    def change(client: ssl.SSLContext) -> None:
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers(names)

    return change


WEAK = {
    "TLS 1.0": _old(ssl.TLSVersion.TLSv1),
    "TLS 1.1": _old(ssl.TLSVersion.TLSv1_1),
    "no authenticated cipher": _ciphers("ECDHE+AES:!AESGCM:!AESCCM"),
    "no forward secrecy": _ciphers("kRSA"),
}


@pytest.mark.parametrize("weaken", WEAK.values(), ids=WEAK)
def test_what_is_weak_is_refused_and_told(
    files: Files, held: ExitStack, weaken: Callable[[ssl.SSLContext], None]
) -> None:
    client = trusting(files)
    weaken(client)
    ours, theirs = connected(held, served(files), client)
    with pytest.raises(ssl.SSLError):
        shaken(ours, theirs)
    ours.close()
    # An alert, and not just an end.
    with pytest.raises(ssl.SSLError, match="ALERT"):
        finish(theirs)


def test_a_client_of_another_trust_goes_away(files: Files, held: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, theirs = connected(held, served(files), trusting(pairs.written(tmp_path / "other")))
    with pytest.raises(ssl.SSLError):
        shaken(ours, theirs)


def test_a_client_that_says_nothing_holds_nobody_up(files: Files, held: ExitStack) -> None:
    ours, _ = connected(held, served(files), trusting(files))
    assert tls.shake_hands(ours) == select.EPOLLIN
    assert tls.shake_hands(ours) == select.EPOLLIN


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_client_that_breaks_off_is_an_error(files: Files, held: ExitStack, sent: bytes) -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    ours = held.enter_context(served(files).wrap(here))
    there.sendall(sent)
    there.close()
    with pytest.raises(OSError):  # noqa: PT011 # which one is OpenSSL's to say
        finish(ours)


SPEECH = {
    "a record of the handshake": (b"\x16\x03\x01", Speech.TLS),
    "its first byte": (b"\x16", Speech.TLS),
    "a request": (b"GET / HTTP/1.1\r\n", Speech.HTTP),
    "a method's first letter": (b"P", Speech.HTTP),
    "a method in small letters": (b"propfind", Speech.HTTP),
    "an empty line": (b"\r\nGET", Speech.HTTP),
    "SSL 2": (b"\x80\x2e\x01\x00\x02", Speech.UNKNOWN),
    "an alert": (b"\x15\x03\x01", Speech.UNKNOWN),
    "SSH": (b"\x00\x00\x01", Speech.UNKNOWN),
    "nothing": (b"", Speech.UNKNOWN),
}


@pytest.mark.parametrize(("first", "expected"), SPEECH.values(), ids=SPEECH)
def test_what_a_client_speaks(first: bytes, expected: Speech) -> None:
    assert tls.speech(first) is expected


def test_what_a_real_client_begins_with_is_tls(files: Files, held: ExitStack) -> None:
    here, there = socket.socketpair()
    held.enter_context(here)
    there.setblocking(False)
    client = trusting(files)
    theirs = held.enter_context(
        client.wrap_socket(there, server_hostname="localhost", do_handshake_on_connect=False)
    )
    assert tls.shake_hands(theirs) == select.EPOLLIN
    assert tls.speech(here.recv(1, socket.MSG_PEEK)) is Speech.TLS
    here.setblocking(False)
    assert shaken(held.enter_context(served(files).wrap(here)), theirs) >= 0


def test_a_plain_request_is_told_what_to_do() -> None:
    head, _, body = requests.refusal(tls.PLAIN, "davserver/1").partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    assert f"Content-Length: {len(body)}" in fields
    assert "Connection: close" in fields
    assert b"https://" in body


def test_a_new_pair_is_for_new_connections(files: Files, held: ExitStack, tmp_path: Path) -> None:
    server = served(files)
    before = server.pair.fingerprint
    old_trust = trusting(files)
    old, old_client = connected(held, server, old_trust)
    begun, begun_client = connected(held, server, old_trust)
    shaken(old, old_client)
    session = old_client.session

    pairs.written(tmp_path)
    assert server.reload()
    assert server.pair.fingerprint != before

    # What stands goes on, and what has begun is done with the pair that it began with.
    old_client.send(b"still here")
    assert received(old) == b"still here"
    shaken(begun, begun_client)
    new, new_client = connected(held, server, trusting(files))
    shaken(new, new_client)
    assert new_client.getpeercert(True) != begun_client.getpeercert(True)
    assert session is None or not new_client.session_reused
    with pytest.raises(ssl.SSLError):
        shaken(*connected(held, server, old_trust))


@pytest.mark.parametrize(("spoil", "said"), [(bad[0], bad[2]) for bad in BAD.values()], ids=BAD)
def test_a_bad_pair_changes_nothing(
    files: Files,
    held: ExitStack,
    spoil: Callable[[Files], None],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = served(files)
    client, before = trusting(files), server.pair
    spoil(files)
    with caplog.at_level(logging.ERROR, "davserver.serving"):
        assert not server.reload()
    assert said in caplog.text
    assert server.pair == before
    shaken(*connected(held, server, client))


def test_an_expired_pair_is_used_and_warned_of(
    files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = served(files)
    pairs.written(tmp_path, pairs.expired())
    assert server.reload()
    assert "has expired" in caplog.text


def test_what_the_library_refuses_is_a_sentence(tmp_path: Path) -> None:
    """A key that is too short for it, although all of the pair fits."""
    both = tmp_path / "weak.pem"
    both.write_bytes(pairs.weak())
    with pytest.raises(BadPair, match="the TLS library refuses it: ee key too small"):
        Tls(str(both))


@pytest.mark.parametrize("says", [True, False], ids=["the end", "the control"])
def test_the_end_is_said(files: Files, held: ExitStack, says: bool) -> None:
    here, there = socket.socketpair()
    for end in (here, there):
        end.setblocking(False)
    ours = held.enter_context(served(files).wrap(here))
    client = trusting(files)
    client.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    theirs = held.enter_context(
        client.wrap_socket(
            there,
            server_hostname="localhost",
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
    )
    shaken(ours, theirs)
    ours.send(b"the last")
    if says:
        tls.say_goodbye(ours)
    ours.shutdown(socket.SHUT_WR)
    assert received(theirs) == b"the last"
    with nullcontext() if says else pytest.raises(ssl.SSLEOFError):
        assert received(theirs) == b""


def test_a_goodbye_to_nobody_is_nothing(files: Files, held: ExitStack) -> None:
    ours, theirs = connected(held, served(files), trusting(files))
    shaken(ours, theirs)
    theirs.close()
    tls.say_goodbye(ours)
    tls.say_goodbye(ours)


def test_an_answer_is_sent_in_whatever_pieces_the_kernel_takes(
    files: Files, held: ExitStack
) -> None:
    """OpenSSL wants the very bytes again that it has begun to write."""
    ours, theirs = connected(held, served(files), trusting(files))
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    shaken(ours, theirs)
    head, block = b"head" * 50, bytes(range(256)) * 1000
    outbox, found = Outbox(ours), b""
    outbox.push(head, block)
    while len(found) < len(head) + len(block):
        with suppress(ssl.SSLWantReadError):
            found += theirs.recv(1000)
        outbox.flush()
    assert found == head + block
    assert outbox.is_empty

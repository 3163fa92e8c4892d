"""TLS: the certificate in use, its exchange while connections go on, and what a client speaks."""

import logging
import select
import socket
import ssl
import string
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from davserver.certificates import BadPair, Pair
from davserver.serving.heads import Refused

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those with forward secrecy and authenticated encryption (RFC 9325 section 4.2). Of
TLS 1.3 all are.
"""

PLAIN = Refused(
    "400 Bad Request",
    "This port speaks TLS, and the request came unencrypted: use https:// instead of http://.",
)
"""The answer to a request that is not encrypted."""

log = logging.getLogger("davserver.serving")


class Speech(Enum):
    """What a client speaks."""

    TLS = "TLS"
    HTTP = "plain HTTP"
    UNKNOWN = "something else"


def speech(first: bytes) -> Speech:
    """What a connection begins with; one byte is enough. TLS begins with a record of the
    handshake (RFC 8446 section 5.1), a request with a method or an empty line (RFC 9112
    section 2.2).
    """
    if first[:1] == b"\x16":
        return Speech.TLS
    return Speech.HTTP if first[:1] in _BEGINNINGS else Speech.UNKNOWN


class Tls:
    """The pair of certificate and key that new connections get. ``pair`` is what it holds.

    Raises BadPair where the pair cannot be used; nothing asks for a password.
    """

    def __init__(self, cert: str, key: str | None = None) -> None:
        self._cert = cert
        self._key = key
        self.pair, self._context = self._load()

    def reload(self) -> bool:
        """Take what the files hold now, for all handshakes that begin from here on. What cannot be
        used changes nothing but the log. Gives whether the new pair is in use.
        """
        try:
            self.pair, self._context = self._load()
        except BadPair as error:
            log.error("the certificate in use stays: %s", error)
            return False
        if warning := self.pair.warning(datetime.now(UTC)):
            log.warning("%s: %s", self._cert, warning)
        log.info("%s: SHA-256 %s is in use", self._cert, self.pair.fingerprint)
        return True

    def wrap(self, connected: socket.socket) -> ssl.SSLSocket:
        """A connection on which the handshake is still to be done: nothing is sent or awaited
        here. The socket that is given is detached. Raises OSError where it has ended.
        """
        return self._context.wrap_socket(
            connected, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )

    def _load(self) -> tuple[Pair, ssl.SSLContext]:
        # Late: a server without TLS does without its time and memory.
        from davserver.certificates import reading

        pair = reading.read(self._cert, self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        try:
            # The files may change between two looks: no password is asked for here, either.
            context.load_cert_chain(self._cert, self._key, password=lambda: "")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            sentence = str(reason).replace("_", " ").lower()
            raise BadPair(f"{self._cert}: the TLS library refuses it: {sentence}.") from error
        return pair, context


def shake_hands(connected: ssl.SSLSocket) -> int:
    """Go on with the handshake of a socket that does not block. Gives the event of epoll to wait
    for before it is called again, 0 when it is done. Raises OSError where it has failed; what the
    client is told of that has been sent.
    """
    try:
        connected.do_handshake()
    except ssl.SSLWantReadError:
        return select.EPOLLIN
    except ssl.SSLWantWriteError:
        return select.EPOLLOUT
    return 0


def say_goodbye(connected: ssl.SSLSocket) -> None:
    """Tell the client that nothing more comes (RFC 8446 section 6.1), without waiting for its own
    goodbye: an end without it looks like one that somebody on the way has forged. The socket does
    not block any more.
    """
    connected.setblocking(False)
    with suppress(OSError, ValueError):
        connected.unwrap()


def environ(connected: ssl.SSLSocket) -> dict[str, Any]:
    """What the environs of all requests on a connection say of its TLS, once the handshake is
    done. The names are those of Apache's mod_ssl.
    """
    name, _, bits = connected.cipher() or ("", "", 0)
    return {
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
        "SSL_PROTOCOL": connected.version() or "",
        "SSL_CIPHER": name,
        "SSL_CIPHER_USEKEYSIZE": str(bits),
    }


_BEGINNINGS = frozenset(bytes([octet]) for octet in f"{string.ascii_letters}\r\n".encode())

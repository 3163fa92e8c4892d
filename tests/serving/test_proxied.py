"""The PROXY protocol: headers as bytes, whole and cut at every place."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.serving.proxied import LONGEST, Introduction, NotProxied, Proxied, parse

SIGN = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = ipaddress.ip_address("192.0.2.1").packed + ipaddress.ip_address("10.0.0.1").packed
SIX = ipaddress.ip_address("2001:db8::1").packed + ipaddress.ip_address("::1").packed
MAPPED = ipaddress.ip_address("::ffff:192.0.2.1").packed * 2
PORTS = b"\xff\xfe\x01\xbb"


def block(command: int, family: int, rest: bytes) -> bytes:
    return SIGN + bytes([command, family]) + len(rest).to_bytes(2) + rest


WHOLE = {
    "a line of IPv4": (b"PROXY TCP4 192.0.2.1 10.0.0.1 65535 443\r\n", "192.0.2.1", 65_535),
    "a line of IPv6": (b"PROXY TCP6 2001:DB8::1 ::1 0 443\r\n", "2001:db8::1", 0),
    "a line of IPv4 as IPv6": (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443\r\n", "192.0.2.1", 1),
    "the longest line of IPv4": (
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "255.255.255.255",
        65_535,
    ),
    "the longest line of IPv6": (
        b"PROXY TCP6 " + b" ".join([b":".join([b"ffff"] * 8)] * 2) + b" 65535 65535\r\n",
        ":".join(["ffff"] * 8),
        65_535,
    ),
    "a line of nobody": (b"PROXY UNKNOWN\r\n", None, 0),
    "a line of somebody": (b"PROXY UNKNOWN ffff::1 whatever 1 \r\n", None, 0),
    "the longest line": (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None, 0),
    "a block of IPv4": (block(0x21, 0x11, FOUR + PORTS), "192.0.2.1", 65_534),
    "a block of IPv6": (block(0x21, 0x21, SIX + PORTS), "2001:db8::1", 65_534),
    "a block of IPv4 as IPv6": (block(0x21, 0x21, MAPPED + PORTS), "192.0.2.1", 65_534),
    "a block with more": (block(0x21, 0x11, FOUR + PORTS + b"\4\0\1x"), "192.0.2.1", 65_534),
    "the longest block": (
        block(0x21, 0x11, (FOUR + PORTS).ljust(LONGEST - 16, b"\4")),
        "192.0.2.1",
        65_534,
    ),
    "a block of a Unix socket": (block(0x21, 0x31, b"/x".ljust(216, b"\0")), None, 0),
    "a block of nobody": (block(0x21, 0x00, b""), None, 0),
    "a block of the proxy's own": (block(0x20, 0x00, b""), None, 0),
    "of the proxy's own, with addresses": (block(0x20, 0x11, FOUR + PORTS), None, 0),
    "of the proxy's own, of a family that is none": (block(0x20, 0xFF, b"x"), None, 0),
}


@pytest.mark.parametrize(("octets", "address", "port"), WHOLE.values(), ids=WHOLE)
def test_a_header_is_read_and_what_is_behind_it_is_not(
    octets: bytes, address: str | None, port: int
) -> None:
    expected = Proxied(address, port, len(octets))
    for behind in (b"", b"G", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", octets):
        assert parse(octets + behind) == expected
    for end in range(len(octets)):
        assert parse(octets[:end]) is None, octets[:end]


WRONG = {
    "a request": b"GET / HTTP/1.1\r\n",
    "TLS": b"\x16\x03\x01\x02\0",
    "nothing of it": b"\n",
    "lower case": b"proxy ",
    "no space": b"PROXYTCP4",
    "a long line": b"PROXY UNKNOWN " + b"x" * 93,
    "a line that ends too late": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "a bare line feed": b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n",
    "a bare carriage return": b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\r",
    "another protocol": b"PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n",
    "a protocol in lower case": b"PROXY tcp4 192.0.2.1 10.0.0.1 1 2\r\n",
    "something like unknown": b"PROXY UNKNOWNX\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n",
    "a space at the end": b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n",
    "too few": b"PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
    "a leading zero in an address": b"PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n",
    "a leading zero in a port": b"PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n",
    "a port that is too large": b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n",
    "their port is too large": b"PROXY TCP4 192.0.2.1 10.0.0.1 1 99999\r\n",
    "an address that is none": b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
    "their address is none": b"PROXY TCP4 192.0.2.1 10.0.0 1 2\r\n",
    "IPv6 as IPv4": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "IPv4 as IPv6": b"PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "a byte beyond ASCII": "PROXY TCP4 192.0.2.١ 10.0.0.1 1 2\r\n".encode(),
    "another version": block(0x11, 0x11, FOUR + PORTS)[:13],
    "another command": block(0x22, 0x11, FOUR + PORTS)[:13],
    "another family": block(0x21, 0x41, b"")[:14],
    "datagrams": block(0x21, 0x12, FOUR + PORTS)[:14],
    "no transport": block(0x21, 0x10, FOUR + PORTS)[:14],
    "a short block": block(0x21, 0x11, (FOUR + PORTS)[:-1])[:16],
    "a short block of IPv6": block(0x21, 0x21, FOUR + PORTS)[:16],
    "a short block of a Unix socket": block(0x21, 0x31, b"x" * 215)[:16],
    "a long block": block(0x21, 0x11, b"x" * (LONGEST - 15))[:16],
    "a long block of the proxy's own": block(0x20, 0x00, b"x" * 65_535)[:16],
}


@pytest.mark.parametrize("octets", WRONG.values(), ids=WRONG)
def test_what_is_no_header_is_refused_as_soon_as_that_is_known(octets: bytes) -> None:
    with pytest.raises(NotProxied):
        parse(octets)


@given(
    st.one_of(
        st.binary(),
        st.builds(lambda rest: b"PROXY TCP4 " + rest, st.binary()),
        st.builds(lambda rest: SIGN + rest, st.binary()),
    )
)
def test_any_bytes_are_a_header_or_none_or_not_whole(octets: bytes) -> None:
    try:
        found = parse(octets)
    except NotProxied:
        return
    assert found is None or 0 < found.length <= len(octets)


@pytest.mark.parametrize(("octets", "address", "port"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_a_header_is_taken_off_a_socket_and_what_is_behind_it_is_not(
    octets: bytes, address: str | None, port: int, piece: int
) -> None:
    behind = b"\x16\x03\x01 and what else belongs to TLS"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        introduction = Introduction(ours)
        assert introduction.receive() is None
        sent = octets + behind
        found = None
        while found is None:
            assert sent
            theirs.sendall(sent[:piece])
            sent = sent[piece:]
            found = introduction.receive()
            if found is None:
                # Nothing is left that would wake somebody again and again.
                with pytest.raises(BlockingIOError):
                    ours.recv(1)
        assert found == Proxied(address, port, len(octets))
        if sent:
            theirs.sendall(sent)
        theirs.close()
        rest = b""
        while block := ours.recv(1 << 16):
            rest += block
        assert rest == behind


def test_a_connection_that_ends_is_none() -> None:
    for begun in (b"", b"PROXY TCP4 ", SIGN):
        ours, theirs = socket.socketpair()
        with ours:
            introduction = Introduction(ours)
            theirs.sendall(begun)
            if begun:
                assert introduction.receive() is None
            theirs.close()
            with pytest.raises(NotProxied):
                introduction.receive()

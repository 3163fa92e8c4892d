"""What proxies say: who is believed, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import forwarded, peers
from davserver.protocol.faults import Fault
from davserver.protocol.forwarded import Client, client

TRUSTED = peers.parse(["10.0.0.0/8", "2001:db8:1::/48", "unix"])
PEER = "10.0.0.1"

FOR = {
    "one client": ("192.0.2.1", Client("192.0.2.1")),
    "the nearest that is not trusted": ("203.0.113.9, 192.0.2.1, 10.0.0.2", Client("192.0.2.1")),
    "what is left of it is not read": ("<script>, 192.0.2.1", Client("192.0.2.1")),
    "all are trusted": ("10.0.0.3, 10.0.0.2", Client("10.0.0.3")),
    "IPv6": ("2001:db8::1", Client("2001:db8::1")),
    "IPv6 in brackets": ("[2001:DB8::1]", Client("2001:db8::1")),
    "IPv6 with a port": ("[2001:db8::1]:99", Client("2001:db8::1", "99")),
    "IPv4 with a port": ("192.0.2.1:1234", Client("192.0.2.1", "1234")),
    "IPv4 as IPv6": ("::ffff:192.0.2.1", Client("192.0.2.1")),
    "a trusted one as IPv6": ("192.0.2.1, ::ffff:10.0.0.9", Client("192.0.2.1")),
    "unknown": ("192.0.2.1, unknown", Client(PEER)),
    "unknown behind one that is trusted": ("192.0.2.1, unknown, 10.0.0.2", Client("10.0.0.2")),
    "empty elements": (", 192.0.2.1,, ,", Client("192.0.2.1")),
}


@pytest.mark.parametrize(("value", "expected"), FOR.values(), ids=FOR)
def test_x_forwarded_for_is_walked_from_the_right(value: str, expected: Client) -> None:
    assert client({"HTTP_X_FORWARDED_FOR": value}, PEER, TRUSTED.has) == expected


ELEMENTS = {
    "one client": ("for=192.0.2.1", Client("192.0.2.1")),
    "all of it": (
        'for="[2001:db8::1]:99";proto=HTTPS;host="nas.example:8443";by=10.0.0.1',
        Client("2001:db8::1", "99", "https", "nas.example:8443"),
    ),
    "names in any case, spaces around": (
        ' For="192.0.2.1" ; Proto=http',
        Client("192.0.2.1", "", "http"),
    ),
    "the element of the outermost trusted proxy": (
        "for=203.0.113.9;host=evil, for=192.0.2.1;host=a;proto=https, for=10.0.0.2;host=b",
        Client("192.0.2.1", "", "https", "a"),
    ),
    "all are trusted": ("for=10.0.0.3;host=a, for=10.0.0.2;host=b", Client("10.0.0.3", host="a")),
    "obfuscated": ("for=192.0.2.1;host=evil, for=_hidden;host=a", Client(PEER, host="a")),
    "unknown": ("for=unknown;proto=https", Client(PEER, scheme="https")),
    "an obfuscated port": ('for="192.0.2.1:_x"', Client("192.0.2.1")),
    "a quoted pair": (r'for="192.0.\2.1"', Client("192.0.2.1")),
    "commas and semicolons in quotes": ('by=",;";for=192.0.2.1', Client("192.0.2.1")),
    "without an address": ("for=192.0.2.1;host=evil, proto=https", Client(PEER, scheme="https")),
    "empty elements and pairs": (", for=192.0.2.1;;, ,", Client("192.0.2.1")),
    "other parameters": ("for=192.0.2.1;secret=abc", Client("192.0.2.1")),
}


@pytest.mark.parametrize(("value", "expected"), ELEMENTS.values(), ids=ELEMENTS)
def test_forwarded_is_walked_from_the_right(value: str, expected: Client) -> None:
    assert client({"HTTP_FORWARDED": value}, PEER, TRUSTED.has) == expected


REST = {
    "the scheme": ({"PROTO": "https"}, Client(PEER, scheme="https")),
    "of several schemes the nearest": ({"PROTO": "http, HTTPS"}, Client(PEER, scheme="https")),
    "of several hosts the nearest": ({"HOST": "evil, a"}, Client(PEER, host="a")),
    "a port that the host lacks": (
        {"HOST": "a", "PORT": "8443", "PROTO": "https"},
        Client(PEER, scheme="https", host="a:8443"),
    ),
    "an IPv6 host and a port": ({"HOST": "[::1]", "PORT": "1"}, Client(PEER, host="[::1]:1")),
    "the usual port": (
        {"HOST": "a", "PORT": "443", "PROTO": "https"},
        Client(PEER, scheme="https", host="a"),
    ),
    "a host with a port of its own": ({"HOST": "a:1", "PORT": "2"}, Client(PEER, host="a:1")),
    "a port alone": ({"PORT": "2"}, Client(PEER)),
}


@pytest.mark.parametrize(("said", "expected"), REST.values(), ids=REST)
def test_scheme_and_host_are_those_of_the_nearest_proxy(
    said: dict[str, str], expected: Client
) -> None:
    fields = {f"HTTP_X_FORWARDED_{name}": value for name, value in said.items()}
    assert client(fields, PEER, TRUSTED.has) == expected


def test_nothing_is_said() -> None:
    assert client({}, PEER, TRUSTED.has) is None
    assert client({"HTTP_X_FORWARDED_FOR": "", "HTTP_FORWARDED": ""}, PEER, TRUSTED.has) is None
    assert client({"HTTP_X_FORWARDED_PREFIX": "/a"}, PEER, TRUSTED.has) is None


WRONG = {
    "FORWARDED": (
        *("for", "for=", "=a", 'for="a', "for=a;for=b", "for=a b", "for=[::1]", "for=1.2.3.4:1"),
        *('for="1.2.3.4"x', "for=1.2.3.256", "for=a", 'for="[1.2.3.4]"', "proto=ftp", 'host="/"'),
        *("host=", 'for="\x7f"', "for=1.2.3.4 for=2.3.4.5", 'for=1.2.3.4;by=", for=1.2.3.4', "@"),
    ),
    "X_FORWARDED_FOR": ("x", "1.2.3", "1.2.3.4/8", '"1.2.3.4"', "fe80::1%eth0", "1.2.3.4;x", "_"),
    "X_FORWARDED_PROTO": ("ftp", "https;", "http, x"),
    "X_FORWARDED_HOST": ("a/b", "a b", "a@b", "[::1", "a, b/c"),
    "X_FORWARDED_PORT": ("x", "-1", "65536", "9" * 5000),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]]
)
def test_what_cannot_be_understood_is_400(name: str, value: str) -> None:
    with pytest.raises(Fault) as refused:
        client({f"HTTP_{name}": value}, PEER, TRUSTED.has)
    assert refused.value.status == 400


def test_two_kinds_have_to_say_the_same() -> None:
    both = {"HTTP_FORWARDED": 'for="192.0.2.1:9"', "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
    assert client(both, PEER, TRUSTED.has) == Client("192.0.2.1", "9")
    for name, value in (
        ("HTTP_X_FORWARDED_FOR", "192.0.2.2"),
        ("HTTP_X_FORWARDED_PROTO", "https"),
        ("HTTP_X_FORWARDED_HOST", "localhost"),
        ("HTTP_FORWARDED", "for=192.0.2.1;host=localhost"),
    ):
        with pytest.raises(Fault) as refused:
            client({**both, name: value}, PEER, TRUSTED.has)
        assert refused.value.status == 400


@given(st.text(), st.sampled_from(forwarded.FIELDS))
def test_any_text_is_a_client_or_400(text: str, name: str) -> None:
    try:
        found = client({name: text}, PEER, TRUSTED.has)
    except Fault:
        return
    assert found is None or peers.ip_address(found.address)


@given(st.text(alphabet=' "\\,;=for:[]1.a'))
def test_elements_are_read_whole_or_not(text: str) -> None:
    try:
        found = forwarded.elements(text)
    except Fault:
        return
    assert all(name == name.lower() and name for one in found for name in one)


def test_who_is_trusted() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::9", "2001:db8:1::9%eth0", ""):
        assert TRUSTED.has(address), address
    for address in ("11.0.0.1", "2001:db8:2::1", "::ffff:11.0.0.1", "unix", "x", "10.0.0.1x"):
        assert not TRUSTED.has(address), address
    assert TRUSTED
    assert not peers.NOBODY
    assert not peers.NOBODY.has("")
    assert not peers.NOBODY.has("127.0.0.1")
    assert not peers.parse(["127.0.0.1"]).has("")
    assert not peers.parse(["unix"]).has("127.0.0.1")


def test_addresses_are_readable() -> None:
    for address, shown in (
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("", ""),
    ):
        assert peers.readable(address) == shown

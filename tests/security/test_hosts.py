"""DNS rebinding: a page that makes its own name point to this machine gets nothing."""

from pathlib import Path

import pytest
from hypothesis import given

from davserver.middleware.authentication import credentials
from davserver.protocol.hosts import host_name, is_loopback
from tests.protocol import values
from tests.security.inside import BODIES, METHODS, Inside, digest

OURS = (
    *("localhost", "LocalHost:8080", "localhost.", "x.localhost", "127.0.0.1", "127.0.0.1:80"),
    *("127.9.9.9:8080", "[::1]", "[::1]:8080"),
)
FOREIGN = (
    *("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("localhost@evil.example", "evil.example#localhost", "notlocalhost", "192.168.0.1", "0.0.0.0"),
    *(
        "[::]",
        "[::2]:80",
        "[::ffff:8.8.8.8]",
        "localhost:80:80",
        "[",
        "]",
        ":",
        "",
        " ",
        "[evil",
    ),
    *("2130706433", "0x7f000001", "127.1.evil", "localhost,evil.example", "localhost evil.example"),
    *("nas.local", "NAS.local.", "xnas.lan"),
)


@pytest.mark.parametrize("host", OURS)
def test_loopback_names_are_answered(tmp_path: Path, host: str) -> None:
    ask = Inside(tmp_path / "state.db", {"": tmp_path})
    assert ask("GET", "/", f"Host: {host}").status == 200
    ask.close()


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_get_nothing(tmp_path: Path, host: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "secret name").write_bytes(b"secret content")
    before = digest(root)
    ask = Inside(tmp_path / "state.db", {"": root})
    for method in METHODS:
        for target in ("/", "/secret%20name", "/new", "*"):
            fields = (f"Host: {host}", "Destination: /copy", "Depth: 1")
            answer = ask(method, target, *fields, body=BODIES.get(method, b""))
            assert answer.status == 403
            assert b"secret" not in answer.body
    assert digest(root) == before
    ask.close()


def test_names_that_the_operator_lists_are_answered(tmp_path: Path) -> None:
    ask = Inside(tmp_path / "state.db", {"": tmp_path}, allowed_hosts=("nas.lan",))
    for host, status in (("NAS.lan:8080", 200), ("nas.lan", 200), ("xnas.lan", 403)):
        assert ask("GET", "/", f"Host: {host}").status == status
    ask.close()


def test_with_users_any_name_will_do(tmp_path: Path) -> None:
    """The password keeps the page out: browsers send it to the name that asked for it."""
    ask = Inside(tmp_path / "state.db", {"": tmp_path}, "alice")
    assert ask("GET", "/", "Host: dav.example").status == 401
    assert ask("GET", "/", "Host: dav.example", user="alice").status == 200
    ask.close()


@given(values.ANY_TEXT)
def test_any_text_is_a_host_or_none(text: str) -> None:
    for one in (text, f"[{text}", f"[{text}]:80", f"{text}:80"):
        is_loopback(host_name(one))


@given(values.ANY_TEXT)
def test_any_text_is_credentials_or_none(text: str) -> None:
    for one in (text, f"Basic {text}", f"basic  {text}=="):
        name, password = credentials(one)
        assert isinstance(name, str)
        assert isinstance(password, str)

"""The PROXY protocol on real connections, and HAProxy that speaks it."""

import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxies import front
from tests.proxies.front import FRONTS, NAME, logged, placed, running
from tests.running import Running, program, run
from tests.wire import talk
from tests.wire.talk import Talk

CLIENT = "192.0.2.77"
LINE = f"PROXY TCP4 {CLIENT} 127.0.0.1 4711 80\r\n".encode()
SIGN = b"\r\n\r\n\0\r\nQUIT\n"
BLOCK = SIGN + b"\x21\x11\x00\x10" + bytes([192, 0, 2, 77, 127, 0, 0, 1]) + b"\x12\x67\0\x50\4\0\1x"
OWN = SIGN + b"\x20\x00\x00\x00"
HEADERS = {"a line": LINE, "a block": BLOCK}


class From(Talk):
    """A connection from an address of this machine."""

    def __init__(self, port: int, address: str) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=talk.SECONDS, source_address=(address, 0)
        )
        self._read = self.socket.makefile("rb")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("proxied")
    (folder / "root").mkdir()
    given = ("--proxy-protocol", "--trusted-proxies", "127.0.0.1", "--verbose")
    with Running(folder / "root", *given, state=folder / "state.db") as running:
        yield running


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_client_is_who_the_header_says(server: Running, header: bytes) -> None:
    with Talk(server.port) as client:
        client.send(header + talk.request(f"OPTIONS /together{len(header)}"))
        assert client.reply().status == 200
        assert logged(server, f"/together{len(header)}") == CLIENT
        # The connection has it, not the request.
        client.send(talk.request(f"OPTIONS /again{len(header)}"))
        assert client.reply().status == 200
        assert logged(server, f"/again{len(header)}") == CLIENT


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_it_comes_as_slowly_as_it_likes(server: Running, header: bytes) -> None:
    with Talk(server.port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = header + talk.request(f"OPTIONS /slow{len(header)}")
        for place in range(len(sent)):
            client.send(sent[place : place + 1])
            if place % 10 == 0:
                # Others are served meanwhile.
                with Talk(server.port) as other:
                    other.send(LINE + talk.request("OPTIONS /meanwhile"))
                    assert other.reply().status == 200
        assert client.reply().status == 200
        assert logged(server, f"/slow{len(header)}") == CLIENT


def test_what_the_proxy_says_for_itself(server: Running) -> None:
    for header in (OWN, b"PROXY UNKNOWN\r\n"):
        with Talk(server.port) as client:
            client.send(header + talk.request(f"OPTIONS /own{len(header)}"))
            assert client.reply().status == 200
            assert logged(server, f"/own{len(header)}") == "127.0.0.1"


def test_who_is_trusted_has_to_say_it(server: Running) -> None:
    wrong = (b"", b"PROXY TCP4 x\r\n", LINE + LINE, LINE + BLOCK, SIGN + b"\x21\x11\x00\x01x")
    for header in wrong:
        with Talk(server.port) as client:
            client.send(header + talk.request("PUT /wrong", body=b"x"))
            assert client.reply().status == 400
            assert client.is_ended()


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_who_is_not_trusted_may_not(server: Running, header: bytes) -> None:
    with From(server.port, "127.0.0.2") as client:
        client.send(talk.request("OPTIONS /plain"))
        assert client.reply().status == 200
        assert logged(server, "/plain") == "127.0.0.2"
    with From(server.port, "127.0.0.2") as client:
        client.send(header + talk.request("OPTIONS /spoofed"))
        assert client.reply().status == 400
    assert "/spoofed" not in server.log.read_text()


def test_the_client_of_a_proxy_is_not_a_proxy(server: Running) -> None:
    """What it says of itself counts only if it is trusted, too."""
    with Talk(server.port) as client:
        client.send(LINE + talk.request("OPTIONS /lie", "X-Forwarded-For: 192.0.2.99"))
        assert client.reply().status == 200
    assert logged(server, "/lie") == CLIENT
    with Talk(server.port) as client:
        behind = LINE.replace(CLIENT.encode(), b"127.0.0.1")
        client.send(behind + talk.request("OPTIONS /chain", "X-Forwarded-For: 192.0.2.99"))
        assert client.reply().status == 200
    assert logged(server, "/chain") == "192.0.2.99"


def test_it_comes_before_tls(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    front.make_pair(tmp_path / "pair.pem")
    pair = ("--cert", tmp_path / "pair.pem", "--key", tmp_path / "pair.pem")
    given = ("--proxy-protocol", "--trusted-proxies", "127.0.0.1", "--verbose")
    with Running(tmp_path / "root", *given, *pair, state=tmp_path / "state.db") as server:
        trusting = ssl.create_default_context(cafile=tmp_path / "pair.pem")
        for header in HEADERS.values():
            with socket.create_connection(("127.0.0.1", server.port), talk.SECONDS) as plain:
                plain.sendall(header)
                with trusting.wrap_socket(plain, server_hostname=NAME) as client:
                    client.sendall(
                        talk.request(f"OPTIONS /secret{len(header)}", "Connection: close")
                    )
                    assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
            assert logged(server, f"/secret{len(header)}") == CLIENT


def test_haproxy() -> None:
    with tempfile.TemporaryDirectory(prefix="davserver-") as name:
        place = Path(name)
        (place / "root").mkdir()
        path = place / "s"
        given = ("--proxy-protocol", "--trusted-proxies", "unix", "--prefix", "/dav", "--verbose")
        hosts = ("--allowed-hosts", NAME)
        server = Running(
            place / "root", *given, *hosts, listen=f"unix:{path}", state=place / "state.db"
        )
        proxy = placed(FRONTS["haproxy"], place, path)
        with server, running(proxy):
            for method, more, status in (
                ("PUT", ("--data", "content"), " 201"),
                ("MOVE", ("--header", f"Destination: https://{NAME}/dav/b%20c"), " 201"),
            ):
                url = f"https://{NAME}:{proxy.port}/dav/a"
                done = run(
                    [
                        *(program("curl"), "--silent", "--show-error", "--insecure"),
                        *("--noproxy", "*", "--max-time", "60", "--interface", "127.0.0.9"),
                        *("--resolve", f"{NAME}:{proxy.port}:127.0.0.1"),
                        *("--write-out", " %{http_code}", "--request", method, *more, url),
                    ]
                )
                assert done.stdout.endswith(status), done
            assert (place / "root" / "b c").read_bytes() == b"content"
            assert logged(server, "/dav/a") == "127.0.0.9"

"""Requests that hide in others, through real proxies whose connections to davserver all clients
share: whoever asks next gets its own answer, and davserver is never asked for what is hidden.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.proxies import desynchronised, front
from tests.proxies.desynchronised import PREFIX, Asked, Site
from tests.proxies.front import FRONTS, NAME, placed, running
from tests.running import Running
from tests.wire import probes_chunks, probes_smuggling
from tests.wire.probes import CONTENT, Probe

PROBES = [*probes_smuggling.PROBES, *probes_chunks.PROBES]

SHARING = {
    "nginx": FRONTS["nginx"],
    # One process, since each has connections of its own.
    "apache": replace(
        FRONTS["apache"],
        around=f"{front.APACHE}ServerLimit 1\nStartServers 1\nMaxRequestWorkers 25\n",
    ),
    # As it is set, a connection is for one client: it begins with who that is.
    "haproxy": replace(
        FRONTS["haproxy"],
        replaced={
            **FRONTS["haproxy"].replaced,
            " send-proxy-v2": "",
            "backend davserver\n": "backend davserver\n    http-reuse always\n",
            "maxconn 4096\n": "maxconn 4096\n    nbthread 1\n",
        },
    ),
}
"""The proxies, each with connections to davserver that stay open and are shared by all clients."""


@pytest.fixture(scope="module", params=SHARING)
def site(request: pytest.FixtureRequest, place: Path) -> Iterator[Site]:
    """davserver behind a proxy."""
    folder = place / request.param
    root = folder / "root"
    root.mkdir(parents=True)
    (folder / "proxy").mkdir()
    (root / "file").write_bytes(CONTENT)
    path, log = folder / "s", folder / "access.log"
    server = Running(
        *(root, "--prefix", PREFIX, "--trusted-proxies", "unix", "--allowed-hosts", NAME),
        *("--unix-mode", "0666", "--access-log", log, "--access-log-format", "json"),
        listen=f"unix:{path}",
        state=folder / "state.db",
    )
    proxy = placed(SHARING[request.param], folder / "proxy", path)
    with server, running(proxy):
        yield Site(
            proxy.port,
            lambda: desynchronised.read(log),
            lambda name: (root / name).write_text(name),
        )
    said = server.log.read_text()
    assert "Traceback" not in said
    assert "cannot answer" not in said


@pytest.mark.parametrize("probe", PROBES, ids=[probe.name for probe in PROBES])
def test_everybody_gets_its_own_answer(site: Site, probe: Probe) -> None:
    assert desynchronised.complaints(site, probe) == [], probe.shows


class Liar(socketserver.ThreadingUnixStreamServer):
    """A server at a Unix socket that gives the last name of a path as its content. While it
    ``lies`` it does not count the body of a GET: that is the beginning of the next request.
    """

    lies = False

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Answering)
        path.chmod(0o666)
        self.asked: list[Asked] = []


class _Answering(socketserver.StreamRequestHandler):
    server: Liar

    def handle(self) -> None:
        with suppress(ConnectionError):
            while line := self.rfile.readline():
                self._answer(*line.decode().split()[:2])

    def _answer(self, method: str, target: str) -> None:
        length = 0
        while field := self.rfile.readline().strip():
            name, _, value = field.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        is_get = method == "GET"
        if not (is_get and self.server.lies):
            self.rfile.read(length)
        body = target.rpartition("/")[2].encode() if is_get else b""
        if target == f"{PREFIX}/file":
            body = CONTENT
        status = 200 if is_get else 201
        self.server.asked.append(Asked(method, target, status))
        self.wfile.write(
            b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        )


@contextmanager
def lying(path: Path) -> Iterator[Liar]:
    with Liar(path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", SHARING)
def test_who_takes_a_body_for_a_request_is_found_out(name: str, place: Path) -> None:
    """The control, for the judge and for what it needs: that clients share connections."""
    folder = place / f"lying-{name}"
    (folder / "proxy").mkdir(parents=True)
    probe = next(one for one in PROBES if one.name == "half-a-put-in-the-body-of-a-get")
    proxy = placed(SHARING[name], folder / "proxy", folder / "s")
    with lying(folder / "s") as server, running(proxy):
        site = Site(proxy.port, lambda: server.asked, lambda name: None)
        assert desynchronised.complaints(site, probe) == []
        server.lies = True
        wrong = desynchronised.complaints(site, probe)
    assert [one for one in wrong if one.startswith("another client got")], wrong
    assert [one for one in wrong if one.startswith("the server was asked")], wrong

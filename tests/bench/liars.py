"""Servers in this process that answer what a test tells them to, right or wrong."""

import contextlib
import os
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.bench import ground, workloads
from tests.bench.client import HOST, href
from tests.bench.peers import Server

DEAD = f'<colour xmlns="urn:davserver:bench">{workloads.DEAD_TEXT}</colour>'
RESPONSE = (
    "<D:response><D:href>/{path}</D:href><D:propstat><D:prop>"
    "<D:resourcetype>{kind}</D:resourcetype><D:getcontentlength>{size}</D:getcontentlength>"
    "<D:getlastmodified>Sat, 21 Nov 2026 12:00:00 GMT</D:getlastmodified>"
    "{dead}"
    "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
)

Told = dict[str, int | None]
Bend = Callable[[Told], Told]
Keep = Callable[[bytes], bytes | None]


class Teller(BaseHTTPRequestHandler):
    """Lists what lies below the root, bent by ``bend``, stores what ``keep`` makes of a body, sends
    what it makes of a file, tells ``patched`` of each property, and claims success for all else.
    """

    protocol_version = "HTTP/1.1"
    root: ClassVar[Path]
    bend: ClassVar[Bend]
    keep: ClassVar[Keep]
    patched: ClassVar[str]

    def do_PROPFIND(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        told: Told = {"tree": None}
        told |= {f"tree/{path}": size for path, size in ground.standing(self.root / "tree").items()}
        if self.headers["Depth"] == "1":
            told = {path: size for path, size in told.items() if path.count("/") < 2}
        parts = (
            RESPONSE.format(
                path=href(path)[1:],
                kind="<D:collection/>" if size is None else "",
                size="" if size is None else size,
                dead="" if size is None else DEAD,
            )
            for path, size in type(self).bend(told).items()
        )
        self.answer(207, f'<D:multistatus xmlns:D="DAV:">{"".join(parts)}</D:multistatus>')

    def do_PROPPATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(
            207,
            '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/x</D:href><D:propstat><D:prop>'
            '<colour xmlns="urn:davserver:bench"/></D:prop>'
            f"<D:status>HTTP/1.1 {self.patched}</D:status></D:propstat></D:response>"
            "</D:multistatus>",
        )

    def do_PUT(self) -> None:
        file = self.root / urllib.parse.unquote(self.path).lstrip("/")
        status = 204 if file.exists() else 201
        kept = type(self).keep(self.sent())
        if kept is not None:
            file.write_bytes(kept)
        self.answer(status)

    def sent(self) -> bytes:
        """The body of the request."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        body = (self.root / urllib.parse.unquote(self.path).lstrip("/")).read_bytes()
        status, told = 200, ""
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = int(found[1]), int(found[2])
            status, told = 206, f"bytes {first}-{last}/{len(body)}"
            body = body[first : last + 1]
        body = type(self).keep(body) or b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", told)
        self.end_headers()
        self.wfile.write(body)

    def do_LOCK(self) -> None:
        self.sent()
        self.send_response(200)
        self.send_header("Lock-Token", "<urn:davserver:bench:lock>")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_COPY(self) -> None:
        self.answer(201)

    do_MOVE = do_MKCOL = do_COPY

    def do_DELETE(self) -> None:
        self.answer(204)

    do_UNLOCK = do_DELETE

    def answer(self, status: int, body: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        return


def whole(told: Told) -> Told:
    return told


def half(told: Told) -> Told:
    return dict(list(told.items())[: len(told) // 2])


def swollen(told: Told) -> Told:
    return {path: None if size is None else size + 1 for path, size in told.items()}


def renamed(told: Told) -> Told:
    path, size = list(told.items())[-1]
    return {**{each: told[each] for each in told if each != path}, path + "x": size}


def all_of_it(body: bytes) -> bytes | None:
    return body


def nothing(body: bytes) -> bytes | None:
    return None


def cut_short(body: bytes) -> bytes | None:
    return body[:-1]


def altered(body: bytes) -> bytes | None:
    return body[:-1] + bytes([body[-1] ^ 1])


@contextlib.contextmanager
def telling(
    root: Path, bend: Bend = whole, keep: Keep = all_of_it, patched: str = "403 Forbidden"
) -> Iterator[Server]:
    """A server in this process that answers as ``bend`` and stores as ``keep`` would have it."""
    teller = type(
        "Bent",
        (Teller,),
        {
            "root": root,
            "bend": staticmethod(bend),
            "keep": staticmethod(keep),
            "patched": patched,
        },
    )
    with ThreadingHTTPServer((HOST, 0), teller) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Server("teller", server.server_port, os.getpid(), root)
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def saying(raw: bytes) -> Iterator[int]:
    """A port where each connection is told ``raw``, a byte at a time, and ended."""

    class Raw(BaseHTTPRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            # Whoever has heard enough hangs up.
            with contextlib.suppress(ConnectionError):
                for number in range(len(raw)):
                    self.wfile.write(raw[number : number + 1])

    with ThreadingHTTPServer((HOST, 0), Raw) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()

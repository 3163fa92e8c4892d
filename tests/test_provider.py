"""WsgiDAV around us and beside us: our provider in a stock application, theirs in ours, and the
names of both libraries that we rely on.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cheroot.server
import cheroot.workers.threadpool
import cheroot.wsgi
import pytest
from wsgidav.dav_provider import DAVProvider
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.mw.base_mw import BaseMiddleware
from wsgidav.request_resolver import RequestResolver
from wsgidav.wsgidav_app import WsgiDAVApp

from davserver import app
from davserver.accounts import Accounts
from davserver.middleware import Corridor
from davserver.protocol import multistatus, paths
from davserver.provider import Provider
from davserver.share import Share
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from davserver.tree import Tree
from tests import environ

Ask = Callable[..., tuple[int, dict[str, str], bytes]]

LOCKINFO = (
    b"<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>"
    b"</D:locktype></D:lockinfo>"
)


def asking(application: Callable[..., Iterable[bytes]]) -> Ask:
    """Ask a WSGI application as a server does that tells nothing but what PEP 3333 wants."""

    def ask(
        method: str, target: str, *, body: bytes = b"", **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        path = b"/".join(
            name.encode("utf-8", "surrogateescape") for name in ("", *paths.parse(target).path)
        )
        slash = b"/" if target.endswith("/") else b""
        place = (path + slash).decode("latin-1") or "/"
        told = environ.of(method, fields, body, PATH_INFO=place)
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], error: Any = None
        ) -> Callable[[bytes], None]:
            del error
            begun.append((status, headers))
            return lambda data: None

        blocks = application(told, start_response)
        content = b"".join(blocks)
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
        status, headers = begun[-1]
        return int(status[:3]), {name.lower(): value for name, value in headers}, content

    return ask


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "Folder").mkdir(parents=True)
    (tmp_path / "root" / "Folder" / "File.TXT").write_bytes(b"content")
    return tmp_path / "root"


@pytest.fixture
def shares(root: Path, tmp_path: Path) -> Iterator[Shares]:
    state = SqliteState(tmp_path / "state.db")
    tree = Tree(str(root))
    yield Shares([Share("", tree)], state, time.time_ns)
    state.close()
    tree.close()


@pytest.fixture(params=["/dav", "/a/b"])
def stock(request: pytest.FixtureRequest, shares: Shares) -> tuple[Ask, str]:
    """A stock application, with its own middleware, that has our provider below a path."""
    application = WsgiDAVApp(
        {
            "provider_mapping": {request.param: Provider(shares)},
            "simple_dc": {"user_mapping": {"*": True}},
            "logging": {"enable": False},
            "verbose": 1,
        }
    )
    return asking(application), request.param


def hrefs(body: bytes) -> set[str]:
    return {one.href for one in multistatus.parse(body)}


def test_a_stock_application_lists_with_its_prefix(stock: tuple[Ask, str]) -> None:
    ask, prefix = stock
    status, _, body = ask("PROPFIND", f"{prefix}/", depth="infinity")
    assert status == 207
    assert hrefs(body) == {
        f"{prefix}/",
        f"{prefix}/Folder/",
        f"{prefix}/Folder/File.TXT",
    }


def test_a_stock_application_reads_and_writes(stock: tuple[Ask, str], root: Path) -> None:
    ask, prefix = stock
    status, headers, body = ask("GET", f"{prefix}/Folder/File.TXT")
    assert (status, body) == (200, b"content")
    etag = headers["etag"]
    assert ask("HEAD", f"{prefix}/Folder/File.TXT")[0] == 200
    assert ask("GET", f"{prefix}/Folder/File.TXT", if_none_match=etag)[0] == 304
    assert ask("PUT", f"{prefix}/Folder/Neu%20%C3%BC", body=b"new")[0] == 201
    assert (root / "Folder" / "Neu ü").read_bytes() == b"new"
    assert ask("PUT", f"{prefix}/Folder/File.TXT", body=b"x", if_match=etag)[0] == 204
    assert ask("PUT", f"{prefix}/Folder/File.TXT", body=b"x", if_match=etag)[0] == 412
    assert ask("MKCOL", f"{prefix}/Made/")[0] == 201
    assert ask("PUT", f"{prefix}/none/x", body=b"x")[0] == 409
    assert ask("OPTIONS", f"{prefix}/Folder/")[1]["dav"] == "1, 2, 3"


def test_a_stock_application_moves_within_its_prefix(stock: tuple[Ask, str], root: Path) -> None:
    ask, prefix = stock
    target = f"http://proxy.example{prefix}/Moved%3B1"
    assert ask("MOVE", f"{prefix}/Folder/", destination=target)[0] == 201
    assert (root / "Moved;1" / "File.TXT").exists()
    assert ask("COPY", f"{prefix}/Moved%3B1/", destination=f"{prefix}/Copy")[0] == 201
    assert ask("MOVE", f"{prefix}/Copy/", destination="/elsewhere/x")[0] == 502
    assert ask("DELETE", f"{prefix}/Copy/")[0] == 204
    assert not (root / "Copy").exists()


def test_a_stock_application_locks(stock: tuple[Ask, str]) -> None:
    ask, prefix = stock
    url = f"{prefix}/Folder/File.TXT"
    status, headers, body = ask("LOCK", url, body=LOCKINFO)
    assert status == 200
    assert f"<D:lockroot><D:href>{url}</D:href>".encode() in body
    token = headers["lock-token"]
    status, _, body = ask("PUT", url, body=b"x")
    assert status == 423
    assert f"<D:href>{url}</D:href>".encode() in body
    assert ask("PUT", url, body=b"x", **{"if": f"<{url}> ({token})"})[0] == 204
    assert ask("UNLOCK", url, lock_token=token)[0] == 204


def test_a_stock_application_shows_its_own_page(stock: tuple[Ask, str]) -> None:
    """Its directory browser looks at resources through our provider before it hands on."""
    ask, prefix = stock
    status, headers, body = ask("GET", f"{prefix}/Folder/")
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert b"File.TXT" in body
    assert ask("GET", f"{prefix}/none")[0] == 404


@pytest.fixture
def both(shares: Shares, tmp_path: Path) -> Ask:
    """Our application, with a share of WsgiDAV's own provider beside ours."""
    (tmp_path / "theirs" / "Sub").mkdir(parents=True)
    (tmp_path / "theirs" / "Sub" / "a.txt").write_bytes(b"theirs")
    corridor = Corridor(shares, Accounts((), time.monotonic))
    others = {"Other": FilesystemProvider(str(tmp_path / "theirs"))}
    return asking(app.build(corridor, others))


def test_a_share_of_another_provider_works(both: Ask, tmp_path: Path) -> None:
    status, _, body = both("PROPFIND", "/Other/", depth="1")
    assert status == 207
    assert {one.rstrip("/") for one in hrefs(body)} == {"/Other", "/Other/Sub"}
    assert both("GET", "/Other/Sub/a.txt")[2] == b"theirs"
    assert both("PUT", "/Other/Sub/b%20c.txt", body=b"new")[0] == 201
    assert (tmp_path / "theirs" / "Sub" / "b c.txt").read_bytes() == b"new"
    assert both("GET", "/Other/none")[0] == 404
    assert both("DELETE", "/Other/Sub/a.txt")[0] == 204
    assert both("OPTIONS", "/Other/")[0] == 200


def test_a_share_of_another_provider_lies_under_the_prefix(shares: Shares, tmp_path: Path) -> None:
    (tmp_path / "theirs" / "Sub").mkdir(parents=True)
    (tmp_path / "theirs" / "Sub" / "a.txt").write_bytes(b"theirs")
    shares.prefix = ("dav", "x")
    corridor = Corridor(shares, Accounts((), time.monotonic))
    others = {"Other": FilesystemProvider(str(tmp_path / "theirs"))}
    ask = asking(app.build(corridor, others))
    assert shares.prefix == ("dav", "x")
    status, _, body = ask("PROPFIND", "/dav/x/Other/", depth="1")
    assert status == 207
    assert {one.rstrip("/") for one in hrefs(body)} == {"/dav/x/Other", "/dav/x/Other/Sub"}
    assert ask("GET", "/dav/x/Other/Sub/a.txt")[2] == b"theirs"
    assert ask("PUT", "/dav/x/Other/b", body=b"new")[0] == 201
    assert (tmp_path / "theirs" / "b").read_bytes() == b"new"
    assert ask("GET", "/Other/Sub/a.txt")[0] == 404
    assert hrefs(ask("PROPFIND", "/dav/x/Folder/", depth="0")[2]) == {"/dav/x/Folder/"}


def test_ours_works_beside_it(both: Ask, root: Path) -> None:
    status, _, body = both("PROPFIND", "/Folder/", depth="1")
    assert status == 207
    assert hrefs(body) == {"/Folder/", "/Folder/File.TXT"}
    assert both("PUT", "/other", body=b"x")[0] == 201
    assert (root / "other").read_bytes() == b"x"
    assert both("LOCK", "/Folder/File.TXT", body=LOCKINFO)[0] == 200
    assert both("PUT", "/Folder/File.TXT", body=b"x")[0] == 423


def parameters(of: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(of).parameters)


def test_what_we_rely_on_in_wsgidav() -> None:
    assert parameters(BaseMiddleware.__init__) == ["self", "wsgidav_app", "next_app", "config"]
    assert parameters(RequestResolver.__init__) == ["self", "wsgidav_app", "next_app", "config"]
    assert parameters(DAVProvider.custom_request_handler) == [
        *("self", "environ", "start_response", "default_handler")
    ]
    assert parameters(DAVProvider.get_resource_inst) == ["self", "path", "environ"]
    for name in ("is_readonly", "set_share_path", "set_mount_path"):
        assert callable(getattr(DAVProvider, name))
    source = inspect.getsource(WsgiDAVApp)
    for name in ("self.application", "self.provider_map", "self.verbose", "middleware_stack"):
        assert name in source
    keys = inspect.getsource(RequestResolver) + source
    for key in ("wsgidav.provider", "wsgidav.config", "wsgidav.app", "wsgidav.verbose"):
        assert key in keys


def test_what_we_rely_on_in_cheroot() -> None:
    request = cheroot.server.HTTPRequest
    for name in (
        *("read_request_line", "read_request_headers", "respond", "send_headers"),
        *("simple_response", "ensure_headers_sent"),
    ):
        assert callable(getattr(request, name))
    source = inspect.getsource(request)
    for name in (
        *("self.close_connection", "self.chunked_read", "self.chunked_write", "self.inheaders"),
        *("self.started_request", "self.request_protocol", "self.response_protocol"),
        *("self.rfile", "self.uri", "self.path", "self.qs", "self.authority", "remaining"),
    ):
        assert name in source, name
    assert cheroot.server.HTTPConnection.RequestHandlerClass is request
    assert "RequestHandlerClass(" in inspect.getsource(cheroot.server.HTTPConnection)
    assert hasattr(cheroot.workers.threadpool.ThreadPool, "_force_close")
    assert callable(cheroot.wsgi.Gateway_10.get_environ)
    assert "REQUEST_URI" in inspect.getsource(cheroot.wsgi.Gateway_10)
    for name in ("prepare", "serve", "stop", "error_log"):
        assert callable(getattr(cheroot.wsgi.Server, name))

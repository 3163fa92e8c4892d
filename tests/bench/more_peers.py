"""Further servers beside ours: lighttpd, rclone, Go's x/net, and two more in Python.

PEERS has them together with those of ``peers``.
"""

import atexit
import contextlib
import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import configurations, install, peers
from tests.bench.client import HOST, Client, Unanswered
from tests.bench.peers import Peer, Server, absence, free_port, launched, program, version

PROPERTIES = ("dead", "proppatch")
NO_PROPERTIES = "it stores no properties, and says so with a 403 within its 207"
LIGHTTPD_MODULE = Path("/usr/lib/lighttpd/mod_webdav.so")
# Where Debian keeps the sources of Go's libraries.
GO_PATH = Path("/usr/share/gocode")
GO_LIBRARY = GO_PATH / "src" / "golang.org" / "x" / "net" / "webdav"


@contextlib.contextmanager
def lighttpd(place: Path) -> Iterator[Server]:
    """lighttpd with mod_webdav; its database and its temporary files lie on the same ground."""
    port, home = free_port(), place / "home"
    home.mkdir()
    settings = place / "lighttpd.conf"
    settings.write_text(configurations.lighttpd(place / "root", home, port))
    with launched([program("lighttpd"), "-D", "-f", settings], place, port) as pid:
        yield Server("lighttpd", port, pid, place / "root")


@contextlib.contextmanager
def rclone(place: Path) -> Iterator[Server]:
    """``rclone serve webdav``. It keeps folders in mind for minutes, and is told to forget them."""
    port, control = free_port(), free_port()
    command: list[str | Path] = [program("rclone"), "serve", "webdav", place / "root"]
    command += ["--addr", f"{HOST}:{port}", "--config", "/dev/null", "--log-level", "ERROR"]
    command += ["--rc", "--rc-addr", f"{HOST}:{control}", "--rc-no-auth"]

    def forget() -> None:
        answer = Client().send(control, "POST", "/vfs/forget")
        if answer.status != 200:
            raise Unanswered(f"rclone forgot nothing: {answer.status}")

    with launched(command, place, port) as pid:
        yield Server("rclone", port, pid, place / "root", forget)


@contextlib.contextmanager
def xnet(place: Path) -> Iterator[Server]:
    """Go's golang.org/x/net/webdav in the shortest server there is."""
    port = free_port()
    with launched([built(), f"{HOST}:{port}", place / "root"], place, port) as pid:
        yield Server("xnet", port, pid, place / "root")


@functools.cache
def built() -> Path:
    """Build ``xnet.go``, once, into a directory that goes with this process."""
    made = tempfile.TemporaryDirectory(prefix="davserver-bench-go-")
    atexit.register(made.cleanup)
    binary = Path(made.name) / "xnet"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOFLAGS": ""}
    source = Path(__file__).with_name("xnet.go")
    command = [program("go"), "build", "-o", str(binary), str(source)]
    subprocess.run(command, check=True, env=environment)
    return binary


@contextlib.contextmanager
def asgiwebdav(place: Path) -> Iterator[Server]:
    """asgiwebdav by its own command line, over uvicorn with its fast parts."""
    port, settings = free_port(), place / "asgiwebdav.json"
    settings.write_text(json.dumps(configurations.asgiwebdav(place / "root")))
    command = [install.program("asgiwebdav", "asgi-webdav"), f"--host={HOST}", f"--port={port}"]
    with launched([*command, f"--config={settings}"], place, port) as pid:
        yield Server("asgiwebdav", port, pid, place / "root")


@contextlib.contextmanager
def copyparty(place: Path) -> Iterator[Server]:
    """copyparty for WebDAV clients that may do everything."""
    port, home = free_port(), place / "home"
    home.mkdir()
    command = [install.program("copyparty", "copyparty"), "-i", HOST, "-p", str(port)]
    command += configurations.copyparty(place / "root", home)
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with launched(command, place, port, environment=own) as pid:
        yield Server("copyparty", port, pid, place / "root")


def xnet_version() -> str:
    """The release of the library and that of the language."""
    go = version("go", "version", r"go(\d\S+)")()
    asked = ["dpkg-query", "--show", "--showformat=${Version}", "golang-golang-x-net-dev"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return f"x/net {said or 'unknown'} ({go})"


MORE = (
    Peer(
        "lighttpd",
        version("lighttpd", "-v", r"lighttpd/(\S+)"),
        absence("lighttpd", "Debian package lighttpd-mod-webdav", LIGHTTPD_MODULE),
        lighttpd,
    ),
    Peer(
        "rclone",
        version("rclone", "version", r"rclone v(\S+)"),
        absence("rclone", "Debian package rclone"),
        rclone,
        dict.fromkeys(PROPERTIES, NO_PROPERTIES),
    ),
    Peer(
        "xnet",
        xnet_version,
        absence("go", "Debian package golang-golang-x-net-dev with golang-go", GO_LIBRARY),
        xnet,
        dict.fromkeys(PROPERTIES, NO_PROPERTIES),
    ),
    Peer(
        "asgiwebdav",
        lambda: install.release("asgiwebdav"),
        install.absence("asgiwebdav"),
        asgiwebdav,
    ),
    Peer(
        "copyparty",
        lambda: install.release("copyparty"),
        install.absence("copyparty"),
        copyparty,
        {
            **dict.fromkeys(PROPERTIES, NO_PROPERTIES),
            **dict.fromkeys(("locks", "locks-1000"), "its locks keep nobody out"),
        },
    ),
)
ORDER = (
    *("apache", "nginx", "lighttpd", "xnet", "rclone", "wsgidav", "asgiwebdav", "copyparty"),
    *("davserver-sync", "wsgidav-defaults"),
)
_BY_NAME = {**peers.PEERS, **{peer.name: peer for peer in MORE}}
PEERS: Mapping[str, Peer] = {name: _BY_NAME[name] for name in ORDER}

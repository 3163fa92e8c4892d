"""The servers: ours and those beside it, each a process of its own on a port from the system.

Every peer runs with the settings that suit it best, access logs off. Nothing here is a service of
the machine: each runs in the foreground from a directory of its own and ends by its own pid.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import davserver
from tests.bench import configurations, ground
from tests.bench.client import HOST, Client, Unanswered
from tests.running import Running

# Seconds for a server to start answering, and to end after it was asked to.
START, END = 30.0, 15.0
# Seconds between two looks whether it answers: what is told of its start is no truer than that.
PAUSE = 0.005
PROGRAMS = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# Debian's account for web servers: Apache refuses to serve as root.
PLAIN_USER = "www-data"
RENAME, SYNC = ("--durability", "rename"), ("--durability", "sync")
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")


class NotStarted(Exception):
    """A server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: ``root`` is the directory that it serves at ``/``.

    ``refresh`` is called after the tree was changed past the server, for one that would not see it.
    """

    name: str
    port: int
    pid: int
    root: Path
    refresh: Callable[[], None] = lambda: None

    def settle(self) -> None:
        """Begin with what is on disk now: no request pays for what was done before it."""
        self.refresh()
        ground.settle(self.root)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that can be started over ``place/root``; ``missing`` says why not, if so.

    ``lacks`` names the workloads that it cannot do, with the reason; ``only`` those that it is
    there for, where it is not there for all.
    """

    name: str
    version: Callable[[], str]
    missing: Callable[[], str]
    serve: Callable[[Path], contextlib.AbstractContextManager[Server]]
    lacks: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()


def ours(options: Sequence[str] = ()) -> Peer:
    """Our own server with further command-line options."""

    @contextlib.contextmanager
    def serve(place: Path) -> Iterator[Server]:
        with Running(place / "root", *options, state=place / "state.db") as running:
            wait(running.port, running.process.poll)
            yield Server("davserver", running.port, running.process.pid, place / "root")

    return Peer("davserver", lambda: f"davserver {davserver.__version__}", lambda: "", serve)


@contextlib.contextmanager
def durable(place: Path) -> Iterator[Server]:
    """Our own server with the durability that no other has: its answer waits for the disk."""
    with ours(SYNC).serve(place) as server:
        yield replace(server, name="davserver-sync")


@contextlib.contextmanager
def wsgidav_by_default(place: Path) -> Iterator[Server]:
    """Stock WsgiDAV as its command line runs it where nobody sets anything."""
    port = free_port()
    command: list[str | Path] = [program("wsgidav"), "--no-config", "--auth=anonymous"]
    command += [f"--host={HOST}", f"--port={port}", f"--root={place / 'root'}"]
    with launched(command, place, port) as pid:
        yield Server("wsgidav-defaults", port, pid, place / "root")


@contextlib.contextmanager
def wsgidav(place: Path) -> Iterator[Server]:
    """Stock WsgiDAV by its own command line, with its own number of threads."""
    port = free_port()
    settings = place / "wsgidav.json"
    settings.write_text(json.dumps(configurations.wsgidav(place / "root", port)))
    with launched([program("wsgidav"), f"--config={settings}"], place, port) as pid:
        yield Server("wsgidav", port, pid, place / "root")


@contextlib.contextmanager
def apache(place: Path) -> Iterator[Server]:
    """Apache with mod_dav, as a plain user where this process is root."""
    port, user = free_port(), PLAIN_USER if os.geteuid() == 0 else None
    home = place / "home"
    home.mkdir()
    if user:
        shutil.chown(home, user, user)
    settings = place / "apache.conf"
    settings.write_text(configurations.apache(place / "root", home, port))
    command: list[str | Path] = [program("apache2"), "-d", home, "-f", settings, "-DFOREGROUND"]
    with launched(command, place, port, user) as pid:
        yield Server("apache", port, pid, place / "root")


@contextlib.contextmanager
def nginx(place: Path) -> Iterator[Server]:
    """nginx with its own DAV module and dav-ext; its temporary files lie on the same ground."""
    port, user = free_port(), "root" if os.geteuid() == 0 else ""
    home = place / "home"
    home.mkdir()
    settings = place / "nginx.conf"
    settings.write_text(configurations.nginx(place / "root", home, port, NGINX_MODULE, user=user))
    command: list[str | Path] = [
        program("nginx"),
        "-p",
        home,
        "-c",
        settings,
        "-e",
        home / "error.log",
    ]
    with launched(command, place, port) as pid:
        yield Server("nginx", port, pid, place / "root")


@contextlib.contextmanager
def launched(
    command: Sequence[str | Path],
    place: Path,
    port: int,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a server from ``place`` until the block ends, and give its pid once it answers."""
    with (place / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=log,
            stderr=log,
            user=user,
            group=user,
            env={**os.environ, **(environment or {})},
            # lighttpd sends its own end to its whole group.
            process_group=0,
        )
    try:
        wait(port, process.poll)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(port: int, ended: Callable[[], int | None]) -> None:
    """Wait until a server answers PROPFIND. Raises NotStarted."""
    client, until, said = Client(), time.monotonic() + START, "no answer"
    while time.monotonic() < until and ended() is None:
        try:
            answer = client.send(port, "PROPFIND", "/", {"Depth": "0"})
        except Unanswered as error:
            said = str(error)
        else:
            if answer.status == 207:
                return
            said = f"PROPFIND of the root was answered {answer.status}"
        time.sleep(PAUSE)
    raise NotStarted(f"{said}, exit code {ended()}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that the system has just chosen and nobody holds."""
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port


def program(name: str) -> str:
    """The path of a program, or its bare name where it is not installed."""
    return shutil.which(name, path=PROGRAMS) or name


def absence(name: str, package: str, *files: Path) -> Callable[[], str]:
    """Ask later whether a program and its files are installed."""

    def missing() -> str:
        there = shutil.which(name, path=PROGRAMS) and all(file.exists() for file in files)
        return "" if there else f"{package} is not installed"

    return missing


def version(name: str, option: str, pattern: str) -> Callable[[], str]:
    """Ask a program later for its version."""

    def asked() -> str:
        said = subprocess.run([program(name), option], capture_output=True, text=True, check=False)
        found = re.search(pattern, said.stdout + said.stderr)
        return f"{name} {found[1] if found else 'unknown'}"

    return asked


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "apache",
            version("apache2", "-v", r"Apache/(\S+)"),
            absence("apache2", "Debian package apache2", configurations.APACHE_MODULES),
            apache,
        ),
        Peer(
            "nginx",
            version("nginx", "-v", r"nginx/(\S+)"),
            absence("nginx", "Debian package libnginx-mod-http-dav-ext", NGINX_MODULE),
            nginx,
            {
                **dict.fromkeys(("dead", "proppatch"), "it has no PROPPATCH"),
                "infinity": "it answers 403 to Depth: infinity",
            },
        ),
        Peer(
            "wsgidav",
            version("wsgidav", "--version", r"(\d+(?:\.\d+)+)"),
            absence("wsgidav", "WsgiDAV from PyPI"),
            wsgidav,
        ),
        Peer(
            "wsgidav-defaults",
            version("wsgidav", "--version", r"(\d+(?:\.\d+)+)"),
            absence("wsgidav", "WsgiDAV from PyPI"),
            wsgidav_by_default,
            only=frozenset({"puts", "overputs"}),
        ),
        Peer(
            "davserver-sync",
            lambda: f"davserver {' '.join(SYNC)}",
            lambda: "",
            durable,
            only=frozenset(
                {
                    *("puts", "overputs", "mkcol", "proppatch", "locks", "put-big"),
                    *("copy", "delete", "move", "rclone-up"),
                }
            ),
        ),
    )
}

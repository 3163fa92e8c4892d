"""Starts nginx, Apache and HAProxy as they are set in `config/`, without rights and in a folder of
their own: paths and ports are replaced, and nothing else.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.running import Running, program, run

CONFIG = Path(__file__).parents[2] / "config"
NAME = "cloud.example"
# Debian's account for web servers: Apache refuses to serve as root.
PLAIN_USER = "www-data"
SECONDS = 30.0

NGINX = """\
daemon off;
{user}worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {place}/bodies;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/site.conf;
}}
"""

APACHE = """\
ServerRoot "{place}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{place}/apache.pid"
DefaultRuntimeDir "{place}"
ErrorLog "{place}/error.log"
Mutex pthread
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
Include "{place}/site.conf"
"""
MODULES = "/usr/lib/apache2/modules"


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy: its program and package, its example, what is replaced in it and with what, and the
    command that serves it. ``checked`` is what is added to only look at the settings.
    """

    program: str
    package: str
    example: str
    replaced: Mapping[str, str]
    around: str
    command: tuple[str, ...]
    checked: tuple[str, ...]
    keeps_root: bool = False
    """Whether it may run as root, which then has to own what it uses."""


PEM = "{place}/pair.pem"
FRONTS = {
    "nginx": Front(
        "nginx",
        "nginx",
        "nginx.conf",
        {
            "unix:/run/davserver.sock": "unix:{path}",
            "listen 443 ssl http2;": "listen 127.0.0.1:{port} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            f"/etc/ssl/certs/{NAME}.pem": PEM,
            f"/etc/ssl/private/{NAME}.key": PEM,
        },
        NGINX,
        ("-p", "{place}", "-c", "{place}/main.conf", "-e", "{place}/error.log"),
        ("-t",),
        keeps_root=True,
    ),
    "apache": Front(
        "apache2",
        "apache2",
        "apache.conf",
        {
            "unix:/run/davserver.sock": "unix:{path}",
            "<VirtualHost *:443>": "<VirtualHost 127.0.0.1:{port}>",
            f"/etc/ssl/certs/{NAME}.pem": PEM,
            f"/etc/ssl/private/{NAME}.key": PEM,
        },
        APACHE,
        ("-d", "{place}", "-f", "{place}/main.conf", "-DFOREGROUND"),
        ("-t",),
    ),
    "haproxy": Front(
        "haproxy",
        "haproxy",
        "haproxy.cfg",
        {
            "unix@/run/davserver.sock": "unix@{path}",
            "bind :443": "bind 127.0.0.1:{port}",
            f"/etc/haproxy/{NAME}.pem": PEM,
        },
        "",
        ("-db", "-f", "{place}/site.conf"),
        ("-c",),
        keeps_root=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A proxy whose settings lie in a folder, ready to start."""

    front: Front
    place: Path
    port: int

    @property
    def user(self) -> str | None:
        return None if self.front.keeps_root or os.geteuid() else PLAIN_USER

    def command(self, *more: str) -> list[str]:
        given = [part.format(place=self.place) for part in self.front.command]
        return [program(self.front.program, self.front.package), *more, *given]

    def check(self) -> subprocess.CompletedProcess[str]:
        """Let the proxy look at its settings."""
        return run(self.command(*self.front.checked))


def placed(front: Front, place: Path, path: Path) -> Placed:
    """Write the settings of a proxy in front of the Unix socket at ``path``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = (CONFIG / front.example).read_text()
    values = {"place": str(place), "path": str(path), "port": str(port), "modules": MODULES}
    for old, new in front.replaced.items():
        assert old in site, f"{front.example} has no {old}"
        site = site.replace(old, new.format(**values))
    (place / "site.conf").write_text(site)
    user = "user root;\n" if front.keeps_root and not os.geteuid() else ""
    (place / "main.conf").write_text(front.around.format(**values, user=user))
    make_pair(place / "pair.pem")
    found = Placed(front, place, port)
    if found.user:
        for one in (place, *place.iterdir()):
            shutil.chown(one, found.user, found.user)
    return found


@contextmanager
def running(proxy: Placed) -> Iterator[None]:
    """The proxy runs, until the block ends."""
    with (proxy.place / "output.log").open("wb") as log:
        process = subprocess.Popen(
            proxy.command(), stdout=log, stderr=log, user=proxy.user, group=proxy.user
        )
    try:
        _wait(proxy, process.poll)
        yield
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def logged(server: Running, path: str) -> str:
    """Who has asked for a path, as the access log says it when the answer is over."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for line in server.log.read_text().splitlines():
            if f" {path} HTTP/1." in line:
                return line.partition(" ")[0]
        time.sleep(0.01)
    raise AssertionError(f"{path} is not in the log: {server.log.read_text()}")


def _wait(proxy: Placed, ended: Callable[[], int | None]) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and ended() is None:
        try:
            socket.create_connection(("127.0.0.1", proxy.port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    logs = [one.read_text() for one in proxy.place.glob("*.log")]
    raise AssertionError(f"{proxy.front.program} does not run: {logs}")


def make_pair(file: Path) -> None:
    """A certificate and its key in one file."""
    key, cert = file.with_suffix(".key"), file.with_suffix(".crt")
    made = run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={NAME}", "-days", "1"),
            *("-keyout", key, "-out", cert),
        ]
    )
    assert not made.returncode, made.stderr
    file.write_text(cert.read_text() + key.read_text())

"""`davserver --listen`: several addresses, Unix sockets, and sockets that systemd hands over."""

import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_serve import COMMAND, refused, said_by
from tests.processes.ground import until
from tests.proxies.front import logged
from tests.running import Running, lacking, program, run
from tests.wire import talk
from tests.wire.talk import Talk

HAND_OVER = """\
import os, sys
for place, one in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(one, 3 + place)
os.environ["LISTEN_PID"] = sys.argv[2] if sys.argv[2] != "own" else str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
"""Becomes the server: its process number is known to nobody before."""


class Handed(Running):
    """A server that gets sockets as from systemd."""

    def __init__(
        self,
        root: Path,
        *arguments: str,
        sockets: Sequence[socket.socket],
        state: Path,
        names: str = "",
        process: str = "own",
    ) -> None:
        super().__init__(root, *arguments, listen="systemd", state=state)
        self.descriptors = [one.fileno() for one in sockets]
        # Above those that they become.
        assert min(self.descriptors) > 3 + len(sockets)
        listed = ",".join(map(str, self.descriptors))
        python, *rest = self.command
        self.command = [python, "-c", HAND_OVER, listed, process, *rest]
        self.environment |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}


@pytest.fixture
def above() -> Iterator[None]:
    """Sockets get higher descriptors than those that they are handed over as."""
    with ExitStack() as held:
        for _ in range(12):
            held.enter_context(open(os.devnull))
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(b"content")
    return tmp_path / "root"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a b.sock"


def curl(path: Path, *arguments: str) -> str:
    """What curl says, and the status behind it."""
    command = [program("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "30"]
    done = run([*command, "--unix-socket", path, "--write-out", " %{http_code}", *arguments])
    assert not done.returncode, done.stderr
    return done.stdout


def test_several_addresses_are_one_server(tmp_path: Path, root: Path, path: Path) -> None:
    listen = f"127.0.0.1:0, unix:{path}, 127.0.0.2:0"
    server = Running(root, listen=listen, state=tmp_path / "state.db").start()
    assert talk.ask(server.port, "PUT /new", body=b"x").status == 201
    assert curl(path, "http://localhost/new") == "x 200"
    inode = path.stat()
    assert stat.S_IMODE(inode.st_mode) == 0o660
    said = said_by(server)
    first, second, third = re.findall(r"(?:ready|and) at (.*)\n", said)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", first)
    assert second == f"unix:{path} (curl --unix-socket '{path}' http://localhost/)"
    assert re.fullmatch(r"http://127\.0\.0\.2:\d+/", third)
    assert f"mount -t davfs {first}" in said or f"gio mount {first.replace('http', 'dav')}" in said
    assert not path.exists()


def test_a_unix_socket_alone(tmp_path: Path, root: Path, path: Path) -> None:
    given = ("--unix-mode", "0600", "--prefix", "/dav")
    server = Running(root, *given, listen=f"unix:{path}", state=tmp_path / "state.db").start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert curl(path, "http://localhost/dav/file") == "content 200"
    assert curl(path, "-T", str(root / "file"), "http://localhost/dav/new") == " 201"
    assert curl(path, "-X", "MOVE", "-H", "Destination: /dav/n", "http://localhost/dav/new") == (
        " 201"
    )
    assert (root / "n").read_bytes() == b"content"
    assert curl(path, "http://evil.example/dav/file").endswith(" 403")
    # Who is killed leaves the path, and the next one takes it.
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert path.is_socket()
    server.said = ""
    server.start()
    assert curl(path, "http://localhost/dav/file") == "content 200"
    said = said_by(server)
    assert f"{path}' http://localhost/dav/)" in said
    assert "mount" not in said
    assert not path.exists()


def test_the_log_has_readable_addresses(tmp_path: Path, root: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        lacking("this machine has no IPv6")
    given = ("--user", "me", "--insecure-http", "--verbose")
    with Running(root, *given, listen="[::]:0", state=tmp_path / "state.db") as server:
        assert talk.ask(server.port, "OPTIONS /seen").status == 200
        assert logged(server, "/seen") == "127.0.0.1"


def test_the_status_lives_under_the_prefix(tmp_path: Path, root: Path, path: Path) -> None:
    given = ("--prefix", "/my dav/ü", "--status", "/.~dav-status")
    with Running(root, *given, listen=f"unix:{path}", state=tmp_path / "state.db"):
        below = "http://localhost/my%20dav/%C3%BC/.~dav-status"
        assert curl(path, f"{below}/healthz") == "ok\n 200"
        assert curl(path, f"{below}/metrics").endswith(" 200")
        for name in ("healthz", "metrics"):
            assert curl(path, f"http://localhost/.~dav-status/{name}").endswith(" 404")


def test_where_one_cannot_be_none_is(tmp_path: Path, root: Path, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(root, "--listen", f"unix:{path}, 127.0.0.1:{port}", home=tmp_path)
    assert said.startswith(f"davserver: 127.0.0.1:{port}: cannot listen there: Address already")
    assert not path.exists()


def test_a_file_that_is_no_socket_stays(tmp_path: Path, root: Path) -> None:
    said = refused(root, "--listen", f"unix:{root / 'file'}", home=tmp_path)
    assert "something is there that is no socket" in said
    assert (root / "file").read_bytes() == b"content"


def test_a_low_port_says_who_may_have_it(tmp_path: Path, root: Path) -> None:
    least = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if least < 2:
        lacking("everybody may listen at any port here")
    command = [*COMMAND, str(root), "--port", "1", "--state", str(tmp_path / "state.db")]
    if os.geteuid() == 0:
        without = ("--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service")
        command = [program("setpriv", "util-linux"), *without, *command]
    done = run(command)
    assert done.returncode == 2
    assert "127.0.0.1:1: cannot listen there: Permission denied" in done.stderr
    for way in ("CAP_NET_BIND_SERVICE", "authbind", "--listen systemd"):
        assert way in done.stderr


def test_sockets_that_are_handed_over(tmp_path: Path, root: Path, path: Path, above: None) -> None:
    with (
        socket.socket(socket.AF_UNIX) as local,
        socket.create_server(("127.0.0.1", 0)) as four,
    ):
        local.bind(str(path))
        local.listen()
        assert not four.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sockets, names = (four, local), "web:local"
        with Handed(root, sockets=sockets, names=names, state=tmp_path / "state.db") as server:
            assert server.port == four.getsockname()[1]
            with Talk(server.port) as client:
                for _ in range(20):
                    client.send(talk.request("GET /file"))
                    assert client.reply().body == b"content"
            # It is one socket in both processes: what is accepted there inherits it.
            assert four.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert curl(path, "http://localhost/file") == "content 200"
            pid = server.process.pid
            there = Path(f"/proc/{pid}/environ")
            assert b"LISTEN_FDS" in there.read_bytes()
            flags = [
                int(
                    re.findall(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{one}").read_text())[0],
                    8,
                )
                for one in (3, 4)
            ]
            assert all(one & os.O_CLOEXEC for one in flags)
        assert f"and at unix:{path}" in server.said
        # It is systemd's.
        assert path.is_socket()


def test_new_settings_take_no_login_from_who_can_reach_the_sockets(
    tmp_path: Path, root: Path, above: None
) -> None:
    """Where those of systemd listen is in no setting."""
    file = tmp_path / "davserver.toml"
    there = f'root = "{root}"\ninsecure_http = true\n'
    file.write_text(f'{there}user = "me"\n')
    with socket.create_server(("0.0.0.0", 0)) as one:
        server = Handed(root, sockets=[one], state=tmp_path / "state.db")
        server.command[server.command.index(str(root))] = "--config"
        server.command.insert(server.command.index("--config") + 1, str(file))
        with server:
            file.write_text(there)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "a login is needed there" in server.log.read_text())
            assert talk.ask(server.port, "GET /file").status == 401


WRONG = {
    "a socket that does not listen": (lambda: socket.socket(), "does not listen: say Accept=no"),
    "datagrams": (
        lambda: socket.socket(type=socket.SOCK_DGRAM),
        "descriptor 3 (web) must be a stream socket (ListenStream=)",
    ),
    # Whoever calls it closes what it gives.
    "no socket": (lambda: open(os.devnull), "descriptor 3 (web) is no socket"),  # noqa: SIM115
}


@pytest.mark.parametrize(("made", "said"), WRONG.values(), ids=WRONG)
def test_what_is_handed_over_has_to_be_sockets_that_listen(
    made: Callable[[], Any], said: str, tmp_path: Path, root: Path, above: None
) -> None:
    with made() as one:
        server = Handed(root, sockets=[one], names="web", state=tmp_path / "state.db")
        assert said in refusal(server)


def test_sockets_of_another_process_are_not_taken(tmp_path: Path, root: Path, above: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        server = Handed(root, sockets=[one], process="1", state=tmp_path / "state.db")
        assert "another process (LISTEN_PID)" in refusal(server)


def test_a_public_socket_that_is_handed_over_needs_a_login(
    tmp_path: Path, root: Path, above: None
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as one:
        server = Handed(root, sockets=[one], state=tmp_path / "state.db")
        assert "0.0.0.0 can be reached from other machines: a login is needed" in refusal(server)


def test_without_sockets_it_says_where_they_come_from(tmp_path: Path, root: Path) -> None:
    said = refused(root, "--listen", "systemd", home=tmp_path)
    assert "no sockets were handed over. Start it by a socket unit" in said


def refusal(server: Running) -> str:
    """The one sentence that it says instead of starting."""
    ended = subprocess.run(
        server.command,
        capture_output=True,
        env=server.environment,
        text=True,
        timeout=30,
        check=False,
        pass_fds=server.descriptors,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_systemd_hands_over(tmp_path: Path, root: Path, path: Path) -> None:
    """By systemd's own program, which starts the server with the first connection."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program("systemd-socket-activate", "systemd"), "--fdname", "web:local"]
    command += ["--listen", f"127.0.0.1:{port}", "--listen", str(path)]
    for name in ("PATH", "XDG_STATE_HOME", "HOME"):
        command += ["--setenv", name] if name in os.environ else []
    server = [*COMMAND, str(root), "--listen", "systemd", "--state", str(tmp_path / "state.db")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, *server], stdout=log, stderr=log)
    try:
        while not path.is_socket():
            assert process.poll() is None, (tmp_path / "log").read_text()
        assert curl(path, "http://localhost/file") == "content 200"
        with Talk(port) as client:
            for _ in range(20):
                client.send(talk.request("PUT /new", body=b"x"))
                assert client.reply().status in (201, 204)
    finally:
        process.terminate()
        assert process.wait(30) == 0
    said = (tmp_path / "log").read_text()
    assert f"http://127.0.0.1:{port}/" in said
    assert f"unix:{path}" in said

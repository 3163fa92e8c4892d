"""`davserver cert`: what it makes, what it leaves alone, and whether curl trusts it."""

import os
import re
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from davserver import cli
from davserver.certificates import reading
from davserver.commands import cert
from davserver.serving import addresses, tls
from davserver.serving.tls import Tls
from tests.commands.ground import Said, digest
from tests.running import program, run

FILES = {"cert.pem": 0o644, "key.pem": 0o600, "root.pem": 0o644}


def make(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Said:
    capsys.readouterr()
    code = cli.main(("cert", *map(str, arguments)))
    said = capsys.readouterr()
    return Said(code, said.out, said.err)


@contextmanager
def answering(folder: Path) -> Iterator[int]:
    """A server that answers one request after the other with the pair of a folder, at the port
    that is given.
    """
    pair = Tls(str(folder / "cert.pem"), str(folder / "key.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listener.accept()
                    with pair.wrap(connected) as client:
                        tls.shake_hands(client)
                        client.recv(1 << 16)
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                        tls.say_goodbye(client)
                except OSError:
                    if listener.fileno() < 0:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_is_made(capsys: pytest.CaptureFixture[str], tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "a new" / "folder"
    old = os.umask(mask)
    try:
        said = make(capsys, "--output", folder, "--name", "nas.example", "--name", "10.9.8.7")
    finally:
        os.umask(old)
    assert (said.code, said.err) == (0, "")
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert found == FILES
    pair = reading.read(str(folder / "cert.pem"), str(folder / "key.pem"))
    for expected in ("nas.example", "10.9.8.7", "localhost", "127.0.0.1", "::1", *addresses.own()):
        assert expected in pair.names
    now = datetime.now(UTC)
    assert pair.warning(now) == ""
    assert now + timedelta(days=700) < pair.ends < now + timedelta(days=825)
    assert pair.fingerprint in said.out
    for file in FILES:
        assert str(folder / file) in said.out
    # The path has a space.
    assert f"--cert '{folder}/cert.pem' --key '{folder}/key.pem'" in said.out


def test_the_folder_is_by_default_this_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert make(capsys).code == 0
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_a_machine_goes_by_its_names_and_addresses() -> None:
    assert cert.own_names("nas.example.org", ["10.0.0.1"]) == [
        *("nas.example.org", "nas", "nas.local", "localhost", "127.0.0.1", "::1", "10.0.0.1"),
    ]


def test_the_kernel_tells_the_addresses() -> None:
    shown = run([program("ip", "iproute2"), "-o", "address", "show", "scope", "global"]).stdout
    told = {match[1] for match in re.finditer(r"inet6? ([0-9a-f.:]+)/", shown)}
    lasting = {match[1] for match in re.finditer(r"inet6? ([0-9a-f.:]+)/(?!.*temporary)", shown)}
    assert lasting <= set(addresses.own()) <= told


def test_the_key_is_never_readable_by_others(tmp_path: Path) -> None:
    command: list[str | Path] = [
        program("strace"),
        "-f",
        "-e",
        "trace=openat,open,creat",
        "-o",
        tmp_path / "calls",
    ]
    made = run([*command, sys.executable, "-m", "davserver", "cert", "--output", tmp_path / "new"])
    assert made.returncode == 0, made.stderr
    calls = (tmp_path / "calls").read_text()
    opened = re.findall(r'key\.pem", (\S+?)(?:, (\d+))?\) = \d', calls)
    writing = [(flags, mode) for flags, mode in opened if "O_WRONLY" in flags or "O_RDWR" in flags]
    assert len(writing) == 1
    flags, mode = writing[0]
    assert "O_CREAT" in flags
    assert "O_EXCL" in flags
    assert mode == "0600"


@pytest.mark.parametrize("there", sorted(FILES))
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_already_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, there: str, kind: str
) -> None:
    path = tmp_path / there
    if kind == "file":
        path.write_bytes(b"precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    said = make(capsys, "--output", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"davserver: {path}: is there already, and stays as it is")
    assert said.err.count("\n") == 1
    assert {path: path.lstat() for path in tmp_path.iterdir()} == before


def test_a_failure_leaves_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    before = digest(tmp_path)
    for output in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        said = make(capsys, "--output", output)
        assert (said.code, said.out) == (2, "")
        assert said.err.count("\n") == 1
        assert "Traceback" not in said.err
    assert digest(tmp_path) == before


WRONG = {
    "no name": (("--name", "a b"), "'a b' is neither a host name nor an address"),
    "a name with a port": (("--name", "nas:80"), "neither a host name nor an address"),
    "a directory": (("~/files",), "~/files: davserver cert serves no directory"),
    "an option of another": (("--repair",), "--repair is an option of davserver check alone"),
    "a setting": (("--port", "1"), "unknown option --port"),
    "a slip": (("--nmae", "a"), "unknown option --nmae: did you mean --name?"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    found = make(capsys, "--output", tmp_path, *arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("davserver: ")
    assert said in found.err
    assert found.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trusted", ["root.pem", "cert.pem"])
def test_curl_trusts_it(capsys: pytest.CaptureFixture[str], tmp_path: Path, trusted: str) -> None:
    assert make(capsys, "--output", tmp_path, "--name", "nas.example").code == 0
    curl = [program("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "20"]
    curl += ["--cacert", str(tmp_path / trusted)]
    with answering(tmp_path) as port:
        for name in ("nas.example", "other.example"):
            curl += ["--resolve", f"{name}:{port}:127.0.0.1"]
        for name in ("localhost", "127.0.0.1", "nas.example"):
            assert run([*curl, "--tls-max", "1.2", f"https://{name}:{port}/"]).stdout == "hello"
            assert run([*curl, "--tlsv1.3", f"https://{name}:{port}/"]).stdout == "hello"
        # The controls: another name, and no trust.
        assert run([*curl, f"https://other.example:{port}/"]).returncode == 60
        assert run([curl[0], "--noproxy", "*", f"https://localhost:{port}/"]).returncode == 60

"""TLS over real sockets: whole answers of any size, plain requests, and clients that dawdle."""

import random
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.certificates import pairs
from tests.certificates.pairs import Files
from tests.faults.altered import Altered
from tests.running import Running, program, run
from tests.wire import talk
from tests.wire.conftest import Served
from tests.wire.talk import Ended, Talk

LARGE = 3_000_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return pairs.written(tmp_path_factory.mktemp("pair"))


@contextmanager
def serving(folder: Path, files: Files, *options: str) -> Iterator[Served]:
    root = folder / "root"
    root.mkdir()
    (root / "large").write_bytes(random.Random(1).randbytes(LARGE))
    (root / "small").write_bytes(b"small")
    pair = ("--cert", files.cert, "--key", files.key)
    with Running(root, *pair, *options, state=folder / "state.db") as server:
        yield Served(server, root)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("tls"), files) as served:
        yield served


def trusting(files: Files, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.root)
    context.minimum_version = context.maximum_version = version
    return context


@contextmanager
def talking(port: int, context: ssl.SSLContext, *, receive_buffer: int = 0) -> Iterator[Talk]:
    with Talk(port, receive_buffer=receive_buffer) as one:
        one.encrypt(context)
        yield one


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_everything_goes_over_tls(served: Served, files: Files, version: ssl.TLSVersion) -> None:
    content = (served.root / "large").read_bytes()
    with talking(served.port, trusting(files, version)) as one:
        one.send(talk.request("PUT /new", body=content))
        assert one.reply().status in (201, 204)
        # Two in one record: what has been decrypted already is nothing that epoll knows of.
        one.send(talk.request("GET /small") + talk.request("GET /new"))
        assert one.reply().body == b"small"
        assert one.reply().body == content
        one.send(talk.request("PROPFIND /", "Depth: 1", "Connection: close"))
        assert one.reply().status == 207
        assert one.is_ended()
    assert (served.root / "new").read_bytes() == content


def test_curl_and_requests_reach_it(served: Served, files: Files) -> None:
    url = f"https://localhost:{served.port}"
    assert requests.get(f"{url}/small", verify=str(files.root), timeout=10).content == b"small"
    said = run([program("curl"), "-sS", "--cacert", files.root, "-T", files.cert, f"{url}/put"])
    assert said.returncode == 0, said.stderr
    assert (served.root / "put").read_bytes() == files.cert.read_bytes()
    # The control: nobody trusts it by itself.
    assert run([program("curl"), "-sS", f"{url}/small"]).returncode == 60


def test_a_plain_request_is_told_to_use_https(served: Served) -> None:
    reply = talk.ask(served.port, "GET /small")
    assert (reply.status, reply["connection"]) == (400, "close")
    assert b"https://" in reply.body


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("first", [b"\0\0\0\0", b"\x16\x03\x01\x00\x05hello", b"\x16"])
def test_what_is_no_handshake_is_ended(served: Served, first: bytes) -> None:
    with Talk(served.port) as one:
        one.send(first)
        one.end()
        with pytest.raises((Ended, ConnectionError, AssertionError)):
            one.reply()
    assert still_answers(served)


def still_answers(served: Served) -> bool:
    answered = requests.get(f"https://localhost:{served.port}/small", verify=False, timeout=10)
    return answered.content == b"small"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_clients_that_do_not_shake_hands_hold_nobody_up(served: Served) -> None:
    with ExitStack() as held:
        for sent in (b"", b"\x16", b"\x16\x03\x01\x02\x00") * 40:
            held.enter_context(Talk(served.port)).send(sent)
        began = time.monotonic()
        assert still_answers(served)
        assert time.monotonic() - began < 2


def test_an_answer_that_is_read_late_is_whole(served: Served, files: Files) -> None:
    content = (served.root / "large").read_bytes()
    with talking(served.port, trusting(files), receive_buffer=4096) as late:
        late.send(talk.request("GET /large"))
        time.sleep(0.5)
        with talking(served.port, trusting(files)) as other:
            other.send(talk.request("GET /small"))
            assert other.reply().body == b"small"
        assert late.reply().body == content


def test_a_new_pair_is_taken_without_dropping_anybody(tmp_path: Path, files: Files) -> None:
    (tmp_path / "own").mkdir()
    own = pairs.written(tmp_path / "own")
    current = Files(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "root.pem")

    def put(pair: Files) -> None:
        for source, target in zip(pair, current, strict=True):
            shutil.copy(source, target)

    put(files)
    with (
        serving(tmp_path, current) as served,
        talking(served.port, trusting(files)) as one,
    ):
        one.send(talk.request("GET /small"))
        assert one.reply().body == b"small"
        put(own)
        served.server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + talk.SECONDS
        while time.monotonic() < until:
            try:
                with talking(served.port, trusting(own)) as other:
                    other.send(talk.request("GET /small"))
                    assert other.reply().body == b"small"
                    break
            except ssl.SSLCertVerificationError:
                time.sleep(0.05)
        else:
            pytest.fail("the new certificate is not in use")
        one.send(talk.request("GET /small"))
        assert one.reply().body == b"small"
        # A pair that cannot be used changes nothing.
        current.cert.write_text("no certificate")
        served.server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + talk.SECONDS
        while served.server.log.read_text().count("the certificate in use stays") < 2:
            assert time.monotonic() < until, "not every worker has looked at the new pair"
            time.sleep(0.02)
        with talking(served.port, trusting(own)) as other:
            other.send(talk.request("GET /small"))
            assert other.reply().body == b"small"


def test_the_end_is_told(served: Served, files: Files) -> None:
    """An end without TLS's own goodbye could have been made by anybody on the way."""
    context = trusting(files)
    with socket.create_connection(("127.0.0.1", served.port)) as plain:
        plain.settimeout(talk.SECONDS)
        with context.wrap_socket(
            plain, server_hostname="localhost", suppress_ragged_eofs=False
        ) as one:
            one.sendall(talk.request("GET /small", "Connection: close"))
            said = b""
            while data := one.recv(1 << 16):
                said += data
            assert said.endswith(b"small")


def test_what_comes_in_one_record_with_the_end_of_a_body_is_answered(
    served: Served, files: Files
) -> None:
    with talking(served.port, trusting(files)) as one:
        one.send(talk.request("PUT /record", "Content-Length: 10"))
        time.sleep(0.1)
        one.send(b"0123456789" + talk.request("GET /small"))
        assert one.reply().status in (201, 204)
        assert one.reply().body == b"small"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_large_upload_that_is_refused_hears_it(
    served: Served, files: Files, version: ssl.TLSVersion
) -> None:
    """By a client that still sends: an end at once would reset the connection."""
    block = bytes(1 << 16)
    with talking(served.port, trusting(files, version)) as one:
        one.send(talk.request("PUT /none/file", f"Content-Length: {1 << 30}"))
        for _ in range(64):
            one.send(block)
        answer = one.reply()
        assert (answer.status, answer["connection"]) == (409, "close")
        assert len(answer.body) == int(answer["content-length"]) > 0
        one.send(block)
        assert one.is_ended()
    assert "none" not in served.names()


def test_who_has_connected_is_served_when_new_settings_come(tmp_path: Path, files: Files) -> None:
    root, file = tmp_path / "root", tmp_path / "davserver.toml"
    root.mkdir()
    file.write_text(f'root = "{root}"\n')
    pair = ("--cert", files.cert, "--key", files.key)
    with Running("--config", file, *pair, state=tmp_path / "state.db") as server:
        server.may_die = True
        old = server.workers
        with Talk(server.port) as early:
            time.sleep(0.2)
            file.write_text(f'root = "{root}"\nthreads = 5\n')
            server.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + talk.SECONDS
            while set(old) <= set(server.workers) and len(server.workers) < 4:
                assert time.monotonic() < until
                time.sleep(0.01)
            early.encrypt(trusting(files))
            early.send(talk.request("OPTIONS /"))
            assert early.reply().status == 200


SLOW = """
import time
from davserver.tree import Upload
write = Upload.write
def slow(self, block):
    time.sleep(0.4)
    write(self, block)
Upload.write = slow
"""


def test_an_upload_that_is_cut_off_leaves_nothing(tmp_path: Path, files: Files) -> None:
    """What has come of it, and is read no more, is as the network had it: encrypted."""
    root = tmp_path / "root"
    root.mkdir()
    content = random.Random(2).randbytes(1_000_000)
    options = ("--cert", files.cert, "--key", files.key, "--workers", "1", "--drain-timeout", "1")
    with (
        Altered(root, *options, state=tmp_path / "state.db", change=SLOW) as server,
        talking(server.port, trusting(files)) as one,
    ):
        one.send(talk.request("PUT /file", body=content))
        time.sleep(0.2)
        server.stop()
        with suppress(OSError, talk.Ended):
            assert one.reply().status >= 400
    assert [path.name for path in root.iterdir()] == []

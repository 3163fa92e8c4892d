"""The sockets that a server listens at: all of them or none, and who may connect."""

import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from davserver.protocol.addresses import Activated, Address, Tcp, Unix
from davserver.serving import CannotListen, Listener, listen_at
from davserver.serving.listeners import peer
from tests.running import lacking

SECONDS = 20.0


@contextmanager
def listening(*addresses: Address, **more: int) -> Iterator[list[Listener]]:
    found = listen_at(addresses, **more)  # type: ignore[arg-type] # the mode alone is given
    try:
        yield found
    finally:
        for one in found:
            one.close()


@pytest.fixture
def ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        lacking("this machine has no IPv6")


def accepted(listener: Listener, asking: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
    """What the next connection at a listener is, and whose."""
    listener.socket.setblocking(True)
    connected, address = listener.socket.accept()
    del asking
    return connected, peer(address)


def test_an_address_has_a_port_and_a_url() -> None:
    with listening(Tcp("127.0.0.1", 0)) as (one,):
        assert one.port
        assert one.host == "127.0.0.1"
        assert one.url == str(one) == f"http://127.0.0.1:{one.port}/"
        assert not one.socket.getblocking()
        assert not one.socket.get_inheritable()
        with socket.create_connection(("127.0.0.1", one.port)) as asking:
            connected, address = accepted(one, asking)
            with connected:
                assert address == asking.getsockname()
                assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        port = one.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_an_ipv6_address_is_of_ipv6_alone(ipv6: None) -> None:
    with listening(Tcp("::1", 0)) as (one,):
        assert one.url == f"http://[::1]:{one.port}/"
        assert one.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        with listening(Tcp("127.0.0.1", one.port)) as (other,):
            assert other.port == one.port


@pytest.mark.parametrize("host", ["*", "::"])
def test_all_addresses_are_those_of_both_kinds(host: str, ipv6: None) -> None:
    with listening(Tcp(host, 0)) as (one,):
        assert one.url == f"http://[::]:{one.port}/"
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as asking:
                asking.settimeout(SECONDS)
                asking.connect((address, one.port))
                connected, found = accepted(one, asking)
                connected.close()
                assert found == (address, asking.getsockname()[1])


def test_all_of_ipv4(ipv6: None) -> None:
    with listening(Tcp("0.0.0.0", 0)) as (one,), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", one.port))


Resolved = Sequence[tuple[int, str]]


def resolve(monkeypatch: pytest.MonkeyPatch, name: str, *found: tuple[int, str]) -> None:
    """Let a name have these addresses: what a machine says of its names is its own affair."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *given: int, **more: int) -> object:
        if host != name:
            return real(host, port, *given, **more)
        return [(family, socket.SOCK_STREAM, 6, "", (one, port)) for family, one in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_is_all_its_addresses_at_one_port(
    monkeypatch: pytest.MonkeyPatch, ipv6: None
) -> None:
    four, six = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")
    resolve(monkeypatch, "both.example", four, six, four)
    for _ in range(20):
        with listening(Tcp("both.example", 0)) as (first, second):
            assert (first.host, second.host) == ("127.0.0.1", "::1")
            assert first.port == second.port
    # Somebody else has the port at the second: nothing is left of the first.
    with listening(Tcp("::1", 0)) as (taken,):
        with pytest.raises(CannotListen, match="already in use"):
            listen_at([Tcp("both.example", taken.port)])
        with listening(Tcp("127.0.0.1", taken.port)):
            pass


def test_a_name_may_have_an_address_that_the_machine_has_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, not_there = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "198.51.100.1")
    resolve(monkeypatch, "some.example", not_there, there)
    with listening(Tcp("some.example", 0)) as (one,):
        assert one.host == "127.0.0.1"
    resolve(monkeypatch, "none.example", not_there, (socket.AF_INET, "198.51.100.2"))
    with pytest.raises(CannotListen, match=r"none\.example:0: cannot listen there: Cannot assign"):
        listen_at([Tcp("none.example", 0)])


def test_all_of_them_or_none(tmp_path: Path) -> None:
    with listening(Tcp("127.0.0.1", 0)) as (taken,):
        with listening(Tcp("127.0.0.1", 0)) as (other,):
            free = other.port
        path = tmp_path / "s"
        with pytest.raises(CannotListen) as refused:
            listen_at([Tcp("127.0.0.1", free), Unix(str(path)), Tcp("127.0.0.1", taken.port)])
        said = str(refused.value)
        assert said.startswith(f"127.0.0.1:{taken.port}: cannot listen there: Address already")
        assert "Is another server running" in said
        assert not path.exists()
        with listening(Tcp("127.0.0.1", free)):
            pass


WRONG: dict[str, tuple[Address, str]] = {
    "not this machine's": (
        Tcp("198.51.100.1", 0),
        "198.51.100.1:0: cannot listen there: Cannot assign",
    ),
    "a name without an address": (Tcp("no.such.host.invalid", 0), "this name has no address"),
    "no name": (Tcp("a" * 70, 0), "this is no host name"),
    "a directory that is not there": (Unix("/none/of/it"), "unix:/none/of/it: cannot listen there"),
    "no sockets of systemd": (Activated(), "systemd: no sockets were handed over"),
}


@pytest.mark.parametrize(("address", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_said(address: Address, said: str) -> None:
    with pytest.raises(CannotListen) as refused:
        listen_at([address])
    assert said in str(refused.value)
    assert str(refused.value).endswith((".", "socket"))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777])
@pytest.mark.parametrize("umask", [0o000, 0o027, 0o777])
def test_a_unix_socket_has_its_permissions(tmp_path: Path, mode: int, umask: int) -> None:
    path = tmp_path / "s"
    before = os.umask(umask)
    try:
        with listening(Unix(str(path)), unix_mode=mode) as (one,):
            assert os.umask(umask) == umask
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert (one.path, one.port, one.host) == (str(path), 0, "")
            assert (str(one), one.url) == (f"unix:{path}", "http://localhost/")
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(path))
                connected, address = accepted(one, asking)
                connected.close()
                assert address == ("", 0)
        assert not path.exists()
    finally:
        os.umask(before)


def test_nobody_can_connect_before_the_permissions_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name has them from the moment it is there."""
    path = tmp_path / "s"
    seen = []
    real = socket.socket.listen

    def listen(self: socket.socket, backlog: int) -> None:
        seen.append(stat.S_IMODE(path.stat().st_mode))
        real(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", listen)
    monkeypatch.setattr(os, "chmod", None)
    with listening(Unix(str(path)), unix_mode=0o600):
        assert seen == [0o600]


def test_what_is_left_of_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    assert path.is_socket()
    with listening(Unix(str(path))), socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))


def test_a_live_server_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(Unix(str(path))):
        inode = path.stat().st_ino
        with pytest.raises(CannotListen, match=r"in use\. Another server is running there"):
            listen_at([Unix(str(path))])
        assert path.stat().st_ino == inode


def test_one_whose_queue_is_full_is_alive_too(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
        numbers = [one.connect_ex(str(path)) for one in waiting]
        assert errno.EAGAIN in numbers
        with pytest.raises(CannotListen, match="in use"):
            listen_at([Unix(str(path))])
        for one in waiting:
            one.close()


def test_what_is_no_listening_socket_is_left_alone(tmp_path: Path) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("kept")
    folder.mkdir()
    link.symlink_to(file)
    datagrams = tmp_path / "datagrams"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(datagrams))
        for path in (file, folder, link, datagrams):
            with pytest.raises(CannotListen, match="Remove it, or name another path"):
                listen_at([Unix(str(path))])
            assert os.path.lexists(path)
    assert file.read_text() == "kept"


def test_the_path_is_removed_by_the_process_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(Unix(str(path))) as (one,):
        child = os.fork()
        if not child:
            one.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert path.is_socket()
    assert not path.exists()


def test_the_path_of_a_later_server_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    (first,) = listen_at([Unix(str(path))])
    path.unlink()
    with listening(Unix(str(path))):
        first.close()
        assert path.is_socket()

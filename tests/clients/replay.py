"""Requests as a client sends them, byte for byte, and what came back.

No HTTP library builds the requests here: one would fold header names, add headers of its own
and normalise paths, and the point of a replay is that none of that happens.
"""

import base64
import contextlib
import http.client
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from xml.etree import ElementTree

DAV = "{DAV:}"
Body = bytes | Sequence[bytes] | None


@dataclass(frozen=True, slots=True)
class Member:
    """One `response` of a 207: each property's status and element, by its Clark name."""

    status: int
    properties: Mapping[str, tuple[int, ElementTree.Element]]

    def text(self, name: str) -> str:
        """The text of a property that was found."""
        status, element = self.properties[name]
        assert status == 200, (name, status)
        return element.text or ""

    def element(self, name: str) -> ElementTree.Element:
        status, element = self.properties[name]
        assert status == 200, (name, status)
        return element

    def statuses(self) -> dict[str, int]:
        return {name: status for name, (status, _) in self.properties.items()}

    @property
    def is_folder(self) -> bool:
        return self.element(f"{DAV}resourcetype").find(f"{DAV}collection") is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``headers`` ignores the case of names."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, name: str) -> str:
        value = self.headers[name]
        assert value is not None, f"no {name} in a {self.status}: {self.headers.items()}"
        return str(value)

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)

    @property
    def members(self) -> dict[str, Member]:
        """What a 207 says of each href, as the href was written."""
        assert self.status == 207, (self.status, self.body)
        return dict(member(response) for response in self.xml.findall(f"{DAV}response"))

    @property
    def token(self) -> str:
        """The bare lock token that a LOCK answered in its header."""
        value = self["Lock-Token"]
        assert value.startswith("<"), value
        assert value.endswith(">"), value
        return value[1:-1]

    @property
    def active_lock(self) -> ElementTree.Element:
        """The lock that the body of a LOCK's answer tells of."""
        found = self.xml.find(f"{DAV}lockdiscovery/{DAV}activelock")
        assert found is not None, self.body
        return found

    @property
    def seconds(self) -> int:
        """How long that lock lasts from now on."""
        unit, number = self.active_lock.findtext(f"{DAV}timeout", "").split("-")
        assert unit == "Second"
        return int(number)

    @property
    def levels(self) -> set[str]:
        """The compliance classes of the DAV header."""
        return {level.strip() for level in self["DAV"].split(",")}

    @property
    def allowed(self) -> set[str]:
        """The methods of the Allow header."""
        return {method.strip() for method in self["Allow"].split(",")}

    @property
    def conditions(self) -> set[str]:
        """The precondition codes of an error body."""
        assert self.xml.tag == f"{DAV}error", self.body
        return {element.tag for element in self.xml}


def code(element: ElementTree.Element) -> int:
    """The number in a `status` element."""
    line = element.findtext(f"{DAV}status", "")
    version, number, _ = line.split(" ", 2)
    assert version == "HTTP/1.1", line
    return int(number)


def member(response: ElementTree.Element) -> tuple[str, Member]:
    properties = {
        element.tag: (code(propstat), element)
        for propstat in response.findall(f"{DAV}propstat")
        for element in propstat.find(f"{DAV}prop") or ()
    }
    status = code(response) if response.find(f"{DAV}status") is not None else 200
    return response.findtext(f"{DAV}href", ""), Member(status, properties)


def basic(user: str, password: str) -> str:
    """The Authorization header of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Session:
    """One client's connection, kept open as long as the server lets it."""

    def __init__(self, url: str, **headers: str) -> None:
        """Each keyword is a header that this client sends with every request, `_` for `-`."""
        parts = urlsplit(url)
        self.url = url
        self.host = parts.netloc
        self.address = (parts.hostname or "", parts.port or 80)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> Reply:
        """Send one request and read its answer.

        ``body`` is None for no body and no Content-Length, bytes for a body with its length
        (also of 0), a list of bytes for a chunked one. With `Expect: 100-continue` the body
        waits for the server's word.
        """
        sent = {"Host": self.host, **self.headers, **(headers or {})}
        if isinstance(body, bytes):
            sent["Content-Length"] = str(len(body))
        elif body is not None:
            sent["Transfer-Encoding"] = "Chunked"
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in sent.items()
        )
        content = b"" if body is None else body if isinstance(body, bytes) else chunked(body)

        self.connection = connection = self.connection or socket.create_connection(
            self.address, timeout=30
        )
        connection.sendall(f"{head}\r\n".encode())
        if "Expect" in sent:
            assert interim(connection) == "HTTP/1.1 100 Continue"
        # A server that refuses a body may close before it has read all of it; its answer
        # is there to be read all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(content)

        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        reply = Reply(response.status, response.headers, response.read())
        if response.will_close:
            self.close()
        return reply

    def until_closed(self, method: str, target: str, **headers: str) -> bytes:
        """Every byte that the server sends for a request that asks it to close afterwards."""
        sent = {"Host": self.host, **self.headers, **headers, "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
            with connection.makefile("rb") as stream:
                return stream.read()


def chunked(chunks: Sequence[bytes]) -> bytes:
    """The chunked coding of a body."""
    return b"".join(b"%X\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def interim(connection: socket.socket) -> str:
    """The status line of the next answer, read no further than its empty line."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"closed after {read!r}"
        read += byte
    return read.split(b"\r\n", 1)[0].decode()

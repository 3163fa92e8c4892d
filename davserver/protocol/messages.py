"""The two ends of a verb: the `Request` that it gets and the `Answer` that it gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, Protocol

from davserver.protocol import multistatus
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Headers
from davserver.protocol.paths import Path, Target
from davserver.protocol.ranges import Range

TEXT = "text/plain; charset=utf-8"

WHOLE = 1 << 17
"""Bytes of content up to which an answer is made in one piece, to be sent with its head."""


class Body(Protocol):
    """The content of a request, not yet read."""

    @property
    def length(self) -> int | None:
        """Bytes, or None where the sender does not say."""

    def blocks(self) -> Iterator[bytes | memoryview]:
        """The content in blocks, each good until the next is asked for. Raises Fault 400 where it
        ends too early.
        """

    def all(self, limit: int) -> bytes:
        """The whole content, as often as it is asked for. Raises Fault 413 where it has more than
        ``limit`` bytes.
        """


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose target is parsed.

    ``target`` is below the ``prefix`` that this server's shares hang under; it is None for `*`.
    ``principal`` is who asks, empty for anonymous. If it ``is_repeated``, the same was asked
    before, but for the range that it wants, as far as its head tells, and an `Answer.repeat` is
    worth making.
    """

    method: str
    target: Target | None
    headers: Headers
    body: Body
    principal: str = ""
    prefix: Path = ()
    is_repeated: bool = False

    @property
    def path(self) -> Path:
        return self.target.path if self.target else ()


Repeat = Callable[[Range | None], bytes | None]
"""Gives the body of the same answer for another time it is asked for, as it would be made now; None
where the answer may be another one by now. Raises OSError.

Where the answer is a range of a content, it is told which one is wanted this time, of `WHOLE` bytes
at most; with None it gives the same one.
"""


class Answer(NamedTuple):
    """A response. ``body`` is whole, or blocks that are sent as they come; ``length`` is the
    number of bytes that blocks will have, where it is known. ``codable`` says that the body is text
    which was made for this answer, so that it may be sent gzip-coded. With ``repeat`` the same
    request, but for the range that it wants, may be answered without making all of it anew.
    """

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterable[bytes] = b""
    length: int | None = None
    codable: bool = False
    repeat: Repeat | None = None


class Stretch(NamedTuple):
    """A part of an open file, for a server that can send it without reading it: ``size`` bytes from
    the position ``first`` on.
    """

    descriptor: int
    first: int
    size: int

    def after(self, sent: int) -> "Stretch":
        """What is left when so many bytes of it have been sent."""
        return Stretch(self.descriptor, self.first + sent, self.size - sent)


class FileContent(Iterator[bytes]):
    """The content of a file in blocks. It ``gives_stretches`` among them to a server that can send
    those; they are no bytes, which nobody else sees.
    """

    gives_stretches = False


class CutShort(Exception):
    """The rest of an answer that has begun cannot be given: the connection has to end before it
    looks whole. Its cause says why.
    """


def refusal(fault: Fault) -> Answer:
    """A Fault as the answer: XML where it has a DAV condition code, else a sentence of text."""
    if fault.status is HTTPStatus.NOT_MODIFIED:
        return Answer(fault.status, fault.headers)
    if fault.condition:
        frame = '<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:">'
        sentence = (
            f'<s:message xmlns:s="urn:davserver">{multistatus.text(fault.sentence)}</s:message>'
        )
        element = multistatus.error(fault.condition, fault.hrefs, frame=frame)
        body = element.replace("</D:error>", f"{sentence}</D:error>")
        kind = multistatus.CONTENT_TYPE
    else:
        body, kind = f"{fault.sentence}\n", TEXT
    headers = (("Content-Type", kind), *fault.headers)
    return Answer(fault.status, headers, body.encode(), codable=True)


def report(responses: Iterable[str]) -> Answer:
    """A 207 around rendered responses."""
    return _report(multistatus.stream(responses))


def whole_report(responses: Iterable[str]) -> Answer:
    """As `report`, of a few responses, made at once."""
    return _report(b"".join(multistatus.stream(responses)))


def _report(body: bytes | Iterable[bytes]) -> Answer:
    kind = ("Content-Type", multistatus.CONTENT_TYPE)
    return Answer(HTTPStatus.MULTI_STATUS, (kind,), body, codable=True)

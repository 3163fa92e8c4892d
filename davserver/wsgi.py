"""Both ends of WSGI: an environ becomes a `Request`, an `Answer` becomes status, headers and bytes.
The only place that calls start_response (PEP 3333).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from mmap import mmap
from typing import Any
from urllib.parse import quote

from davserver import counts
from davserver.protocol import codings, faults, messages, paths
from davserver.protocol.codings import Gzip
from davserver.protocol.faults import Fault
from davserver.protocol.messages import Answer, FileContent, Request
from davserver.protocol.paths import Path

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

Finished = Callable[[int, float | None], None]
"""Called when an answer is over, sent whole or broken off: with the bytes of its body that were
sent and the seconds since the request was dispatched, if they are known. Raises nothing.
"""
FINISHED = "davserver.finished"
"""The key of an environ under which our server gives an empty list, and calls each `Finished` that
is in it in the end. So an answer need not be wrapped to learn of its end, which would hide from
the server what kind of body it is.
"""
IS_REPEATED = "davserver.is_repeated"
"""The key of an environ that is true where the same was asked before, but for the range that is
wanted, as far as its head tells, and all of the request is here: its answer may be kept.
"""
REPEAT = "davserver.repeat"
"""The key of an environ under which an application leaves the `messages.Repeat` of its answer. Then
each `Finished` is called once for each time that the answer is given.
"""
IS_STATUS = "davserver.is_status"
"""The key of an environ that is true on connections of an address for the status alone."""

BLOCK = 1 << 18
"""Bytes of a request body that are asked for at a time."""
BUFFER = 1 << 19
"""Bytes of the buffer that a larger one goes through."""

SENDS_FILES = "davserver.sends_files"
"""The key of an environ whose server can send a `Stretch` among the blocks of an answer."""
GZIP = "davserver.gzip"
"""Where an environ says whether answers may be gzip-coded."""

_NO_BODY = (204, 304)

log = logging.getLogger("davserver.errors")


def request(
    environ: Environ, principal: str, prefix: Path, *, path_is_text: bool = False
) -> Request:
    """Read an environ. ``path_is_text`` says that PATH_INFO has been decoded to text already, as
    WsgiDAV's own application does it, instead of being one character a byte (PEP 3333).

    Raises Fault 400, or 404 where the target is not below ``prefix``.
    """
    raw = _text(_target(environ, path_is_text))
    target = None if raw == "*" else paths.parse(raw, prefix)
    return Request(
        environ["REQUEST_METHOD"],
        target,
        _Fields(environ),
        _Body(environ),
        principal,
        prefix,
        environ.get(IS_REPEATED, False),
    )


def respond(answer: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send an answer. One that is small is sent with its length even if it comes in blocks."""
    status, body, length = answer.status, answer.body, answer.length
    if not isinstance(body, bytes) and length is None:
        body, length = _gather(body)
    if isinstance(body, bytes) and length is None:
        length = len(body)
    headers = list(answer.headers)
    if answer.codable and length != 0 and environ.get(GZIP):
        wish = codings.gzip(environ.get("HTTP_ACCEPT_ENCODING"))
        coded, length = _coded(wish, body, length, headers)
        if coded is not body:
            body, answer = coded, answer._replace(repeat=None)
    if length is not None and status not in _NO_BODY:
        headers.append(("Content-Length", str(length)))
    start_response(f"{status.value} {status.phrase}", headers)
    if environ["REQUEST_METHOD"] == "HEAD" or status in _NO_BODY:
        _close(body)
        return []
    if answer.repeat is not None and length is not None:
        environ[REPEAT] = answer.repeat
    if isinstance(body, FileContent):
        body.gives_stretches = bool(environ.get(SENDS_FILES))
    return [body] if isinstance(body, bytes) else body


def _gather(blocks: Iterable[bytes]) -> tuple[bytes | Iterable[bytes], int | None]:
    """The first block in hand decides: is it the last, then the answer is whole."""
    rest = iter(blocks)
    first = next(rest, b"")
    second = next(rest, None)
    if second is None:
        return first, None
    # An iterator lets go of them when both are taken; a tuple would be held until the last block.
    return _Rest(chain(iter((first, second)), rest), rest), None


def _coded(
    wish: Gzip,
    body: bytes | Iterable[bytes],
    length: int | None,
    headers: list[tuple[str, str]],
) -> tuple[bytes | Iterable[bytes], int | None]:
    """The body and its length as the client wishes them, if that is worth it, with the headers that
    say so.
    """
    if wish is not Gzip.MUST and length is not None and length < codings.LEAST:
        return body, length
    headers.append(("Vary", "Accept-Encoding"))
    if wish is Gzip.NO:
        return body, length
    headers.append(("Content-Encoding", "gzip"))
    if not isinstance(body, bytes):
        return _Rest(codings.stream(body), body), None
    if not body:
        # To HEAD nobody tells the length of what is not made.
        return body, None
    body = codings.compressed(body)
    return body, len(body)


def _close(body: object) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


class _Fields(Mapping[str, str]):
    """The header fields of an environ, by their names in lower case. Most requests have more of
    them than anybody asks for.
    """

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return _text(self._environ[_key(name)])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._environ

    def get(self, name: str, default: Any = None) -> Any:
        value = self._environ.get(_key(name))
        return default if value is None else _text(value)

    def __iter__(self) -> Iterator[str]:
        for key in self._environ:
            if key.startswith("HTTP_"):
                yield key[5:].replace("_", "-").lower()
            elif key in _WITHOUT_PREFIX.values():
                yield key.replace("_", "-").lower()

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(256)
def _key(name: str) -> str:
    """The name of a field in an environ."""
    return _WITHOUT_PREFIX.get(name) or "HTTP_" + name.upper().replace("-", "_")


_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class _Rest:
    """Blocks that are still to come, and what has to be closed when they are no longer wanted."""

    def __init__(self, blocks: Iterator[bytes], source: object) -> None:
        self._blocks = blocks
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        _close(self._source)


class _Body:
    """`wsgi.input`, read only when a verb asks for it, and held to its announced length."""

    def __init__(self, environ: Environ) -> None:
        self._input = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH") or ""
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        if length and not is_chunked and not (length.isascii() and length.isdigit()):
            raise faults.bad_header("Content-Length", "a number of bytes")
        self.length: int | None = None if is_chunked else int(length or 0)
        self._whole: bytes | None = None

    def blocks(self) -> Iterator[bytes | memoryview]:
        rest = self.length
        blocks = self._buffered() if rest is None or rest > BLOCK else self._read()
        try:
            for block in blocks:
                yield block
                if rest is not None:
                    rest -= len(block)
        except (OSError, ValueError) as error:
            raise faults.short_body() from error
        if rest:
            raise faults.short_body()

    def _read(self) -> Iterator[bytes]:
        rest = self.length or 0
        # What has come is taken at once, where the server lets us.
        read = getattr(self._input, "read1", self._input.read)
        while rest and (block := read(min(BLOCK, rest))):
            yield block
            rest -= len(block)

    def _buffered(self) -> Iterator[bytes | memoryview]:
        """As `_read`, but into one buffer over and over again: new memory for each block would cost
        more than what is done with it. Of a buffer from the system only what is filled takes room.
        """
        fill = getattr(self._input, "readinto1", None)
        if fill is None:
            yield from iter(lambda: self._input.read(BLOCK), b"")
            return
        view = memoryview(mmap(-1, BUFFER))
        while size := fill(view):
            yield view[:size]

    def all(self, limit: int) -> bytes:
        if self._whole is not None:
            return self._whole
        if (self.length or 0) > limit:
            raise faults.too_large(f"This request takes at most {limit} bytes.")
        held = bytearray()
        for block in self.blocks():
            held += block
            if len(held) > limit:
                raise faults.too_large(f"This request takes at most {limit} bytes.")
        self._whole = bytes(held)
        return self._whole


def _text(value: str) -> str:
    """WSGI has one character a byte; clients that send bytes beyond ASCII mean UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value


def _target(environ: Environ, is_text: bool) -> str:
    """The request target as it was sent, where the server tells, else as near as WSGI has it."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw:
        return str(raw)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if path == "*":
        return "*"
    octets = path.encode("utf-8", "surrogateescape") if is_text else path.encode("latin-1")
    return quote(octets, safe="/") or "/"


def guard(
    environ: Environ, start_response: StartResponse, answer: Callable[[], Iterable[bytes]]
) -> Iterable[bytes]:
    """Give an answer, or the refusal for whatever was raised on the way to its first block.

    What is not a refusal is logged, and told to the client without any detail.
    """
    try:
        return answer()
    except Fault as fault:
        refused = fault
    except OSError as error:
        refused = faults.of_system(error)
    except Exception:
        refused = faults.internal_error()
        log.exception("%s failed", environ["REQUEST_METHOD"])
    counts.storage_failed(environ["REQUEST_METHOD"], refused.status, refused.__cause__)
    return respond(messages.refusal(refused), environ, start_response)

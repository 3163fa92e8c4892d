"""GET and HEAD: the content of a file, whole or in ranges, or a plain list of a collection
(RFC 9110 sections 9.3.1, 9.3.2 and 14).
"""

import html
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import chain, repeat
from typing import cast

from davserver.protocol import (
    conditions,
    dates,
    faults,
    headers,
    mediatypes,
    multistatus,
    paths,
    properties,
    ranges,
    resources,
)
from davserver.protocol.messages import (
    WHOLE,
    Answer,
    CutShort,
    FileContent,
    Repeat,
    Request,
    Stretch,
)
from davserver.protocol.ranges import Range
from davserver.protocol.resources import Stat
from davserver.share import Place
from davserver.shares import Shares
from davserver.state import State
from davserver.tree import Opened

BLOCK = 1 << 16
"""Bytes of a larger one that are read at a time, where the kernel does not send it by itself."""

HTML = "text/html; charset=utf-8"


TRIES = 4
"""How often a small file is read that others write to all the while."""


class _Changed(Exception):
    """The file was changed while it was read."""


def run(request: Request, shares: Shares) -> Answer:
    for _ in range(TRIES):
        with suppress(_Changed):
            return _found(request, shares)
    raise faults.busy()


def _found(request: Request, shares: Shares) -> Answer:
    revision = shares.state.revision() if request.is_repeated else b""
    guard = conditions.read(request.headers, request.path, shares.prefix, request.principal)
    if shares.is_above(request.path):
        shares.view().require(guard, shares.facts_above(), lambda _: faults.not_modified(()))
        return listed(request, sorted((name, True) for name in shares.all))
    place = shares.to_read(request.path)

    opened = place.share.tree.open(place.local)
    if opened is None:
        return _collection(request, shares, place, guard)
    try:
        facts = opened.facts
        if request.target is not None and request.target.slash:
            raise faults.not_found()
        view = shares.view()
        described = _describe(place, facts, view.properties(place, facts))
        view.require(guard, facts, lambda _: faults.not_modified(described[1:]))

        if request.method == "HEAD":
            answer = Answer(HTTPStatus.OK, described, b"", facts.st_size)
        else:
            holds = _range_holds(request, facts)
            wanted = ranges.parse(request.headers.get("range"), facts.st_size) if holds else ()
            answer = _answer(opened, described, wanted)
            is_kept = revision and isinstance(answer.body, bytes)
            if is_kept and not conditions.are_in(request.headers):
                one = wanted[0] if wanted else Range(0, facts.st_size - 1)
                repeat = _repeat(shares.state, place, facts, revision, one)
                answer = answer._replace(repeat=repeat)
    except BaseException:
        opened.close()
        raise
    if isinstance(answer.body, bytes):
        opened.close()
    return answer


def _repeat(state: State, place: Place, facts: Stat, revision: bytes, one: Range) -> Repeat:
    """Gives ``one`` of the content again, or another range, as long as neither the facts of the
    file nor the store have changed.
    """
    tree, local = place.share.tree, place.local
    then = resources.seen(facts)

    def repeat(wanted: Range | None) -> bytes | None:
        if state.revision() != revision:
            return None
        opened = tree.open(local)
        if opened is None:
            return None
        try:
            is_same = resources.seen(opened.facts) == then
            return _content(opened, wanted or one) if is_same else None
        except _Changed:
            return None
        finally:
            opened.close()

    return repeat


def _describe(place: Place, facts: Stat, stored: properties.Stored) -> tuple[tuple[str, str], ...]:
    """The headers that describe a file: its media type first, then what a 304 has too."""
    set_by_client = properties.stored_text(stored, properties.CONTENT_TYPE)
    described = [
        ("Content-Type", set_by_client or mediatypes.of(place.name)),
        ("ETag", resources.etag(facts) or ""),
        ("Last-Modified", dates.http(resources.modified(facts))),
        # Without it browsers show what they have seen before.
        ("Cache-Control", "no-cache"),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    language = properties.stored_text(stored, properties.CONTENT_LANGUAGE)
    if language:
        described.append(("Content-Language", language))
    return tuple(described)


def _range_holds(request: Request, facts: Stat) -> bool:
    """RFC 9110 section 13.1.5: If-Range with an entity tag or a date, compared strongly."""
    text = request.headers.get("if-range")
    if text is None:
        return True
    if '"' in text:
        return conditions.same_strong(text.strip(), resources.etag(facts))
    date = headers.date(text)
    return date is not None and date.timestamp() == resources.modified(facts)


def _answer(
    opened: Opened, described: tuple[tuple[str, str], ...], wanted: Sequence[Range]
) -> Answer:
    """The file or ranges of it; what closes the file, too, if it is more than a little. Raises
    _Changed, OSError.
    """
    size = opened.facts.st_size
    if len(wanted) > 1:
        return _multipart(opened, described, wanted)
    status, one = HTTPStatus.OK, Range(0, size - 1)
    if wanted:
        status, (one,) = HTTPStatus.PARTIAL_CONTENT, wanted
        described = (*described, ("Content-Range", f"bytes {one.first}-{one.last}/{size}"))
    if one.size <= WHOLE:
        return Answer(status, described, _content(opened, one))
    return Answer(status, described, _Pieces(opened, [one]), one.size)


def _multipart(
    opened: Opened, described: tuple[tuple[str, str], ...], wanted: Sequence[Range]
) -> Answer:
    """As `_answer`, for several ranges (RFC 9110 section 15.3.7.2)."""
    boundary = secrets.token_hex(16)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {described[0][1]}\r\n"
        f"Content-Range: bytes {one.first}-{one.last}/{opened.facts.st_size}\r\n\r\n".encode(
            "latin-1", "replace"
        )
        for one in wanted
    ]
    end = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(one.size for one in wanted) + len(end)
    kind = ("Content-Type", f"multipart/byteranges; boundary={boundary}")
    pieces = _Pieces(opened, wanted, heads, end)
    return Answer(HTTPStatus.PARTIAL_CONTENT, (kind, *described[1:]), pieces, length)


def _content(opened: Opened, one: Range) -> bytes:
    """A little of a file, read in one piece. Raises OSError, _Changed where the file was written to
    meanwhile.
    """
    block = opened.read(one.first, one.size)
    while len(block) < one.size:
        more = opened.read(one.first + len(block), one.size - len(block))
        if not more:
            raise _Changed
        block += more
    if opened.is_changed():
        raise _Changed
    return block


class _Pieces(FileContent):
    """The bytes of ranges, each behind its head where it has one; closing it closes the file. The
    first block is read at once: raises OSError, _Changed.

    Before the last block of a range CutShort is raised if the file was written to meanwhile, and
    instead of a block that cannot be read.
    """

    def __init__(
        self, opened: Opened, wanted: Sequence[Range], heads: Sequence[bytes] = (), end: bytes = b""
    ) -> None:
        self._opened = opened
        self._blocks: Iterator[bytes | Stretch] = chain(
            *(
                self._read(one, head)
                for one, head in zip(wanted, heads or repeat(b""), strict=False)
            ),
            (end,),
        )
        # While another answer is still possible. An iterator lets go of it when it is taken; a
        # tuple would be held until the last block.
        self._blocks = chain(iter((next(self._blocks, b""),)), self._blocks)

    def __next__(self) -> bytes:
        try:
            # Stretches are there for a server that has said that it takes them.
            return cast(bytes, next(self._blocks))
        except (_Changed, OSError) as error:
            raise CutShort from error

    def close(self) -> None:
        # What reads knows this object, too.
        self._blocks = iter(())
        self._opened.close()

    def _read(self, one: Range, head: bytes) -> Iterator[bytes | Stretch]:
        position, opened = one.first, self._opened
        if head:
            yield head
        while (left := one.last + 1 - position) > 0:
            if self.gives_stretches and left > WHOLE:
                # The last block is read, since after it nothing could be taken back.
                stretch = Stretch(opened.fd, position, left - BLOCK)
                position += stretch.size
                yield stretch
                continue
            block = opened.read(position, left if left <= WHOLE else BLOCK)
            position += len(block)
            if not block or (position > one.last and opened.is_changed()):
                raise _Changed
            yield block


def _collection(request: Request, shares: Shares, place: Place, guard: conditions.Guard) -> Answer:
    facts = place.share.tree.look(place.local)
    if facts is None or not resources.is_collection(facts):
        raise faults.not_found()
    shares.view().require(guard, facts, lambda _: faults.not_modified(()))
    members = place.share.tree.members(place.local)
    return listed(request, sorted((name, resources.is_collection(seen)) for name, seen in members))


def listed(request: Request, members: Sequence[tuple[str, bool]]) -> Answer:
    """A plain page with a link for each member."""
    lines = "".join(
        f'<li><a href="{paths.escape(name)}{"/" * is_collection}">'
        f"{html.escape(multistatus.clean(name))}{'/' * is_collection}</a></li>\n"
        for name, is_collection in members
    )
    title = html.escape(multistatus.clean("/" + "/".join(request.path)))
    href = html.escape(paths.href(request.path, True, request.prefix))
    body = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><base href="{href}">'
        f"<title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{lines}</ul>\n"
        "</body>\n</html>\n"
    ).encode()
    return Answer(
        HTTPStatus.OK,
        (
            ("Content-Type", HTML),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("X-Content-Type-Options", "nosniff"),
        ),
        b"" if request.method == "HEAD" else body,
        len(body),
        codable=True,
    )

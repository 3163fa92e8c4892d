"""What holds of every answer, whatever a script expects. What does not raises AssertionError."""

import re

from tests.scripts.expect import code, properties, responses, xml
from tests.scripts.ways import Reply, Sent
from tests.scripts.world import Snapshot, World

READS = frozenset({"OPTIONS", "GET", "HEAD", "PROPFIND"})
WALKS = frozenset({"DELETE", "COPY", "MOVE"})
RESERVED = ".~dav-"

_NO_BODY = (204, 304)
_ETAG = re.compile(r'"[\x21\x23-\x7e]+"')
_HREF = re.compile(r"(/([A-Za-z0-9._~-]|%[0-9A-F]{2})*)+")
_NEEDED = {401: "WWW-Authenticate", 405: "Allow", 416: "Content-Range", 503: "Retry-After"}


class Before:
    """What there was before a request."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files = world.files()
        self._rows = world.rows()
        self._neighbours = world.neighbours()
        world.members.hrefs.clear()

    def check(self, sent: Sent, reply: Reply) -> None:
        """Is what there is now what may be there after this answer?"""
        files = self._world.files()
        left = [path for path in files if f"/{RESERVED}" in path and path not in self._files]
        assert not left, f"temporary names are left behind: {left}"
        _same(self._neighbours, self._world.neighbours(), "beside the share")
        if reply.status == 207 and sent.method in WALKS:
            logged = sorted(self._world.members.hrefs)
            assert logged == sorted(responses(reply)), f"the log tells of {logged}"
        if sent.method in READS or reply.status >= 300:
            _same(self._files, files, "a file")
            _same(self._rows, self._world.rows(), "a row of the state")


def _same(before: Snapshot, after: Snapshot, what: str) -> None:
    changed = [
        f"{key}: {before.get(key)} is now {after.get(key)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    assert not changed, f"{what} was changed: {changed}"


def check(sent: Sent, reply: Reply, world: World) -> None:
    """Is an answer one that any client can read?"""
    for name, value in reply.headers:
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", name + value), f"{name!r}: {value!r}"
    if sent.method == "HEAD" or reply.status in _NO_BODY:
        assert not reply.body, "a body where there must be none"
    else:
        length = reply.header("Content-Length")
        assert length is None or int(length) == len(reply.body), "another length than announced"
        # RFC 9110 section 15.5: a refusal is explained.
        assert reply.status < 400 or reply.body, "a refusal without a word"
    if reply.status in _NEEDED:
        name = _NEEDED[reply.status]
        assert reply.header(name) is not None, f"no {name} with {reply.status}"
    text = reply.body + repr(reply.headers).encode()
    assert str(world.folder).encode() not in text, "a path of the disk is told"
    etag = reply.header("ETag")
    assert etag is None or _ETAG.fullmatch(etag), f"no strong entity tag: {etag}"
    if reply.body and (reply.header("Content-Type") or "").startswith("application/xml"):
        xml(reply)
    if reply.status == 207:
        _check_multistatus(reply)


def _check_multistatus(reply: Reply) -> None:
    """RFC 4918 sections 13 and 14.24."""
    found = responses(reply)
    assert len(found) == len(xml(reply)), "one href in several responses"
    for href, one in found.items():
        assert _HREF.fullmatch(href), f"no escaped absolute path: {href}"
        propstats = one.findall("{DAV:}propstat")
        assert len(one.findall("{DAV:}status")) == (0 if propstats else 1), "status or propstats"
        if not propstats:
            code(one)
        names = [prop.tag for stat in propstats for prop in stat.iterfind("{DAV:}prop/*")]
        assert len(names) == len(set(names)), "a property in several propstats"
        kind = properties(one).get("{DAV:}resourcetype")
        if kind is not None and kind[0] == 200 and len(kind[1]):
            assert href.endswith("/"), "the href of a collection ends in a slash"


def check_head(get: Reply, head: Reply) -> None:
    """RFC 9110 section 9.3.2: HEAD has the status and the headers of GET."""
    assert head.status == get.status, f"HEAD is answered with {head.status}"
    seen, told = (
        sorted((name, value) for name, value in one.headers if name not in ("Date", "Connection"))
        for one in (get, head)
    )
    assert seen == told, f"the headers of HEAD are {told}"

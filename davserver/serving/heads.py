"""The head of a request: strictly by RFC 9112, since whoever reads it more kindly than a proxy in
front sees other requests than the proxy has let pass.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from davserver.protocol import hosts

LONGEST_LINE = 1 << 15
"""Bytes of a request line (RFC 9112 section 3 wants at least 8,000)."""
LONGEST = 1 << 16
"""Bytes of a head."""
MOST_FIELDS = 200

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!\"$-~\x80-\xff]+) HTTP/([0-9])\.([0-9])")
_FORM = re.compile(rb"/.*|[Hh][Tt][Tt][Pp][Ss]?://([^/?]+)(?:[/?].*)?", re.DOTALL)
# The token that names a field is followed by its colon at once (RFC 9112 section 5.1); a control
# character in a value is an attempt at something (RFC 9110 section 5.5).
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_NEVER = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_SPACE = b" \t"
_ONCE = frozenset({"HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE"})
"""Fields that a request has once."""


class Refused(Exception):
    """A head that cannot be served: the status line's status and phrase, and a sentence."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Head:
    """A head that is sound. ``fields`` have the names of an environ, and one character a byte
    (PEP 3333). ``length`` is that of the body, None where it comes in chunks. ``stays`` says that
    the client wants the connection to be kept, ``waits`` that it waits to be invited.
    """

    method: str
    target: str
    version: str
    fields: dict[str, str]
    length: int | None
    stays: bool
    waits: bool


def parse(octets: bytes) -> Head:
    """Read a head, which is given without the empty line behind it. Raises Refused."""
    line, _, rest = octets.partition(b"\r\n")
    method, target, authority, minor = _request_line(line)
    said = _known_fields.get((minor, rest))
    if said is None:
        said = _said(rest, minor)
        if len(rest) <= _SMALL and _SECRETS.isdisjoint(said.fields):
            if len(_known_fields) >= _MOST_KNOWN:
                _known_fields.clear()
            _known_fields[minor, rest] = said
    fields = said.fields
    if authority:
        # It stands before the Host field (RFC 9112 section 3.2.2), which has to be sound even so.
        fields = {**fields, "HTTP_HOST": authority}
        _check_host(fields, minor)
    version = "HTTP/1.1" if minor else "HTTP/1.0"
    return Head(method, target, version, fields, said.length, said.stays, said.waits)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the fields of a head say of the request: see `Head`."""

    fields: dict[str, str]
    length: int | None
    stays: bool
    waits: bool


def _said(rest: bytes, minor: int) -> _Said:
    fields = _fields(rest.split(b"\r\n") if rest else [])
    _check_host(fields, minor)
    length = _length(fields, minor)
    expected = fields.get("HTTP_EXPECT", "").lower()
    if expected not in ("", "100-continue"):
        raise Refused("417 Expectation Failed", "The only expectation met here is 100-continue.")
    options = {one.strip(" \t").lower() for one in fields.get("HTTP_CONNECTION", "").split(",")}
    stays = "close" not in options and (minor > 0 or "keep-alive" in options)
    return _Said(fields, length, stays, bool(expected and minor))


_SMALL = 1 << 10
"""Bytes of fields that are worth keeping: most requests of a client have the same ones."""
_MOST_KNOWN = 512
_SECRETS = frozenset({"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "HTTP_COOKIE"})
"""What is not kept any longer than its request."""
_known_fields: dict[tuple[int, bytes], _Said] = {}


def is_telling(octets: bytes) -> bool:
    """Whether more of a head may decide whether it is sound: a line has ended, or worse."""
    return _CONTROL.search(octets) is not None


def check(octets: bytes) -> None:
    """Raises Refused for a head that is not whole yet, and can be nothing sound any more."""
    line, end, _ = octets.partition(b"\r\n")
    if end:
        # HTTP/0.9 has no more than this line, and its client waits already.
        _request_line(line)
    if _NEVER.search(octets):
        raise _bad("A header ends its lines with CR and LF, and has no other control characters.")
    if len(octets) > LONGEST_LINE and b"\r\n" not in octets[: LONGEST_LINE + 2]:
        if b" " not in octets[:LONGEST_LINE]:
            raise Refused("501 Not Implemented", "No method has so long a name.")
        raise Refused("414 URI Too Long", "The request target is too long.")
    if len(octets) > LONGEST:
        raise Refused("431 Request Header Fields Too Large", "The header fields are too long.")


def is_field(line: bytes) -> bool:
    """Whether a line, given without its end, is a field: in a head or in trailers (RFC 9112
    sections 5 and 7.1.2).
    """
    return _FIELD.fullmatch(line) is not None


def _request_line(line: bytes) -> tuple[str, str, str, int]:
    """Method, target, the authority that an absolute target names, and the minor version."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise _bad("The request line cannot be understood.")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise Refused("505 HTTP Version Not Supported", "This server speaks HTTP/1.1.")
    authority = b""
    if target != b"*":
        form = _FORM.fullmatch(target)
        if form is None:
            raise _bad("The request target is no path of this server.")
        authority = form[1] or b""
    if not target.isascii():
        # Read kindly, two bytes could be a slash (RFC 3629 section 10). Escaped, any byte is of a
        # name.
        try:
            target.decode()
        except UnicodeDecodeError:
            raise _bad("The request target is not UTF-8: percent-encode its bytes.") from None
    return method.decode(), target.decode("latin-1"), authority.decode("latin-1"), int(minor)


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MOST_FIELDS:
        raise Refused("431 Request Header Fields Too Large", "There are too many header fields.")
    found: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise _bad("A header field cannot be understood.")
        name = _known(match[1]) if len(match[1]) <= _SHORT else _name(match[1])
        # `a_b` would have the environ's name of `a-b`.
        if not name:
            continue
        value = match[2].strip(_SPACE).decode("latin-1")
        if name in found:
            if name in _ONCE:
                raise _bad("A header field that says how to read the request is there twice.")
            value = f"{found[name]}{'; ' if name == 'HTTP_COOKIE' else ', '}{value}"
        found[name] = value
    return found


def _name(name: bytes) -> str:
    """The name that a field has in an environ, or empty."""
    text = name.decode().upper().replace("-", "_")
    if b"_" in name:
        return ""
    return text if text in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{text}"


_SHORT = 64
"""Bytes of a name that is worth keeping: a client may send any number of others."""
_known = lru_cache(512)(_name)


def _check_host(fields: dict[str, str], minor: int) -> None:
    """RFC 9112 section 3.2: one sound Host field, which HTTP/1.0 need not have."""
    host = fields.get("HTTP_HOST")
    if (host is None and minor) or (host is not None and not hosts.is_sound(host)):
        raise _bad("The Host header field must name this server, once.")


def _length(fields: dict[str, str], minor: int) -> int | None:
    """How long the body is, None for one in chunks (RFC 9112 section 6)."""
    coding, length = fields.get("HTTP_TRANSFER_ENCODING"), fields.get("CONTENT_LENGTH")
    if coding is not None:
        if not minor or length is not None:
            # Whoever is in front might count otherwise (RFC 9112 sections 6.1 and 6.3).
            raise _bad("Transfer-Encoding needs HTTP/1.1, and no Content-Length beside it.")
        codings = [one.strip(" \t").lower() for one in coding.split(",")]
        if "chunked" in codings[:-1] or not all(codings):
            raise _bad("The last transfer coding, and no other, has to be chunked.")
        if codings != ["chunked"]:
            raise Refused("501 Not Implemented", "The only transfer coding known here is chunked.")
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise _bad("Content-Length must be a number of bytes.")
    return int(length)


def _bad(sentence: str) -> Refused:
    return Refused("400 Bad Request", sentence)

"""The rows of resources as lines of JSON, for what is exported and imported.

The first line says what follows it: the form of the lines, the schema they come from, and when.
Each other line is one resource: its share, its path as an href below the share, which resource it
was, its dead properties and its locks.
"""

import json
import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from davserver.protocol import documents, paths
from davserver.protocol.documents import Change
from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.properties import refusal
from davserver.protocol.resources import Stamp
from davserver.share.place import Share
from davserver.state import Reader, Writer

FORM = 1
"""The form of the lines that this server writes and reads."""

EVER = -math.inf
"""A time at which no lock has ended."""

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+")
_KINDS = {0: "unknown", stat.S_IFREG: "file", stat.S_IFDIR: "collection", stat.S_IFLNK: "link"}
_MODES = {word: kind for kind, word in _KINDS.items()}


class Malformed(Exception):
    """What is wrong with a line."""


@dataclass(frozen=True, slots=True)
class Record:
    """The rows of one resource at a ``path`` below the share with a name. The roots of the locks
    are not told: they are where the resource is.
    """

    share: str
    path: Path
    stamp: Stamp
    properties: Mapping[str, str]
    locks: tuple[Lock, ...]


def header(schema: int, when: str) -> str:
    """The first line."""
    return _text({"davserver": "export", "form": FORM, "schema": schema, "when": when})


def check_header(line: str) -> None:
    """Raises Malformed where what follows cannot be read."""
    told = _object(line)
    if told.get("davserver") != "export":
        raise Malformed("this is nothing that davserver export has written")
    if told.get("form") != FORM:
        raise Malformed(f"the form of the lines is {told.get('form')!r}, this server knows {FORM}")


def records(shares: Iterable[Share], reader: Reader) -> Iterator[Record]:
    """The rows of all resources of shares, ended locks too."""
    for share in shares:
        for key, stamp in sorted(reader.stamps(share.base).items()):
            yield record(share, reader, key, stamp)


def record(share: Share, reader: Reader, key: Path, stamp: Stamp) -> Record:
    """The rows of one resource, which have a stamp."""
    locks = tuple(sorted(at(reader, key), key=lambda lock: lock.token))
    return Record(share.name, key[len(share.base) :], stamp, reader.properties(key), locks)


def at(reader: Reader, key: Path) -> list[Lock]:
    """The locks that are rooted at a path of the state."""
    return [lock for lock in reader.locks(key, EVER) if lock.root == key]


def remove(writer: Writer, key: Path) -> None:
    """Drop the rows of one resource; those of what is below it stay."""
    for name in writer.properties(key):
        writer.remove_property(key, name)
    for lock in at(writer, key):
        writer.remove_lock(lock.token)


def put(writer: Writer, key: Path, rows: Record) -> None:
    """Give a resource these rows in the place of its own."""
    remove(writer, key)
    for name, value in rows.properties.items():
        writer.set_property(key, name, value, rows.stamp)
    for lock in rows.locks:
        # Wherever it was granted: a token is there once.
        writer.remove_lock(lock.token)
        writer.add_lock(replace(lock, root=key))


def line(rows: Record) -> str:
    """One resource as a line, without its end."""
    is_collection = rows.stamp.kind == stat.S_IFDIR
    return _text(
        {
            "share": rows.share,
            "path": paths.href(rows.path, is_collection),
            **_told(rows.stamp),
            "properties": dict(sorted(rows.properties.items())),
            "locks": [
                {
                    "token": lock.token,
                    "deep": lock.deep,
                    "exclusive": lock.exclusive,
                    "owner": lock.owner,
                    "principal": lock.principal,
                    "timeout": lock.timeout,
                    "expires": lock.expires,
                    **_told(lock.stamp),
                }
                for lock in rows.locks
            ],
        }
    )


def parse(text: str) -> Record:
    """The resource of a line. Raises Malformed."""
    told = _object(text)
    _exactly(told, ("share", "path", "kind", "inode", "born", "properties", "locks"))
    try:
        target = paths.parse(_take(told, "path", str))
    except Fault as error:
        raise Malformed(f"path: {error.sentence}") from error
    if paths.reserved(target.path):
        raise Malformed("path: it names something of the server's own")
    properties = _take(told, "properties", dict)
    for name, value in properties.items():
        _check_property(name, value)
    locks = tuple(map(_lock, _take(told, "locks", list)))
    share = _take(told, "share", str)
    # A name of a share may be bytes that are no UTF-8, as that of a file may.
    _require_encodable("share", share, "surrogateescape")
    return Record(share, target.path, _stamp(told), properties, locks)


def _lock(told: object) -> Lock:
    if not isinstance(told, dict):
        raise Malformed("locks: each is an object")
    given = ("token", "deep", "exclusive", "owner", "principal", "timeout", "expires")
    _exactly(told, (*given, "kind", "inode", "born"))
    owner = _take(told, "owner", str)
    if owner and _name(owner) != "{DAV:}owner":
        raise Malformed("owner: must be an owner element as XML, or empty")
    token = _take(told, "token", str)
    if not _TOKEN.fullmatch(token):
        raise Malformed("token: must be a URI")
    principal = _take(told, "principal", str)
    _require_encodable("principal", principal)
    timeout = _number(told, "timeout")
    if timeout < 0:
        raise Malformed("timeout: must not be negative")
    return Lock(
        token,
        (),
        _take(told, "deep", bool),
        _take(told, "exclusive", bool),
        owner,
        principal,
        timeout,
        _seconds(told, "expires"),
        _stamp(told),
    )


def _check_property(name: str, value: object) -> None:
    if not name or not isinstance(value, str) or _name(value) != name:
        raise Malformed(f"properties: {name!r}: must be that element as XML")
    fault = refusal(Change(name, value, "".join(documents.read_only(value).itertext())))
    if fault is not None:
        raise Malformed(f"properties: {name!r}: {fault.sentence}")


def _name(xml: str) -> str:
    """The name of the one element that a text of XML is, or empty."""
    try:
        return str(documents.read_only(xml).tag)
    except Fault:
        return ""


def _told(stamp: Stamp) -> dict[str, object]:
    kind = _KINDS.get(stamp.kind, "unknown")
    return {"kind": kind, "inode": stamp.inode, "born": stamp.born}


def _stamp(told: Mapping[str, Any]) -> Stamp:
    kind = _MODES.get(_take(told, "kind", str))
    if kind is None:
        raise Malformed(f"kind: must be one of {', '.join(_MODES)}")
    return Stamp(_number(told, "inode"), _number(told, "born"), kind)


def _number(told: Mapping[str, Any], key: str) -> int:
    found: int = _take(told, key, int)
    if isinstance(found, bool) or not -(1 << 63) <= found < 1 << 63:
        raise Malformed(f"{key}: must be a whole number of 64 bits")
    return found


def _seconds(told: Mapping[str, Any], key: str) -> float:
    found = told[key]
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    try:
        seconds = float(found) if is_number else math.nan
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise Malformed(f"{key}: must be seconds since the epoch")
    return seconds


def _require_encodable(key: str, text: str, errors: str = "strict") -> None:
    """Raises Malformed for half of a surrogate pair: JSON can write it, no store can hold it."""
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError as error:
        raise Malformed(f"{key}: has half of a surrogate pair") from error


def _take(told: Mapping[str, Any], key: str, kind: type) -> Any:
    found: Any = told[key]
    if not isinstance(found, kind):
        raise Malformed(f"{key}: must be {_WORDS[kind]}")
    return found


_WORDS = {
    str: "a text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a whole number",
}


def _exactly(told: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    for key in wanted:
        if key not in told:
            raise Malformed(f"{key} is missing")
    for key in told:
        if key not in wanted:
            raise Malformed(f"unknown key {key!r}")


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed("this is no JSON") from error
    if not isinstance(found, dict):
        raise Malformed("this is no JSON object")
    return found


def _text(told: Mapping[str, object]) -> str:
    return json.dumps(told, separators=(",", ":"), allow_nan=False)

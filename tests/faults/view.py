"""What can be found in a place: by HTTP, in the directory tree, and in the database."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from urllib.parse import unquote, urlsplit

from lxml import etree

from tests.faults import bodies
from tests.faults.connection import Asked, Connection
from tests.faults.findings import WRONG, Findings
from tests.faults.model import Path, Seen
from tests.faults.operations import NS, SECONDS, href
from tests.faults.servers import Server

D, P = "{DAV:}", f"{{{NS}}}"
_PROPFIND = (
    f'<D:propfind xmlns:D="DAV:" xmlns:p="{NS}"><D:prop><D:resourcetype/><D:getetag/>'
    "<D:lockdiscovery/><p:one/><p:two/></D:prop></D:propfind>"
).encode()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows: resources, tokens by the owners of their locks, and ETags of files."""

    seen: Mapping[Path, Seen]
    tokens: Mapping[str, str]
    etags: Mapping[Path, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies on the disk: the number of a file's content, None for a directory.

    ``passing`` are names of temporary files and of trash, ``lone`` are the paths of notes on what
    is not there.
    """

    contents: Mapping[Path, int | None]
    passing: tuple[str, ...]
    lone: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database holds: how many properties a path has, lock roots by their tokens.

    Paths are below the served root, or whole where they lie elsewhere. ``damage`` is what SQLite
    says of its file, if not "ok".
    """

    properties: Mapping[Path, int]
    locks: Mapping[str, Path]
    intents: frozenset[int]
    damage: str


def shown(port: int, lacks: frozenset[str], owners: Mapping[str, str], findings: Findings) -> Shown:
    """Ask a server for everything; ``owners`` are those of known tokens, for a server that does
    not tell them. Raises Cut or OSError.
    """
    seen: dict[Path, Seen] = {}
    tokens: dict[str, str] = {}
    etags: dict[Path, str] = {}
    deep = "Depth infinity" not in lacks
    with Connection(port) as line:
        waiting: list[Path] = [()]
        for top in waiting:
            for path, prop in _listed(line, top, "infinity" if deep else "1", findings):
                if path in seen and (deep or path != top):
                    findings.add(WRONG, f"{href(path)}: listed twice")
                is_file = prop.find(f"{D}resourcetype/{D}collection") is None
                etag = prop.findtext(f"{D}getetag") or ""
                listed = "" if "ETag in PROPFIND" in lacks else etag
                content = _content(line, path, listed, findings) if is_file else None
                if not is_file and not deep and path not in waiting:
                    waiting.append(path)
                seen[path] = Seen(content, _pair(prop), frozenset(_locks(prop, tokens, owners)))
                _check_timeouts(prop, path, findings)
                if etag.startswith('"'):
                    etags[path] = etag
    seen.pop((), None)
    return Shown(seen, tokens, etags)


def _listed(
    line: Connection, path: Path, depth: str, findings: Findings
) -> list[tuple[Path, etree._Element]]:
    fields = {"Depth": depth, "Content-Type": "application/xml"}
    answer = line.ask(Asked("PROPFIND", href(path, slash=True), fields, _PROPFIND))
    if answer.status != 207:
        findings.add(WRONG, f"PROPFIND {href(path, slash=True)}: {answer.status}")
        return []
    try:
        multistatus = etree.fromstring(answer.body)
    except etree.XMLSyntaxError as error:
        findings.add(WRONG, f"PROPFIND {href(path, slash=True)}: {error}")
        return []
    found = []
    for one in multistatus.iterchildren(f"{D}response"):
        for propstat in one.iterchildren(f"{D}propstat"):
            prop = propstat.find(f"{D}prop")
            if prop is not None and " 200 " in (propstat.findtext(f"{D}status") or ""):
                found.append((_path(one.findtext(f"{D}href") or ""), prop))
    return found


def _path(text: str) -> Path:
    return tuple(unquote(name) for name in urlsplit(text).path.split("/") if name)


def _pair(prop: etree._Element) -> int:
    one, two = (bodies.value(prop.findtext(f"{P}{name}")) for name in ("one", "two"))
    return one if one == two else bodies.TORN


def _locks(
    prop: etree._Element, tokens: dict[str, str], owners: Mapping[str, str]
) -> Iterator[str]:
    """The owners of the locks that a resource has; their tokens are kept in ``tokens``."""
    for one in prop.iterfind(f"{D}lockdiscovery/{D}activelock"):
        token = (one.findtext(f"{D}locktoken/{D}href") or "").strip()
        told = "".join(text for each in one.iterfind(f"{D}owner") for text in each.itertext())
        owner = told.strip() or owners.get(token, token)
        tokens[owner] = token
        yield owner


def _check_timeouts(prop: etree._Element, path: Path, findings: Findings) -> None:
    """A lock ends when its client was told that it would, or later if that was never."""
    for told in prop.iterfind(f"{D}lockdiscovery/{D}activelock/{D}timeout"):
        seconds = (told.text or "").strip().removeprefix("Second-")
        if seconds != "Infinite" and not (seconds.isdecimal() and 0 < int(seconds) <= SECONDS):
            findings.add(WRONG, f"{href(path)}: a lock for {told.text}")


def _content(line: Connection, path: Path, listed: str, findings: Findings) -> int:
    """The number of a file's content, asked for by GET; ``listed`` is its ETag in PROPFIND."""
    answer = line.ask(Asked("GET", href(path), {}))
    if answer.status != 200:
        findings.add(WRONG, f"GET {href(path)}: {answer.status}, and PROPFIND lists it")
    etag = answer.headers.get("etag")
    if listed and etag and listed.removeprefix("W/") != etag.removeprefix("W/"):
        findings.add(WRONG, f"{href(path)}: ETag {etag} in GET, {listed} in PROPFIND")
    return bodies.number(answer.body)


def stored(place: FilePath, server: Server) -> Stored:
    """Read the directory tree that a server has in a place."""
    root = place / "root"
    contents: dict[Path, int | None] = {}
    passing: list[str] = []
    noted: list[Path] = []
    waiting: list[Path] = [()]
    for path in waiting:
        for entry in os.scandir(root.joinpath(*path)):
            if server.passing.match(entry.name):
                passing.append(entry.path)
            elif server.own.match(entry.name):
                names = _names(entry)
                noted += [(*path, _noted(name)) for name in names if server.has_notes]
                passing += [f"{entry.path}/{name}" for name in names if not server.has_notes]
            elif entry.is_dir(follow_symlinks=False):
                contents[(*path, entry.name)] = None
                waiting.append((*path, entry.name))
            else:
                contents[(*path, entry.name)] = bodies.number(FilePath(entry).read_bytes())
    if server.scratch:
        scratch = (place / server.scratch).rglob("*")
        passing += [str(one) for one in scratch if one.is_file()]
    # A note on the directory itself, and those that pass, have names like these.
    lone = {one for one in noted if one not in contents and not one[-1].startswith((".", "__db."))}
    return Stored(contents, tuple(passing), tuple(sorted(lone)))


def _names(folder: os.DirEntry[str]) -> list[str]:
    """What is in the server's own folder, which may go while it is looked at."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _noted(name: str) -> str:
    """Of what a file in Apache's `.DAV` is: some kinds of databases are two files."""
    return name.removesuffix(".pag").removesuffix(".dir")


def rows(file: FilePath, root: FilePath) -> Rows:
    """Read our own database, without changing it."""
    base = tuple(root.resolve().parts[1:])
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        query = "SELECT parent, name, count(*) FROM property GROUP BY parent, name"
        properties = {
            _below(base, parent, name): count for parent, name, count in connection.execute(query)
        }
        query = "SELECT token, parent, name FROM lock"
        locks = {
            token: _below(base, parent, name) for token, parent, name in connection.execute(query)
        }
        query = "SELECT id FROM intent"
        intents = frozenset(number for (number,) in connection.execute(query))
        (damage,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    return Rows(properties, locks, intents, "" if damage == "ok" else damage)


def _below(base: Path, parent: bytes, name: bytes) -> Path:
    path = tuple(os.fsdecode(part) for part in (*parent.split(b"/"), name) if part)
    return path[len(base) :] if path[: len(base)] == base else ("", *path)

"""Reads scripts: text becomes cases of lines and exchanges. The language is told in `__init__`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


class ScriptError(Exception):
    """A script that cannot be understood: file, line, and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A word with its arguments. ``text`` is the line as it was written."""

    number: int
    text: str
    word: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the status that it is answered with; ``details`` are the lines below it."""

    number: int
    text: str
    method: str
    target: str
    destination: str | None
    user: str | None
    headers: tuple[tuple[str, str], ...]
    status: int
    details: tuple[Line, ...] = ()

    def named(self, word: str) -> list[Line]:
        """The details with this word."""
        return [line for line in self.details if line.word == word]


@dataclass(frozen=True, slots=True)
class Case:
    """What is played on one fresh directory."""

    file: Path
    number: int
    title: str
    lines: tuple[Line | Exchange, ...]


_PATH = r"(?P<path>/\S*)"
_TEXT = r'"(?P<text>(?:[^"\\]|\\.)*)"'
_NAMES = r"(?P<names>\S+(?: \S+)*)"
_NAME = r"\$(?P<name>[a-z][a-z0-9_]*)"
_XPATH = r"(?P<xpath>.+?)"

LINES: dict[str, str] = {
    "shares": _NAMES,
    "read-only": _NAMES,
    "users": _NAMES,
    "hosts": _NAMES,
    "option": r"(?P<name>\w+) (?P<value>\S+)",
    "file": rf"{_PATH} (?:{_TEXT}|(?P<size>\d+) bytes)",
    "collection": _PATH,
    "symlink": rf"{_PATH} to (?P<to>\S+)",
    "hardlink": rf"{_PATH} to (?P<to>/\S+)",
    "fifo": _PATH,
    "socket": _PATH,
    "chmod": rf"(?P<mode>[0-7]+) {_PATH}",
    "group": rf"(?P<group>\d+) {_PATH}",
    "xattr": rf"{_PATH} (?P<name>\S+) {_TEXT}",
    "time": rf"{_PATH} (?P<time>\S+)",
    "unlink": _PATH,
    "exists": _PATH,
    "absent": _PATH,
    "content": rf"{_PATH} (?:{_TEXT}|(?P<size>\d+) bytes)",
    "mode": rf"{_PATH} (?P<mode>[0-7]+)",
    "leads": rf"{_PATH} (?P<to>\S+)",
    "has-group": rf"(?P<group>\d+) {_PATH}",
    "has-xattr": rf"{_PATH} (?P<name>\S+) {_TEXT}",
    "holds": rf"{_PATH}(?: {_NAMES})?",
    "clock": r"\+(?P<seconds>\d+)",
    "restart": "",
    "let": rf"{_NAME} = {_TEXT}(?: times (?P<times>\d+))?",
    "for": rf"{_NAME} in {_NAMES}",
}
"""The words of lines on their own, with their arguments."""

DETAILS: dict[str, str] = {
    ">": r"(?P<name>[^:\s]+):(?: (?P<value>.*))?",
    "body": _TEXT,
    "|": r"(?P<raw>.*)",
    "chunked": "",
    "announces": r"(?P<length>\d+)",
    "<": r"(?P<name>[^:\s]+)(?:: (?P<value>.*)| has (?P<part>.+)| lacks (?P<lacks>.+)| absent)",
    "is": rf"(?:{_TEXT}|{_PATH})",
    "has": _TEXT,
    "lacks": _TEXT,
    "xpath": rf"{_XPATH}(?: = {_TEXT})?",
    "error": rf"(?P<code>[a-z-]+)(?: {_NAMES})?",
    "lists": _NAMES,
    "fails": rf"{_PATH} (?P<status>\d+)(?: (?P<code>[a-z-]+)(?: {_NAMES})?)?",
    "prop": rf"(?P<path>[/$]\S*) (?P<prop>\S+) (?:(?P<status>\d+|absent)|(?P<part>has )?{_TEXT})",
    "part": rf"(?P<range>\S+) {_TEXT}",
    "keep": rf"{_NAME} = (?:xpath {_XPATH}|(?P<header>[\w-]+))",
}
"""The words of the lines below a request."""

_EXCHANGE = re.compile(r"(?P<method>\S+) (?P<target>\S+)(?P<rest>(?: \S+)*) -> (?P<status>\d{3})")
_HEADER = re.compile(r"([A-Za-z][A-Za-z-]*):(\S+)")
_ESCAPE = re.compile(rb'\\(?:x([0-9a-f]{2})|([nrt"\\]))')
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b'"': b'"', b"\\": b"\\"}
_VARIABLE = re.compile(r"\$(\$|[a-z][a-z0-9_]*)")


def read(file: Path, text: str | None = None) -> tuple[Case, ...]:
    """The cases of a script. Raises ScriptError."""
    cases: list[Case] = []
    lines: list[Line | Exchange] = []
    written = file.read_text("utf-8") if text is None else text
    for number, line in enumerate(written.split("\n"), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if line.startswith("== "):
            lines = []
            cases.append(Case(file, number, words[3:], ()))
        elif not cases:
            raise ScriptError(f"{file.name}:{number}: a case begins with == and its title")
        elif line[0] != " ":
            lines.append(_exchange(file, number, line) or _line(file, number, line, LINES))
        elif lines and isinstance(lines[-1], Exchange):
            details = (*lines[-1].details, _line(file, number, words, DETAILS))
            lines[-1] = replace(lines[-1], details=details)
        else:
            raise ScriptError(f"{file.name}:{number}: no request above this line: {words}")
        cases[-1] = replace(cases[-1], lines=tuple(lines))
    return tuple(replace(case, lines=tuple(_unfold(case.lines))) for case in cases)


def fill(text: str, names: Mapping[str, str]) -> str:
    """Put the values of names into a text. Raises ScriptError for a name without one."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        if match[1] not in names:
            raise ScriptError(f"nothing is known of ${match[1]}")
        return names[match[1]]

    return _VARIABLE.sub(value, text)


def octets(text: str) -> bytes:
    """The bytes that a text stands for."""
    return text.encode("utf-8", "surrogateescape")


def _exchange(file: Path, number: int, line: str) -> Exchange | None:
    match = _EXCHANGE.fullmatch(line)
    if match is None:
        return None
    words = match["rest"].split()
    method = match["method"]
    destination = words.pop(0) if method in ("COPY", "MOVE") and words else None
    user = None
    if words and words[0] == "as":
        user = words[1]
        words = words[2:]
    headers = []
    for word in words:
        header = _HEADER.fullmatch(word)
        if header is None:
            raise ScriptError(f"{file.name}:{number}: {word} is neither a header nor a login")
        headers.append((header[1], header[2]))
    return Exchange(
        number,
        line,
        method,
        match["target"],
        None if destination == "-" else destination,
        user,
        tuple(headers),
        int(match["status"]),
    )


def _line(file: Path, number: int, line: str, words: Mapping[str, str]) -> Line:
    word, _, rest = line.partition(" ")
    if word not in words:
        raise ScriptError(f"{file.name}:{number}: {word} is no word of this language: {line}")
    match = re.fullmatch(words[word], rest, re.DOTALL)
    if match is None:
        raise ScriptError(f"{file.name}:{number}: cannot be understood: {line}")
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    if "text" in found:
        found["text"] = _unescape(found["text"])
    return Line(number, line, word, found)


def _unescape(text: str) -> str:
    def plain(match: re.Match[bytes]) -> bytes:
        return bytes.fromhex(match[1].decode()) if match[1] else _PLAIN[match[2]]

    return _ESCAPE.sub(plain, octets(text)).decode("utf-8", "surrogateescape")


def _unfold(lines: Sequence[Line | Exchange]) -> Iterator[Line | Exchange]:
    """Repeat what follows a `for` for each of its words."""
    for place, line in enumerate(lines):
        if isinstance(line, Exchange) or line.word != "for":
            yield line
            continue
        for word in line.arguments["names"].split():
            text = f"for ${line.arguments['name']} = {word}"
            yield Line(line.number, text, "let", {"name": line.arguments["name"], "text": word})
            yield from _unfold(lines[place + 1 :])
        return

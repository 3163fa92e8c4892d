"""Plays every script, in process and over a socket, and proves that the player can fail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scripts import actions, expect, language
from tests.scripts.language import Case, ScriptError
from tests.scripts.play import Mismatch, play
from tests.scripts.ways import InProcess, Listening, OverSocket, Reply, Sent
from tests.scripts.world import World

FILES = sorted(Path(__file__).with_name("scripts").glob("*.dav"))
CASES = [
    pytest.param(case, id=f"{case.file.stem}:{case.number} {case.title}")
    for file in FILES
    for case in language.read(file)
]


@pytest.fixture(scope="module")
def listening() -> Iterator[Listening]:
    with Listening.running() as server:
        yield server


@pytest.mark.parametrize("case", CASES)
def test_in_process(case: Case, tmp_path: Path) -> None:
    play(case, World(tmp_path, InProcess()))


@pytest.mark.parametrize("case", CASES)
def test_over_a_socket(case: Case, tmp_path: Path, listening: Listening) -> None:
    play(case, World(tmp_path, OverSocket(listening)))


def script(text: str) -> Case:
    """The one case of a script."""
    (case,) = language.read(Path("control.dav"), "== a control\n" + text)
    return case


def test_every_word_is_known_to_the_player() -> None:
    assert language.LINES.keys() - {"let", "for"} == actions.ACTIONS.keys()
    sent = {">", "body", "|", "chunked", "announces"}
    assert language.DETAILS.keys() - sent - {"keep"} == expect.EACH.keys() | expect.TOGETHER.keys()


WRONG = {
    "a status": "GET /f -> 404",
    "a header": "GET /f -> 200\n    < Content-Length: 6",
    "a part of a header": "GET /f -> 200\n    < ETag has W/",
    "a missing header": "GET /f -> 200\n    < ETag absent",
    "the body": 'GET /f -> 200\n    is "hell"',
    "a part of the body": 'GET /f -> 200\n    has "world"',
    "what the body lacks": 'GET /f -> 200\n    lacks "hello"',
    "a body that is no XML": "GET /f -> 200\n    xpath /D:multistatus",
    "an xpath": "PROPFIND /f Depth:0 -> 207\n    xpath //D:collection",
    "the text of an xpath": 'PROPFIND /f Depth:0 -> 207\n    xpath //D:href = "/g"',
    "an error": "PROPFIND /f Depth:0 -> 207\n    error propfind-finite-depth",
    "the hrefs": "PROPFIND / Depth:1 -> 207\n    lists / /f /g",
    "the failed members": "PROPFIND / Depth:1 -> 207\n    fails /f 423",
    "the status of a property": "PROPFIND /f Depth:0 -> 207\n    prop /f D:getetag 404",
    "the text of a property": 'PROPFIND /f Depth:0 -> 207\n    prop /f D:getcontentlength "6"',
    "a property of nothing": 'PROPFIND /f Depth:0 -> 207\n    prop /g D:displayname "g"',
    "the parts": 'GET /f Range:bytes=0-0,2-2 -> 206\n    part 0-0/5 "h"\n    part 2-2/5 "e"',
    "a header to keep": "GET /f -> 200\n    keep $t = Lock-Token",
    "what exists": "exists /g",
    "what is absent": "absent /f",
    "a content": 'content /f "hell"',
    "the content of nothing": 'content /g "hello"',
    "a mode": "chmod 640 /f\nmode /f 600",
    "a link": "symlink /l to f\nleads /l g",
    "the names in a directory": "holds / f g",
    "an extended attribute": 'has-xattr /f user.a "b"',
}
"""Expectations that do not hold of a file /f with the content hello."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_expectation_fails(wrong: str, tmp_path: Path) -> None:
    case = script(f'file /f "hello"\n{wrong}')
    with pytest.raises(Mismatch, match=r"^control\.dav:\d: "):
        play(case, World(tmp_path, InProcess()))


UNKNOWN = {
    "a word": "fiel /f",
    "an argument": "file /f hello",
    "a detail": "GET /f -> 200\n    hash x",
    "an indented line without a request": "    < ETag absent",
    "a status that is no number": "GET /f -> OK",
    "a word in a request": "GET /f Depth -> 200",
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_unknown_is_an_error(text: str) -> None:
    with pytest.raises(ScriptError, match=r"^control\.dav:\d: "):
        script(text)


def test_a_line_outside_of_a_case_is_an_error() -> None:
    with pytest.raises(ScriptError):
        language.read(Path("control.dav"), "GET /f -> 200")


@pytest.mark.parametrize(
    "text",
    ["GET /$f -> 200", "GET / -> 200\nshares a b", "option colour red\nGET / -> 200"],
    ids=["a name without a value", "a setting after the start", "an option"],
)
def test_what_cannot_be_played_is_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(ScriptError):
        play(script(text), World(tmp_path, InProcess()))


class Meddling(InProcess):
    """A way that does something behind every request, and may give another answer."""

    def __init__(self, meddle: Callable[[Reply], Reply | None]) -> None:
        self._meddle = meddle

    def send(self, sent: Sent) -> Reply:
        reply = super().send(sent)
        return self._meddle(reply) or reply


def with_body(status: int, kind: str, body: bytes) -> Callable[[Reply], Reply]:
    return lambda reply: Reply(status, (("Content-Type", kind),), body)


MULTISTATUS = b'<D:multistatus xmlns:D="DAV:">%s</D:multistatus>'
MEMBER = b"<D:response><D:href>%s</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response>"
UNSOUND: dict[str, tuple[str, Callable[[Reply], Reply]]] = {
    "a refusal without a word": ("GET /g -> 404", with_body(404, "text/plain", b"")),
    "a 405 without Allow": ("PUT / -> 405", with_body(405, "text/plain", b"no")),
    "a body of a 204": ("PUT /f -> 204", with_body(204, "text/plain", b"no")),
    "a path of the disk": ("GET /f -> 200", lambda reply: replace(reply, body=b"/pytest-of-")),
    "a weak entity tag": (
        "OPTIONS /f -> 200",
        lambda reply: replace(reply, headers=(*reply.headers, ("ETag", 'W/"a"'))),
    ),
    "another length": ("GET /f -> 200", lambda reply: replace(reply, body=b"hell")),
    "a line break in a header": (
        "OPTIONS /f -> 200",
        lambda reply: replace(reply, headers=(*reply.headers, ("X", "a\r\nb"))),
    ),
    "XML that is none": ("GET /f -> 200", with_body(200, "application/xml", b"<a>")),
    "an href twice": (
        "PROPFIND /f -> 207",
        with_body(207, "application/xml", MULTISTATUS % (MEMBER % b"/f" * 2)),
    ),
    "a failed member that is not in the log": (
        "DELETE /f -> 207",
        with_body(207, "application/xml", MULTISTATUS % (MEMBER % b"/f")),
    ),
    "an href that is not escaped": (
        "PROPFIND /f -> 207",
        with_body(207, "application/xml", MULTISTATUS % (MEMBER % b"/f|")),
    ),
}


@pytest.mark.parametrize(("text", "meddle"), UNSOUND.values(), ids=UNSOUND.keys())
def test_an_unsound_answer_fails(
    text: str, meddle: Callable[[Reply], Reply], tmp_path: Path
) -> None:
    def told(reply: Reply) -> Reply:
        found = meddle(reply)
        return replace(found, body=found.body.replace(b"/pytest-of-", bytes(tmp_path)))

    with pytest.raises(Mismatch):
        play(script(f'file /f "hello"\n{text}'), World(tmp_path, Meddling(told)))


@pytest.mark.parametrize(
    ("request_line", "path"),
    [
        ("GET /f -> 200", "share/g"),
        ("GET /f -> 200", "share/f"),
        ("MKCOL /f -> 405", "share/f"),
        ("MKCOL /d -> 201", "share/.~dav-1"),
        ("MKCOL /d -> 201", "share_evil/g"),
        ("MKCOL /d -> 201", "secret"),
    ],
)
def test_a_change_that_must_not_be_fails(request_line: str, path: str, tmp_path: Path) -> None:
    def meddle(reply: Reply) -> None:
        (tmp_path / path).write_text("changed")

    with pytest.raises(Mismatch):
        play(script(f'file /f "hello"\n{request_line}'), World(tmp_path, Meddling(meddle)))

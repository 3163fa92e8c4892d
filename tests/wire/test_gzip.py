"""Answers that are gzip-coded: which, for whom, and what the wire says of them."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from davserver import wsgi
from davserver.protocol.codings import LEAST
from davserver.protocol.messages import Answer, CutShort
from davserver.wsgi import Environ, StartResponse
from tests.running import Running
from tests.scripts.ways import Listening
from tests.wire import talk
from tests.wire.conftest import Served
from tests.wire.talk import Ended, Reply, Talk

GZIP = "Accept-Encoding: gzip"


@pytest.fixture
def folders(served: Served) -> Served:
    """Ten folders with a hundred files each."""
    for folder in range(10):
        (served.root / f"folder {folder}").mkdir()
        for file in range(100):
            (served.root / f"folder {folder}" / f"file {file}").write_bytes(b"")
    return served


def plain(answer: Reply) -> bytes:
    """The body of an answer that has to be coded."""
    assert answer["content-encoding"] == "gzip"
    assert answer["vary"] == "Accept-Encoding"
    return gzip.decompress(answer.body)


def is_plain(answer: Reply) -> bool:
    return "content-encoding" not in answer.headers


@pytest.mark.parametrize("depth", ["1", "infinity"])
def test_a_streamed_listing_is_coded_and_the_connection_stays(folders: Served, depth: str) -> None:
    target = "PROPFIND /folder%201" if depth == "1" else "PROPFIND /"
    with Talk(folders.port) as connection:
        for _ in range(3):
            connection.send(talk.request(target, f"Depth: {depth}", GZIP))
            coded = connection.reply()
            assert coded.status == 207
            assert "content-length" not in coded.headers
            assert coded["transfer-encoding"] == "chunked"
            assert coded["content-type"] == 'application/xml; charset="utf-8"'
            connection.send(talk.request(target, f"Depth: {depth}"))
            uncoded = connection.reply()
            assert is_plain(uncoded)
            assert uncoded["vary"] == "Accept-Encoding"
            assert plain(coded) == uncoded.body
            assert len(coded.body) * 8 < len(uncoded.body)


def test_a_whole_answer_has_the_length_of_what_is_sent(served: Served) -> None:
    for number in range(20):
        (served.root / f"file {number}").write_bytes(b"")
    answer = talk.ask(served.port, "PROPFIND /", "Depth: 1", GZIP)
    assert int(answer["content-length"]) == len(answer.body)
    assert plain(answer).count(b"<D:response>") == 21


def test_what_is_small_is_sent_as_it_is(served: Served) -> None:
    for line in ("PROPFIND /", "GET /"):
        answer = talk.ask(served.port, line, "Depth: 0", GZIP)
        assert len(answer.body) < LEAST
        assert is_plain(answer)
        assert "vary" not in answer.headers


def test_who_takes_nothing_else_gets_nothing_else(served: Served) -> None:
    only = "Accept-Encoding: gzip, identity;q=0"
    assert b"multistatus" in plain(talk.ask(served.port, "PROPFIND /", "Depth: 0", only))
    assert b"no resource" in plain(talk.ask(served.port, "GET /none", only))


def test_to_a_client_of_http_1_0_the_end_is_the_end_of_the_connection(folders: Served) -> None:
    sent = f"PROPFIND / HTTP/1.0\r\nHost: localhost\r\nDepth: infinity\r\n{GZIP}\r\n\r\n"
    with talk.asking(folders.port, sent.encode()) as connection:
        answer = connection.reply()
    assert not {"transfer-encoding", "content-length"} & set(answer.headers)
    assert plain(answer).count(b"<D:response>") == 1011


def test_a_list_is_coded_and_its_head_says_the_same(folders: Served) -> None:
    with Talk(folders.port) as connection:
        for fields in ((GZIP,), ()):
            connection.send(talk.request("GET /folder%201/", *fields))
            got = connection.reply()
            connection.send(talk.request("HEAD /folder%201/", *fields))
            head = connection.reply(head=True)
            assert got["content-type"] == head["content-type"] == "text/html; charset=utf-8"
            assert got["vary"] == head["vary"] == "Accept-Encoding"
            assert is_plain(got) == is_plain(head) == (not fields)
            # Of what is not made the length is not known.
            if fields:
                assert b"file 99" in plain(got)
                assert "content-length" not in head.headers
                assert "transfer-encoding" not in head.headers
            else:
                assert head["content-length"] == got["content-length"]


FILES = {
    "text": "notes.txt",
    "XML": "feed.xml",
    "a page": "page.html",
}


@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_a_file_is_never_coded(served: Served, name: str) -> None:
    content = b"<x>the same again and again</x>" * 10_000
    (served.root / name).write_bytes(content)
    for accepted in ("gzip", "gzip, identity;q=0", "*"):
        for fields, sent in (((), content), (("Range: bytes=5-99999",), content[5:100_000])):
            answer = talk.ask(served.port, f"GET /{name}", f"Accept-Encoding: {accepted}", *fields)
            assert answer.body == sent
            assert is_plain(answer)
            assert "vary" not in answer.headers
            assert answer["content-length"] == str(len(sent))
            assert not answer["etag"].startswith("W/")


def test_other_xml_is_coded_too(served: Served) -> None:
    lock = (
        b"<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype>"
        b"</lockinfo>"
    )
    answers = [talk.ask(served.port, "LOCK /file", GZIP, body=lock) for _ in range(8)]
    assert is_plain(answers[0])
    assert plain(answers[-1]).count(b"<D:activelock>") == 8


def test_an_ordinary_client_sees_no_difference(folders: Served) -> None:
    with requests.Session() as session:
        assert "gzip" in str(session.headers["Accept-Encoding"])
        answer = session.request(
            "PROPFIND", f"{folders.server.url}/", headers={"Depth": "infinity"}
        )
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.text.count("<D:response>") == 1011
        assert session.get(f"{folders.server.url}/folder 1/").text.count("<li>") == 100


def test_the_operator_can_turn_it_off(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for number in range(50):
        (root / f"file {number}").write_bytes(b"")
    with Running(root, "--no-gzip", state=tmp_path / "state.db") as server:
        for accepted in ("gzip", "gzip, identity;q=0"):
            answer = talk.ask(server.port, "PROPFIND /", "Depth: 1", f"Accept-Encoding: {accepted}")
            assert is_plain(answer)
            assert "vary" not in answer.headers
            assert answer.body.count(b"<D:response>") == 51


class Blocks(Iterator[bytes]):
    """A stream that fails after some blocks, and is closed by who has asked for it."""

    def __init__(self, count: int, error: Callable[[], Exception]) -> None:
        self._left = count
        self._error = error
        self.is_closed = False

    def __next__(self) -> bytes:
        if self._left == 0:
            raise self._error()
        self._left -= 1
        return b"<again/>" * 10_000

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def sending(blocks: Iterable[bytes]) -> Iterator[Talk]:
    """A connection that has asked for a coded answer of these blocks."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ[wsgi.GZIP] = True
        answer = Answer(HTTPStatus.MULTI_STATUS, (), blocks, codable=True)
        return wsgi.respond(answer, environ, start_response)

    with Listening.running() as listening:
        listening.app = app
        with talk.asking(listening.port, talk.request("PROPFIND /", GZIP)) as connection:
            status, headers = connection.begin()
            assert (status, headers["content-encoding"]) == (207, "gzip")
            yield connection


@pytest.mark.parametrize("error", [CutShort, OSError, ValueError])
def test_an_answer_that_is_cut_short_does_not_look_whole(error: type[Exception]) -> None:
    blocks = Blocks(5, error)
    decoder = zlib.decompressobj(31)
    chunks = []
    with sending(blocks) as connection:
        with suppress(Ended):
            for chunk in connection.chunks():
                chunks.append(chunk)
            pytest.fail("the answer ended as if it were whole")
        assert connection.is_ended()
    decoder.decompress(b"".join(chunks))
    assert not decoder.eof
    assert blocks.is_closed


def test_an_answer_that_is_not_cut_short_looks_whole() -> None:
    """The control."""
    blocks = Blocks(5, StopIteration)
    with sending(blocks) as connection:
        assert gzip.decompress(b"".join(connection.chunks())) == b"<again/>" * 50_000
    assert blocks.is_closed


def test_who_goes_away_lets_the_stream_be_closed() -> None:
    endless = Blocks(-1, ValueError)
    with sending(endless):
        assert not endless.is_closed
    # Leaving it has waited for the workers.
    assert endless.is_closed

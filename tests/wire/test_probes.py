"""The server against the probes of `probes.py`, and the judge of the answers against liars."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.wire import (
    probes_chunks,
    probes_codings,
    probes_conditions,
    probes_connections,
    probes_cookies,
    probes_fields,
    probes_lengths,
    probes_lines,
    probes_methods,
    probes_smuggling,
    probes_targets,
    probing,
)
from tests.wire.conftest import Served
from tests.wire.probes import CONTENT, FILES, REFUSED, Outcome, Probe, one_of

TOPICS = {
    "request lines": probes_lines.PROBES,
    "targets": probes_targets.PROBES,
    "fields": probes_fields.PROBES,
    "lengths": probes_lengths.PROBES,
    "codings": probes_codings.PROBES,
    "smuggling": probes_smuggling.PROBES,
    "chunks": probes_chunks.PROBES,
    "connections": probes_connections.PROBES,
    "methods": probes_methods.PROBES,
    "conditions": probes_conditions.PROBES,
    "cookies": probes_cookies.PROBES,
}
PROBES = [probe for probes in TOPICS.values() for probe in probes]


@pytest.mark.parametrize("probe", PROBES, ids=[probe.name for probe in PROBES])
def test_a_probe_gets_its_answer(served: Served, probe: Probe) -> None:
    for name, content in FILES.items():
        (served.root / name).write_bytes(content)
    heard = probing.converse(served.port, probe)
    files = {name: (served.root / name).read_bytes() for name in served.names()}
    assert probing.complaints(probe, heard, files) == [], probe.shows


def test_the_list_is_whole() -> None:
    assert Counter(probe.level for probe in PROBES if probe.level != "ours") == {
        "must": 113,
        "should": 29,
        "may": 10,
        "ought": 1,
        "none": 62,
    }
    assert len({probe.name for probe in PROBES}) == len(PROBES)


SUCCESS: frozenset[Outcome] = frozenset(range(200, 300))
NO_SWITCH: frozenset[Outcome] = frozenset(range(200, 600))
"""Any answer but that the protocol is another one now."""

LISTED: dict[frozenset[Outcome], tuple[str, ...]] = {
    SUCCESS: (
        *("length", "length-of-zero", "no-length", "range-of-a-put", "no-length-of-no-content"),
        *("one-chunk", "two-chunks", "no-chunk", "size-in-capitals", "trailer", "extension"),
        *("connection-close", "options-of-the-server", "head-without-content", "date"),
        "invitation-of-http-1.0",
    ),
    NO_SWITCH: (
        *("upgrade-by-post", "upgrade-without-connection", "upgrade-to-the-unknown"),
        *("upgrade-to-another-websocket", "upgrade-of-http-1.0"),
    ),
    one_of(400, 501): (
        *("coding-alone-that-is-unknown", "coding-that-ends-like-chunked", "coding-of-identity"),
        "space-behind-chunked",
    ),
    one_of(405): ("refused-method-tells-others",),
}
"""What the list allows in cases that it holds to be binding: in all others 400 alone."""


def test_all_that_the_list_holds_to_be_binding_is_decided_as_it_is_there_but_for_one() -> None:
    listed = {name: allowed for allowed, names in LISTED.items() for name in names}
    binding = {probe.name: probe for probe in PROBES if probe.level == "must"}
    assert set(listed) <= set(binding)
    otherwise = {
        name for name, probe in binding.items() if not probe.expected <= listed.get(name, REFUSED)
    }
    assert otherwise == {"utf-8-in-target"}
    assert {name for name, probe in binding.items() if probe.reason} == otherwise


def test_every_probe_is_to_be_answered_and_never_by_a_failure() -> None:
    for probe in PROBES:
        for outcome in probe.expected | probe.then_expected:
            if outcome == "closed":
                assert not probe.sent, probe.name
            else:
                assert outcome in (501, 505) or outcome < 500, probe.name


OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CONTENT), CONTENT)
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"

LIARS = {
    "200 to everything": OK,
    "no answer": b"",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "what was smuggled is answered, too": BAD + CREATED,
    "half of the right answer": BAD[:-3],
    "the right answer without its head": b"400 Bad Request\r\n\r\n",
}


@contextmanager
def liar(said: bytes, *, resets: bool = False, keeps: bool = False) -> Iterator[int]:
    """A server that says the same to every client, and hears it out. Or it ``resets`` the
    connection, or ``keeps`` it without another word.
    """
    clients = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    clients.append(client)
                    with suppress(OSError):
                        tell(client)

        def tell(client: socket.socket) -> None:
            client.recv(1 << 20)
            client.sendall(said)
            if keeps:
                return
            if resets:
                at_once = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            else:
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 20):
                    pass
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in clients:
                client.close()


STRICT = [probe for probe in PROBES if probe.level in ("must", "ours") and 400 in probe.expected]


@pytest.mark.parametrize("said", LIARS.values(), ids=LIARS)
def test_a_liar_passes_no_probe_that_wants_400(said: bytes) -> None:
    assert len(STRICT) > 80
    with liar(said) as port:
        for probe in STRICT:
            assert probing.complaints(probe, probing.converse(port, probe)), probe.name


def test_who_answers_400_and_closes_passes_those_and_none_that_wants_200() -> None:
    with liar(BAD) as port:
        for probe in PROBES:
            wrong = probing.complaints(probe, probing.converse(port, probe))
            assert bool(wrong) == (400 not in probe.expected), (probe.name, wrong)


def test_who_resets_or_says_nothing_passes_no_probe() -> None:
    with liar(b"", resets=True) as port:
        for probe in PROBES:
            assert probing.complaints(probe, probing.converse(port, probe)), probe.name
    with liar(b"", keeps=True) as port:
        heard = probing.converse(port, STRICT[0], seconds=0.1)
        assert heard.end == "silence"
        assert probing.complaints(STRICT[0], heard)


def test_who_does_not_close_behind_400_passes_no_probe() -> None:
    with liar(BAD, keeps=True) as port:
        heard = probing.converse(port, STRICT[0], seconds=0.1)
    assert [answer.status for answer in heard.answers] == [400]
    assert probing.complaints(STRICT[0], heard) == ["the end: silence"]


@pytest.mark.parametrize("said", [OK, OK * 4], ids=["closed too early", "one answer too many"])
def test_whose_answers_are_not_as_many_as_the_requests_passes_no_probe(said: bytes) -> None:
    with liar(said) as port:
        for probe in PROBES:
            if probe.after == "kept":
                assert probing.complaints(probe, probing.converse(port, probe)), probe.name


def test_what_an_answer_says_is_looked_at() -> None:
    wanted = {probe.name: probe for probe in PROBES}
    with liar(OK + OK) as port:
        for name in ("sound-request", "cookie", "absolute-target"):
            assert probing.complaints(wanted[name], probing.converse(port, wanted[name])) == []
        for name in ("date", "form-of-date", "media-type", "options-tells-methods"):
            assert probing.complaints(wanted[name], probing.converse(port, wanted[name])), name
    with liar(OK.replace(b"there", b"other") + OK) as port:
        heard = probing.converse(port, wanted["cookie"])
        assert probing.complaints(wanted["cookie"], heard) == ["content: b'what was other before'"]
    with liar(OK.replace(b"\r\n", b"\r\nSet-Cookie: a=1\r\n", 1) + OK) as port:
        heard = probing.converse(port, wanted["cookie"])
        assert probing.complaints(wanted["cookie"], heard) == ["set-cookie: a=1"]


def test_what_is_stored_is_looked_at() -> None:
    stores = next(probe for probe in PROBES if probe.name == "one-chunk")
    with liar(CREATED + OK) as port:
        heard = probing.converse(port, stores)
    assert probing.complaints(stores, heard, {**FILES, "new": b"hello"}) == []
    assert probing.complaints(stores, heard, {**FILES, "new": b"5\r\nhello"})
    assert probing.complaints(stores, heard, FILES)


def test_a_file_that_is_smuggled_in_is_noticed() -> None:
    with liar(BAD) as port:
        heard = probing.converse(port, STRICT[0])
    assert probing.complaints(STRICT[0], heard) == []
    assert probing.complaints(STRICT[0], heard, {**FILES, "smuggled": b"x"})
    assert probing.complaints(STRICT[0], heard, {})

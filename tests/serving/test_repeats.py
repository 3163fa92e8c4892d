"""What is asked again and again is answered without the application, and never with what was."""

import base64
import gc
import gzip
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from davserver import counts
from davserver.access_log import AccessLog
from davserver.accounts import Account
from davserver.protocol import resources
from davserver.serving import repeats
from tests.processes.ground import connections
from tests.running import Running
from tests.security.inside import LOCKINFO
from tests.serving.repeating import ASKED, Served, asked, is_repeated, serving, without_date
from tests.wire import talk
from tests.wire.talk import Talk

ALLPROP = b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
QUOTA = ALLPROP.replace(b"allprop/>", b"prop><D:quota-used-bytes/></D:prop>")
UPDATE = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="u:">%s</x></D:prop></D:set>'
    b"</D:propertyupdate>"
)
GET = talk.request("GET /file")
RANGE = talk.request("GET /file", "Range: bytes=10-99")
PROPFIND = talk.request("PROPFIND /file", "Depth: 0", body=ALLPROP)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as found:
        yield found


@pytest.mark.parametrize("request_", [GET, PROPFIND, PROPFIND.replace(b"/file", b"/")])
def test_the_third_time_the_application_is_not_asked(served: Served, request_: bytes) -> None:
    with Talk(served.port) as client:
        first, second = asked(client, request_), asked(client, request_)
        assert served.calls == 2
        again = asked(client, request_, 5)
        assert served.calls == 2
        for one in (second, again):
            assert without_date(one) == without_date(first)
        assert list(again.headers) == list(first.headers)
    with Talk(served.port) as other:
        assert is_repeated(served, other, request_)


def test_rclone_asks_for_the_collection_of_each_file(served: Served) -> None:
    """`rclone copy` sends MKCOL for the folder of each file that it is about to send."""
    mkcol = talk.request("MKCOL /new/", "User-Agent: rclone/v1.75.2")
    new = served.root / "new"
    with Talk(served.port) as client:
        assert asked(client, mkcol).status == 201
        first = asked(client, mkcol)
        assert (first.status, first["allow"]) == (405, asked(client, mkcol, ASKED)["allow"])
        (new / "file").write_bytes(b"")
        assert is_repeated(served, client, mkcol)
        assert without_date(asked(client, mkcol)) == without_date(first)
        (new / "file").unlink()
        new.rmdir()
        assert asked(client, mkcol).status == 201
        asked(client, mkcol, ASKED)
        new.rmdir()
        new.write_bytes(b"")
        assert "PUT" in asked(client, mkcol)["allow"]
        new.unlink()
        assert asked(client, mkcol).status == 201
        assert new.is_dir()


def test_many_at_once_come_in_order(served: Served) -> None:
    with Talk(served.port) as client:
        asked(client, GET, ASKED)
        client.send((GET + PROPFIND) * 40 + talk.request("GET /none"))
        for _ in range(40):
            assert client.reply().body == b"x" * 1000
            assert client.reply().status == 207
        assert client.reply().status == 404
    assert served.calls < 10


def test_a_body_that_comes_in_pieces_is_waited_for(served: Served) -> None:
    with Talk(served.port) as client:
        before = asked(client, PROPFIND, ASKED)
        head, body = PROPFIND[: -len(ALLPROP)], ALLPROP
        client.send(head + body[:5])
        time.sleep(0.05)
        client.send(body[5:])
        assert without_date(client.reply()) == without_date(before)


def test_another_body_of_the_same_length_is_another_request(served: Served) -> None:
    wanted = [
        b'<D:propfind xmlns:D="DAV:"><D:prop><D:%s/></D:prop></D:propfind>' % name
        for name in (b"getetag", b"getfoos")
    ]
    with Talk(served.port) as client:
        for _ in range(4):
            for body in wanted:
                reply = asked(client, talk.request("PROPFIND /file", "Depth: 0", body=body))
                assert (b"404 Not Found" in reply.body) == (b"getfoos" in body)


@pytest.mark.parametrize(
    "request_",
    [
        talk.request("HEAD /file"),
        talk.request("OPTIONS /file"),
        talk.request("GET /file", 'If-None-Match: "none"'),
        talk.request("GET /file", "If: (Not <urn:x>)"),
        talk.request("GET /none"),
        talk.request("GET /"),
        talk.request("PROPFIND /", "Depth: 1", body=ALLPROP),
        talk.request("PROPFIND /", "Depth: 0", body=QUOTA),
        talk.request("PROPFIND /file", "Depth: 0", "If: (Not <urn:x>)"),
    ],
)
def test_what_more_than_the_facts_decide_is_asked_for_each_time(
    served: Served, request_: bytes
) -> None:
    with Talk(served.port) as client:
        asked(client, request_, ASKED)
        assert not is_repeated(served, client, request_)


def write_in_place(served: Served) -> None:
    """As an editor on the machine that hides what it does: size and modification time stay."""
    file = served.root / "file"
    facts = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"y")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def exchange(served: Served) -> None:
    new = served.root / "new"
    new.write_bytes(b"y" * 1000)
    os.replace(new, served.root / "file")


def lock(served: Served) -> None:
    assert talk.ask(served.port, "LOCK /file", body=LOCKINFO).status == 200


def put(served: Served) -> None:
    assert talk.ask(served.port, "PUT /file", body=b"y" * 1000).status == 204


def set_property(served: Served) -> None:
    value = UPDATE % str(time.monotonic()).encode()
    assert talk.ask(served.port, "PROPPATCH /file", body=value).status == 207


def set_type(served: Served) -> None:
    value = UPDATE.replace(b'<x xmlns="u:">%s</x>', b"<D:getcontenttype>a/b</D:getcontenttype>")
    assert talk.ask(served.port, "PROPPATCH /file", body=value).status == 207
    assert talk.ask(served.port, "GET /file")["content-type"] == "a/b"


def move_away(served: Served) -> None:
    fields = (f"Destination: http://localhost:{served.port}/other", "Overwrite: T")
    assert talk.ask(served.port, "MOVE /file", *fields).status in (201, 204)


def make_a_collection(served: Served) -> None:
    (served.root / "file").unlink()
    (served.root / "file").mkdir()


def link(served: Served) -> None:
    (served.root / "file").unlink()
    (served.root / "file").symlink_to("/etc/passwd")


CHANGES: list[Callable[[Served], None]] = [
    write_in_place,
    exchange,
    lock,
    put,
    set_property,
    set_type,
    move_away,
    make_a_collection,
    link,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("request_", [GET, RANGE, PROPFIND])
def test_a_change_shows_at_once(
    served: Served, request_: bytes, change: Callable[[Served], None]
) -> None:
    with Talk(served.port) as client:
        before = asked(client, request_, ASKED)
        assert is_repeated(served, client, request_)
        change(served)
        calls = served.calls
        after = asked(client, request_)
        assert served.calls == calls + 1
        fresh = asked(client, request_.replace(b"Host:", b"X-Fresh: 1\r\nHost:", 1))
    if change is not lock or request_ is not PROPFIND:
        assert without_date(after) == without_date(fresh)
    if request_ is PROPFIND and change is not write_in_place:
        assert (after.status, after.body) != (before.status, before.body)


def test_how_long_a_lock_lasts_is_told_anew(served: Served) -> None:
    lock(served)
    with Talk(served.port) as client:
        asked(client, PROPFIND, ASKED)
        assert not is_repeated(served, client, PROPFIND)


def test_content_is_read_each_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what changes no fact that `stat` tells: memory that is mapped is written later."""
    monkeypatch.setattr(resources, "seen", lambda facts: ())
    with Talk(served.port) as client:
        asked(client, GET, ASKED)
        write_in_place(served)
        assert is_repeated(served, client, GET)
        assert asked(client, GET).body == b"y" + b"x" * 999


@pytest.mark.parametrize("is_blind", [False, True])
def test_any_sequence_of_changes(
    served: Served, is_blind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control is blind to facts: it has to be caught."""
    if is_blind:
        monkeypatch.setattr(resources, "seen", lambda facts: ())
    dice = random.Random(20261126)
    changes = [write_in_place, exchange, put, set_property, move_away, make_a_collection]
    differing = repeated = 0
    with Talk(served.port) as client, Talk(served.port) as other:
        for number in range(300):
            if dice.random() < 0.2:
                path = served.root / "file"
                if path.is_file():
                    dice.choice(changes)(served)
                else:
                    if path.is_dir():
                        path.rmdir()
                    path.write_bytes(b"x" * 1000)
            request = dice.choice((GET, PROPFIND))
            repeated += is_repeated(served, client, request)
            client.send(request)
            known = client.reply()
            once = request.replace(b"Host:", b"X-Number: %d\r\nHost:" % number, 1)
            fresh = asked(other, once)
            differing += without_date(known) != without_date(fresh)
    assert repeated > 30
    assert (differing > 0) == is_blind


def test_a_connection_that_is_to_end_ends(served: Served) -> None:
    closing_one = talk.request("GET /file", "Connection: close")
    for _ in range(5):
        with Talk(served.port) as client:
            assert asked(client, closing_one)["connection"] == "close"
            assert client.is_ended()


def test_an_old_client_keeps_its_connection(served: Served) -> None:
    request = b"GET /file HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with Talk(served.port) as client:
        assert asked(client, request, ASKED + 1)["connection"] == "keep-alive"
        assert asked(client, request)["connection"] == "keep-alive"


def login(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("wanted", [(), ("Range: bytes=0-9",)])
def test_who_may_not_gets_nothing(tmp_path: Path, wanted: tuple[str, ...]) -> None:
    log = AccessLog(str(tmp_path / "access.log"), "combined")
    alice = Account.with_password("alice", "canary-password")
    with serving(tmp_path, alice, log=log) as served:
        right = talk.request("GET /file", login("alice", "canary-password"), *wanted)
        with Talk(served.port) as client:
            assert asked(client, right, ASKED).status == (206 if wanted else 200)
            assert is_repeated(served, client, right)
            wrong = talk.request("GET /file", login("alice", "canary-passwore"), *wanted)
            for request in (wrong, talk.request("GET /file", *wanted)):
                for _ in range(ASKED + 1):
                    assert asked(client, request).status == 401
            assert is_repeated(served, client, right)
        texts = [repr(one) for one in reachable(served.server.repeats)]
        assert "'GET'" in texts
        for secret in ("canary-password", login("alice", "canary-password").split()[-1]):
            assert not any(secret in text for text in texts)
            # The control: what a closure holds is found.
            assert any(secret in repr(one) for one in reachable([holding({"x": secret})]))


def holding(held: object) -> Callable[[], object]:
    return lambda: held


def reachable(start: object) -> list[object]:
    """All texts and bytes that an object leads to, but for modules and classes."""
    found: dict[int, object] = {}
    pending = [start]
    while pending:
        one = pending.pop()
        if id(one) in found or isinstance(one, ModuleType | type):
            continue
        found[id(one)] = one
        if isinstance(one, FunctionType):
            pending += [cell.cell_contents for cell in one.__closure__ or ()]
            pending += one.__defaults__ or ()
        else:
            pending += gc.get_referents(one)
    return [one for one in found.values() if isinstance(one, str | bytes)]


def test_each_is_counted_and_logged(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    with serving(tmp_path, log=AccessLog(str(file), "common")) as served:
        before = {(m, s): n for m, s, n in counts.Totals().requests()}
        with Talk(served.port) as client:
            asked(client, GET, 5)
            asked(client, PROPFIND, 5)
            assert asked(client, talk.request("OPTIONS /file")).status == 200
        assert served.calls == 5
    after = {(m, s): n for m, s, n in counts.Totals().requests()}
    for method, status in (("GET", "200"), ("PROPFIND", "207")):
        assert after[method, status] - before.get((method, status), 0) == 5
    lines = file.read_text().splitlines()
    assert [line.split('"')[1].split()[0] for line in lines[:10]] == ["GET"] * 5 + ["PROPFIND"] * 5
    assert all(line.endswith('" 200 1000') for line in lines[:5])
    assert len({line.split('"')[2] for line in lines[5:10]}) == 1


def test_no_more_than_some_are_kept(served: Served) -> None:
    with Talk(served.port) as client:
        for number in range(repeats.MOST + 10):
            asked(client, talk.request("GET /file", f"X-Number: {number}"), 2)
    assert 0 < len(served.server.repeats._kept) <= repeats.MOST


def test_who_does_not_read_gets_all_of_it_later(served: Served) -> None:
    (served.root / "file").write_bytes(b"x" * 100_000)
    with Talk(served.port, receive_buffer=4096) as client:
        asked(client, GET, ASKED)
        calls = served.calls
        client.send(GET * 50)
        time.sleep(0.2)
        for _ in range(50):
            assert client.reply().body == b"x" * 100_000
        assert served.calls == calls


def test_where_the_status_is_told_nothing_else_is(served: Served) -> None:
    with Talk(served.port) as client, Talk(served.status_port) as watching:
        asked(client, GET, ASKED)
        assert is_repeated(served, client, GET)
        for _ in range(ASKED):
            assert asked(watching, GET).status == 404


def test_another_client_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    with serving(tmp_path, log=AccessLog(str(file), "common")) as served:
        with Talk(served.port) as client:
            asked(client, GET, ASKED)
        with Talk(served.port) as client:
            client.socket.close()
            client.socket = socket.create_connection(
                ("127.0.0.1", served.port), source_address=("127.0.0.2", 0)
            )
            client._read = client.socket.makefile("rb")
            asked(client, GET, ASKED)
            asked(client, GET)
    hosts = [line.split()[0] for line in file.read_text().splitlines()]
    assert hosts == ["127.0.0.1"] * ASKED + ["127.0.0.2"] * (ASKED + 1)


def test_a_damaged_store_is_told_at_once(served: Served) -> None:
    mkcol = talk.request("MKCOL /folder")
    (served.root / "folder").mkdir()
    with Talk(served.port) as client:
        for request in (mkcol, PROPFIND, GET):
            asked(client, request, ASKED)
            assert is_repeated(served, client, request)
        served.shares.state._note("gone")  # type: ignore[attr-defined] # SqliteState has it
        assert asked(client, mkcol).status == 403
        for request in (PROPFIND, GET):
            assert not is_repeated(served, client, request)


def test_who_is_about_to_end_says_so(served: Served) -> None:
    with Talk(served.port) as client:
        asked(client, GET, ASKED)
        # It has to be waited for again by then: else it is ended at once.
        time.sleep(0.2)
        served.server.is_draining = True
        assert asked(client, GET)["connection"] == "close"
        assert client.is_ended()


def test_what_is_coded_is_coded_each_time(served: Served) -> None:
    value = UPDATE % (b"long " * 500)
    assert talk.ask(served.port, "PROPPATCH /file", body=value).status == 207
    coded = talk.request("PROPFIND /file", "Depth: 0", "Accept-Encoding: gzip", body=ALLPROP)
    with Talk(served.port) as client:
        plain = asked(client, PROPFIND, ASKED).body
        for _ in range(ASKED + 1):
            assert gzip.decompress(asked(client, coded).body) == plain


def test_what_one_worker_changes_shows_at_the_others(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with (
        Running(root, state=tmp_path / "state.db") as running,
        connections(running) as clients,
    ):
        for number in range(20):
            content = b"%d" % number
            for writer in clients.values():
                assert asked(writer, talk.request("PUT /file", body=content)).status in (201, 204)
                value = UPDATE % content
                assert asked(writer, talk.request("PROPPATCH /file", body=value)).status == 207
                for client in clients.values():
                    for _ in range(ASKED):
                        assert asked(client, GET).body == content
                        assert b">%d</x>" % number in asked(client, PROPFIND).body


def test_long_heads_are_not_kept(served: Served) -> None:
    long = talk.request("GET /file", "X-Long: " + "x" * repeats.LONGEST)
    with Talk(served.port) as client:
        asked(client, long, ASKED)
        assert not is_repeated(served, client, long)
    assert not served.server.repeats._kept

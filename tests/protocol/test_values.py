"""The small nouns: locks, faults, resources, media types, messages."""

import errno
import inspect
import os
from dataclasses import replace
from http import HTTPStatus

import pytest
from lxml import etree

from davserver.protocol import faults, locks, mediatypes, messages, resources
from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock, Write
from davserver.protocol.paths import Path
from tests.protocol.values import FILE, FOLDER, LINK, PIPE


def lock(token: str, root: Path, *, deep: bool = False, shared: bool = False) -> Lock:
    return Lock(token, root, deep, not shared, "", "me", 60, 60.0)


A, AB, ABC = ("a",), ("a", "b"), ("a", "b", "c")
ON_FILE, ON_DIR, DEEP = lock("file", AB), lock("dir", A), lock("deep", A, deep=True)
BELOW = lock("below", ABC)
ONE, TWO = lock("one", AB, shared=True), replace(lock("two", AB, shared=True), principal="you")

# what is written, which locks are held, which tokens are submitted, which are lacking
OBSTACLES: dict[str, tuple[Write, tuple[Lock, ...], set[str], set[str]]] = {
    "no lock": (Write(AB, member=True, below=True), (), set(), set()),
    "its own lock": (Write(AB), (ON_FILE,), set(), {"file"}),
    "its own lock, with its token": (Write(AB), (ON_FILE,), {"file"}, set()),
    "its own lock, with another token": (Write(AB), (ON_FILE,), {"dir"}, {"file"}),
    "a shallow lock above: its content is free": (Write(AB), (ON_DIR,), set(), set()),
    "a shallow lock above: its name is not": (Write(AB, member=True), (ON_DIR,), set(), {"dir"}),
    "a deep lock above": (Write(AB), (DEEP,), set(), {"deep"}),
    "a deep lock far above, and a name": (Write(ABC, member=True), (DEEP,), {"deep"}, set()),
    "a shallow lock far above": (Write(ABC, member=True), (ON_DIR,), set(), set()),
    "a lock below, where only the resource changes": (Write(AB), (BELOW,), set(), set()),
    "a lock below": (Write(AB, below=True), (BELOW,), set(), {"below"}),
    "both a name and what is below": (
        Write(AB, member=True, below=True),
        (ON_DIR, BELOW),
        {"below"},
        {"dir"},
    ),
    "one of several shared locks will do": (Write(AB), (ONE, TWO), {"one"}, set()),
    "a shared lock of someone else will not": (Write(AB), (ONE, TWO), {"two"}, {"one", "two"}),
    "a name that begins like the locked one": (Write(("ab",), below=True), (DEEP,), set(), set()),
}


@pytest.mark.parametrize(("write", "held", "tokens", "lacking"), OBSTACLES.values(), ids=OBSTACLES)
def test_obstacles(
    write: Write, held: tuple[Lock, ...], tokens: set[str], lacking: set[str]
) -> None:
    found = locks.obstacles(write, held, frozenset(tokens), "me")
    assert {one.token for one in found} == lacking
    if held and lacking:
        other = locks.obstacles(write, held, frozenset({"file", "dir", "deep", "below"}), "you")
        assert {one.token for one in other} >= lacking - {"two"} or ONE in held


def test_conflicts() -> None:
    for deep, exclusive, held, covering, below in (
        (False, True, (), set(), set()),
        (False, True, (ONE,), {"one"}, set()),
        (False, False, (ONE, TWO), set(), set()),
        (False, False, (ON_FILE,), {"file"}, set()),
        (False, True, (DEEP,), {"deep"}, set()),
        (False, True, (ON_DIR,), set(), set()),
        (False, True, (BELOW,), set(), set()),
        (True, True, (BELOW,), set(), {"below"}),
        (True, False, (BELOW,), set(), {"below"}),
        (True, False, (replace(BELOW, exclusive=False),), set(), set()),
    ):
        found = locks.conflicts(AB, deep, exclusive, held)
        assert [{one.token for one in part} for part in found] == [covering, below]


def test_a_deep_lock_covers_what_is_below() -> None:
    assert DEEP.covers(A)
    assert DEEP.covers(ABC)
    assert not DEEP.covers(("ab",))
    assert not DEEP.covers(())
    assert ON_DIR.covers(A)
    assert not ON_DIR.covers(AB)


CONSTRUCTORS = [
    (name, make)
    for name, make in inspect.getmembers(faults, inspect.isfunction)
    if make.__module__ == faults.__name__ and name not in ("dataclass", "field")
]
GIVEN: dict[str, object] = {
    **dict.fromkeys(
        ("name", "expected", "sentence", "realm", "wrong", "allow", "href", "header"), "x"
    ),
    "roots": ["/a"],
    "size": 5,
    "headers": (("ETag", '"x"'),),
    "error": OSError(errno.EACCES, "x"),
}


@pytest.mark.parametrize(("name", "make"), CONSTRUCTORS, ids=[name for name, _ in CONSTRUCTORS])
def test_every_fault_is_an_answer(name: str, make: object) -> None:
    assert callable(make)
    needed = [GIVEN[one] for one in inspect.signature(make).parameters]
    fault = make(*needed)
    assert isinstance(fault, Fault)
    assert fault.status >= 400 or fault.status == HTTPStatus.NOT_MODIFIED
    answer = messages.refusal(fault)
    assert answer.status is fault.status
    assert isinstance(answer.body, bytes)
    if fault.condition:
        error = etree.fromstring(answer.body)
        assert error.tag == "{DAV:}error"
        assert error[0].tag == f"{{DAV:}}{fault.condition}"
        assert [one.text for one in error[0]] == list(fault.hrefs)
        assert fault.sentence in error.xpath("string()")
    elif fault.status is not HTTPStatus.NOT_MODIFIED:
        assert answer.body.decode().strip() == fault.sentence
    assert name in ("not_modified",) or fault.sentence[-1] in ".:x"


def test_errors_of_the_system_become_faults_without_a_path() -> None:
    for number in errno.errorcode:
        fault = faults.of_system(OSError(number, os.strerror(number), "/srv/secret"))
        assert fault.status >= 400
        assert "/srv" not in str(fault)
    for number, status in (
        (errno.ENOSPC, 507),
        (errno.EDQUOT, 507),
        (errno.EACCES, 403),
        (errno.EROFS, 403),
        (errno.ENAMETOOLONG, 400),
        (errno.ENOTDIR, 409),
        (errno.ENOENT, 404),
        (errno.EIO, 500),
        (errno.EMFILE, 503),
    ):
        assert faults.of_system(OSError(number, "")).status == status
    assert faults.of_system(OSError("no number")).status == 500


def test_facts() -> None:
    assert resources.is_served(FILE)
    assert resources.is_served(FOLDER)
    assert not resources.is_served(LINK)
    assert not resources.is_served(PIPE)
    assert resources.etag(FILE) == f'"a1-10-{FILE.st_mtime_ns:x}"'
    assert resources.etag(FOLDER) is None
    later = replace(FILE, st_mtime_ns=FILE.st_mtime_ns + 1)
    assert resources.etag(later) != resources.etag(FILE)
    assert resources.modified(later) == resources.modified(FILE) == 1_000_000_000
    assert resources.created(replace(FILE, st_ctime_ns=5_999_999_999)) == 5


def test_media_types_come_from_the_ending() -> None:
    for name, kind in (
        ("a.TXT", "text/plain"),
        ("a.b.html", "text/html"),
        ("archive.tar.gz", "application/gzip"),
        ("none", "application/octet-stream"),
        ("txt", "application/octet-stream"),
        (".txt", "text/plain"),
        ("a.", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("\udcff.png", "image/png"),
    ):
        assert mediatypes.of(name) == kind

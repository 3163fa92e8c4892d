"""Every system call fails in turn, and the judge of what comes out is judged, too."""

from collections.abc import Set
from dataclasses import replace

import pytest

from tests.bench.client import Unanswered
from tests.faults import strace, syscalls, syscalls_partly
from tests.faults.__main__ import parsed
from tests.faults.ground import Reply, Thing, World
from tests.faults.proof import Report
from tests.faults.scenarios import BARE, FILES, SINGLES, TREES, Scenario
from tests.faults.strace import Call, Fault
from tests.faults.syscalls_verdict import Attempt, faulty
from tests.running import lacking, program

NAMED = {scenario.name: scenario for scenario in (*SINGLES, *FILES, *BARE, *TREES)}


def proved(*arguments: str) -> Report:
    program("strace")
    report = syscalls.run(parsed(["syscalls", *arguments]))
    if report.skipped:
        lacking(report.skipped)
    return report


def test_nothing_is_half_done_when_a_call_fails() -> None:
    report = proved("--attempts", "1200")
    assert not report.violations
    assert int(report.figures["faults injected"]) > 1000
    assert report.figures["leftovers"] == 0


@pytest.mark.parametrize(
    ("call", "scenario"),
    [
        ("linkat", "PUT a new file"),
        ("renameat", "PUT over a file"),
        ("unlinkat", "DELETE a file"),
        ("renameat2", "MOVE a file onto nothing"),
    ],
)
def test_control_a_call_that_was_left_out_is_noticed(call: str, scenario: str) -> None:
    report = proved("--lie", call, "--only", scenario, "--all")
    assert any("MIXED: answered 20" in violation for violation in report.violations)


def test_a_sync_that_was_left_out_is_not_noticed_here() -> None:
    """The proof of power cuts is for that."""
    report = proved("--lie", "fsync", "--only", "PUT a new file", "--all")
    assert int(report.figures["faults injected"]) > 0
    assert not report.violations


BEFORE = World({("one", "src"): Thing(b"old", {"{urn:n}note": "a"})}, {"mine": ("one", "src")})
AFTER = World({("one", "src"): Thing(b"new", {"{urn:n}note": "a"})}, {"mine": ("one", "src")})
PUT = Scenario("PUT over a file", "ONE", BEFORE, ("one", "src"), 204, method="PUT")


def attempt(error: str, status: int, after: World, call: str = "fsync", told: str = "") -> Attempt:
    """A PUT with a fault."""
    return Attempt(
        PUT,
        Fault(call, error),
        Call(1, call, told),
        (),
        error == "EINTR",
        False,
        Reply(status, {}),
        BEFORE,
        AFTER,
        after,
        after,
    )


LOG = "16<state.db-wal>"
WRITTEN = f'pwrite64({LOG}, "2"..., 24, 56) = 24'
SYNCED = f"fdatasync({LOG}) = 0"
CHECKPOINT = "fcntl(10<state.db-shm>, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=121, "


CARRIED = "fcntl(10<state.db-shm>, F_SETLK, {l_type=F_UNLCK, l_whence=SEEK_SET, l_start=121, "


def synced(*before: str, call: str = "fdatasync", told: str = LOG) -> Attempt:
    """A PUT that was answered 204 although a sync of SQLite's log has failed, or another call."""
    return replace(attempt("EIO", 204, AFTER, call, told), before_it=before, of_state=True)


@pytest.mark.parametrize(
    "one",
    [
        synced(WRITTEN, SYNCED, CHECKPOINT),
        synced(WRITTEN, SYNCED, CHECKPOINT, SYNCED, call="newfstatat", told="15<state.db>"),
        attempt("EIO", 500, BEFORE),
        attempt("EIO", 500, AFTER),
        attempt("ENOSPC", 507, BEFORE),
        attempt("EMFILE", 503, BEFORE),
        attempt("EACCES", 403, BEFORE),
        attempt("EINTR", 204, AFTER),
        attempt("EACCES", 204, AFTER, "fchown"),
        attempt("EOPNOTSUPP", 204, AFTER, "openat", "O_TMPFILE"),
        replace(attempt("EACCES", 500, BEFORE), of_state=True),
    ],
    ids=str,
)
def test_all_of_the_old_or_all_of_the_new_is_sound(one: Attempt) -> None:
    assert not list(faulty(one))


@pytest.mark.parametrize(
    ("one", "phrase"),
    [
        (attempt("EIO", 204, AFTER), "although the call was needed"),
        (synced(WRITTEN), "although the call was needed"),
        (synced(WRITTEN, SYNCED, CHECKPOINT, WRITTEN), "although the call was needed"),
        (synced(WRITTEN, SYNCED, CHECKPOINT, CARRIED), "although the call was needed"),
        (attempt("EIO", 204, BEFORE), "MIXED"),
        (attempt("EIO", 507, BEFORE), "instead of"),
        (attempt("ENOSPC", 500, BEFORE), "instead of"),
        (attempt("EACCES", 403, AFTER), "all was done"),
        (attempt("EIO", 500, World({}, BEFORE.locks)), "MIXED"),
        (attempt("EIO", 500, World(BEFORE.things, {})), "MIXED"),
        (
            attempt("EIO", 500, World({("one", "src"): Thing(b"old", {})}, BEFORE.locks)),
            "MIXED",
        ),
        (
            attempt("EIO", 500, replace(BEFORE, lost=frozenset({("one", "x")}))),
            "rows without a resource",
        ),
        (replace(attempt("EIO", 500, BEFORE), seen=AFTER), "another world"),
        (replace(attempt("EINTR", 204, AFTER), is_repeated=False), "although the call was needed"),
        (replace(attempt("EIO", 500, BEFORE), reply=Unanswered("cut")), "no whole answer"),
        (attempt("EIO", 204, AFTER, "fchown"), "although the call was needed"),
    ],
    ids=str,
)
def test_anything_else_is_not(one: Attempt, phrase: str) -> None:
    assert phrase in " ".join(faulty(one))


SRC, DST, DEEP = ("one", "src"), ("one", "into", "dst"), ("sub", "deep", "c")


def partly(name: str, after: World, **failed: int) -> str:
    """What is wrong with a 207; failed members of the source by the last part of their names."""
    scenario = NAMED[name]
    paths = {path[-1]: path for path in scenario.world.things if path[:2] == SRC}
    reply = Reply(207, {}, {paths[name]: status for name, status in failed.items()})
    return " ".join(syscalls_partly.faulty(scenario, scenario.world, after, reply))


def changed(name: str, gone: Set[str], moved: Set[str] = frozenset()) -> World:
    """The world of a scenario without some members of the source, and with some at the target."""
    world = NAMED[name].world
    things = {
        path: thing
        for path, thing in world.things.items()
        if path[:2] != SRC or "/".join(path[2:]) not in gone
    }
    for path, thing in world.things.items():
        if path[:2] == SRC and "/".join(path[2:]) in moved:
            things[(*DST, *path[2:])] = thing
    locks = {token: path for token, path in world.locks.items() if path in things}
    return World(things, locks)


def test_what_a_delete_has_left_is_told_of() -> None:
    name = "DELETE a tree with a lock in it"
    rest = {"a", "empty", "large", "sub/b"}
    assert not partly(name, changed(name, rest), c=423)
    assert "there still, and not told of" in partly(name, changed(name, {"a"}), c=423)
    assert "is gone" in partly(name, changed(name, {*rest, "sub/deep/c"}), c=423)
    assert not partly(name, changed(name, {*rest, "sub/deep/c"}), c=500)
    ghost = replace(changed(name, rest), locks=NAMED[name].world.locks)
    assert "is on nothing" in partly(name, ghost, c=423)


def test_what_a_move_has_left_is_told_of() -> None:
    name = "MOVE a tree with a lock in it onto nothing"
    moved = {"a", "empty", "large", "sub/b"}
    both = {"", "sub", "sub/deep"}
    assert not partly(name, changed(name, moved, moved | both), c=423)
    assert "is lost" in partly(name, changed(name, moved, (moved | both) - {"a"}), c=423)
    assert "in both places" in partly(
        name, changed(name, moved - {"a"}, moved | both), c=423, a=403
    )


def test_a_copy_is_the_source_without_its_failed_members() -> None:
    name = "COPY a tree onto nothing"
    whole = {"", "a", "empty", "large", "sub", "sub/b", "sub/deep", "sub/deep/c"}
    assert not partly(name, changed(name, set(), whole - {"a"}), a=403)
    assert "the copy is not" in partly(name, changed(name, set(), whole - {"a", "large"}), a=403)
    assert "the source has changed" in partly(name, changed(name, {"a"}, whole - {"a"}), a=403)


LOG = """\
7  openat(3</r>, "a", O_RDONLY <unfinished ...>
8  fsync(4</r/b>) = -1 EIO (Input/output error) (INJECTED)
7  <... openat resumed>) = 5</r/a>
7  +++ exited with 0 +++
"""


def test_the_log_of_strace_is_read() -> None:
    first, second = strace.read(LOG)
    assert (first.thread, first.name, first.is_done, first.is_injected) == (8, "fsync", False, True)
    assert (second.thread, second.name, second.is_done) == (7, "openat", True)
    assert second.told.endswith("= 5</r/a>")
    (alone,) = strace.read('renameat(3</r>, "a", 3</r>, "b") = 0\n', 9)
    assert (alone.thread, alone.name) == (9, "renameat")

"""What was read is kept only as long as nobody, of any process, has changed the store."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from davserver.state import unchanged
from davserver.state.sqlite import SqliteState

A = ("a",)
NAME = "{urn:x}p"
OTHER = f"""
import sys
from pathlib import Path
from davserver.state.sqlite import SqliteState
state = SqliteState(Path(sys.argv[1]))
for line in sys.stdin:
    with state.write() as writer:
        writer.set_property({A}, "{NAME}", line.strip())
    print("written", flush=True)
state.close()
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    found = SqliteState(tmp_path / "state.db")
    yield found
    found.close()


ALONE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
"""
"""Takes the lock of SQLite's "dead man switch": who has it may make the index anew."""


def test_who_looks_at_the_index_keeps_the_locks_on_it(state: SqliteState, tmp_path: Path) -> None:
    """Else the next process that opens the store would truncate the memory that this one uses."""
    put(state, "one")
    assert got(state) == got(state) == "one"
    index = f"{tmp_path / 'state.db'}-shm"
    tried = subprocess.run([sys.executable, "-c", ALONE, index], capture_output=True, check=False)
    assert b"BlockingIOError" in tried.stderr


def put(state: SqliteState, value: str) -> None:
    with state.write() as writer:
        writer.set_property(A, NAME, value)


def got(state: SqliteState) -> str | None:
    return state.read().properties(A).get(NAME)


def asked(state: SqliteState) -> list[str]:
    """What SQLite is asked from now on by this thread."""
    found: list[str] = []
    state._connection().set_trace_callback(found.append)
    return found


def test_what_was_read_is_not_asked_again(state: SqliteState) -> None:
    put(state, "one")
    queries = asked(state)
    assert [got(state), got(state), got(state)] == ["one"] * 3
    # Whether there are any rows at all, and those that are wanted.
    assert len(queries) == 2
    put(state, "two")
    del queries[:]
    assert [got(state), got(state)] == ["two", "two"]
    assert len(queries) == 2


def test_what_another_process_writes_is_seen_at_once(state: SqliteState, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path / "state.db")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number in range(50):
            other.stdin.write(f"{number}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "written\n"
            assert got(state) == got(state) == str(number)
        other.stdin.close()
        assert other.wait(30) == 0
    # And after it has ended, and with it its log.
    put(state, "own")
    assert got(state) == "own"


def test_who_reads_while_others_write_never_goes_back(state: SqliteState) -> None:
    over = threading.Event()
    wrong: list[tuple[int, int]] = []

    def read() -> None:
        last = 0
        while not over.is_set():
            now = int(got(state) or 0)
            if now < last:
                wrong.append((last, now))
            last = now

    readers = [threading.Thread(target=read) for _ in range(3)]
    for one in readers:
        one.start()
    for number in range(1, 300):
        put(state, str(number))
        assert got(state) == str(number)
    over.set()
    for one in readers:
        one.join()
    assert not wrong


def test_no_more_is_kept_than_the_bound(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "MOST", 10)
    for number in range(100):
        state.read().properties((str(number),))
    assert len(state._unchanged._kept[1]) <= 10


def test_threads_that_have_ended_leave_their_connections_to_others(state: SqliteState) -> None:
    for number in range(20):
        thread = threading.Thread(target=put, args=(state, str(number)))
        thread.start()
        thread.join()
    assert state._connections.number <= 3
    assert state._gate._descriptors.number <= 3

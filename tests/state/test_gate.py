"""The gate: one at a time, across threads and processes, in the order of arrival."""

import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from davserver.state.gate import Gate

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

THREADS, ROUNDS = 4, 60


def child(do: Callable[[], None]) -> int:
    """Do something in a process of its own, which is given."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        do()
        code = 0
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def said(pipe: int, size: int, seconds: float = 60) -> bytes:
    """What is in a pipe, once so many bytes are there or nothing has come for some time."""
    found = b""
    while len(found) < size and select.select([pipe], [], [], seconds)[0]:
        block = os.read(pipe, size - len(found))
        if not block:
            break
        found += block
    return found


class Log:
    """A file to which all threads of all processes append a line at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def write(self, *words: object) -> None:
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self._file.read_text().splitlines()]


class Watched(Gate):
    """A gate that writes down who has taken a place in its queue."""

    def __init__(self, file: Path, log: Log) -> None:
        super().__init__(file)
        self._log = log

    def says(self, what: str) -> None:
        self._log.write(what, os.getpid(), threading.get_ident())

    def _take_place(self, gate: int) -> int:
        place = super()._take_place(gate)
        self.says("comes")
        return place


def crowd(gate_file: Path, log: Log, *, exclusive: bool = True) -> None:
    """Two processes with some threads each go through a gate over and over."""

    def go() -> None:
        gate = Watched(gate_file, log)

        def run() -> None:
            for _ in range(ROUNDS):
                if exclusive:
                    with gate.held():
                        gate.says("enters")
                        # The others come meanwhile, on whichever processor there is.
                        time.sleep(0.0005)
                        gate.says("leaves")
                else:
                    gate.says("comes")
                    gate.says("enters")
                    os.sched_yield()
                    gate.says("leaves")

        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        gate.close()

    processes = [child(go) for _ in range(2)]
    assert [ended(one) for one in processes] == [0, 0]


def intruders(lines: list[list[str]]) -> int:
    """How often somebody has entered while another one was in."""
    inside: set[tuple[str, str]] = set()
    found = 0
    for what, name, number in lines:
        if what == "enters":
            found += bool(inside)
            inside.add((name, number))
        elif what == "leaves":
            inside.discard((name, number))
    return found


def overtaken(lines: list[list[str]]) -> int:
    """By how many later comers the one who had the worst of it was overtaken."""
    waiting: dict[tuple[str, str], int] = {}
    worst = 0
    arrivals: dict[tuple[str, str], int] = {}
    for order, (what, name, number) in enumerate(lines):
        one = (name, number)
        if what == "comes":
            waiting[one] = 0
            arrivals[one] = order
        elif what == "enters":
            # Who finds the gate open does not queue.
            came = arrivals.pop(one, order)
            worst = max(worst, waiting.pop(one, 0))
            for other in waiting:
                waiting[other] += arrivals[other] < came
    return worst


def test_one_at_a_time_and_nobody_is_overtaken_for_long(tmp_path: Path) -> None:
    """Between a look at the queue, or a place in it, and the line of the log somebody else may run:
    so each of the others may pass once, but nobody twice.
    """
    log = Log(tmp_path / "log")
    crowd(tmp_path / "gate", log)
    lines = log.lines()
    counted = Counter(what for what, *_ in lines)
    assert counted["enters"] == counted["leaves"] == 2 * THREADS * ROUNDS
    assert counted["comes"] > THREADS * ROUNDS, "most of them had to queue"
    assert intruders(lines) == 0
    assert overtaken(lines) < 2 * THREADS


def test_a_crowd_without_a_gate_is_noticed(tmp_path: Path) -> None:
    """The control of `intruders`."""
    log = Log(tmp_path / "log")
    crowd(tmp_path / "gate", log, exclusive=False)
    assert intruders(log.lines()) > 0


def test_who_is_overtaken_is_noticed() -> None:
    """The control of `overtaken`."""
    lines = [["comes", "slow", "0"]]
    for number in range(5):
        lines += [[what, "fast", f"{number}"] for what in ("comes", "enters", "leaves")]
    lines += [["enters", "slow", "0"]]
    assert overtaken(lines) == 5
    assert intruders(lines) == 0


def test_places_are_given_in_order_across_processes(tmp_path: Path) -> None:
    """Each comes when the one before him waits already: so the order is known exactly."""
    gate = Gate(tmp_path / "gate")
    read, write = os.pipe()
    processes = []

    def wait(name: int) -> Callable[[], None]:
        def do() -> None:
            mine = Gate(tmp_path / "gate")
            with mine.held():
                os.write(write, bytes([name]))

        return do

    with gate.held():
        for name in range(8):
            processes.append(child(wait(name)))
            _until_waiting(tmp_path / "gate", name + 1)
    assert said(read, 8) == bytes(range(8))
    assert [ended(one) for one in processes] == [0] * 8
    gate.close()


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_killed_waiter_holds_nobody_up(tmp_path: Path, killed: int) -> None:
    gate = Gate(tmp_path / "gate")
    read, write = os.pipe()
    processes = []

    def wait(name: int) -> Callable[[], None]:
        def do() -> None:
            with Gate(tmp_path / "gate").held():
                os.write(write, bytes([name]))

        return do

    with gate.held():
        for name in range(3):
            processes.append(child(wait(name)))
            _until_waiting(tmp_path / "gate", name + 1)
        os.kill(processes[killed], signal.SIGKILL)
        assert ended(processes.pop(killed)) == -signal.SIGKILL
    assert sorted(said(read, 2)) == [name for name in range(3) if name != killed]
    assert [ended(one) for one in processes] == [0, 0]
    with gate.held():
        pass
    gate.close()


def test_a_gap_in_the_queue_lets_nobody_in(tmp_path: Path) -> None:
    """Who is early because the one before him has died waits for the holder all the same."""
    gate = Gate(tmp_path / "gate")
    read, write = os.pipe()

    def wait() -> None:
        with Gate(tmp_path / "gate").held():
            os.write(write, b"in")

    with gate.held():
        dead = child(wait)
        _until_waiting(tmp_path / "gate", 1)
        early = child(wait)
        _until_waiting(tmp_path / "gate", 2)
        os.kill(dead, signal.SIGKILL)
        assert ended(dead) == -signal.SIGKILL
        _until_waiting(tmp_path / "gate", 1, kind="FLOCK", unless=lambda: _is_readable(read))
        assert not _is_readable(read)
    assert said(read, 2) == b"in"
    assert ended(early) == 0
    gate.close()


def _is_readable(pipe: int) -> bool:
    return bool(select.select([pipe], [], [], 0)[0])


def test_a_killed_holder_holds_nobody_up(tmp_path: Path) -> None:
    read, write = os.pipe()

    def hold() -> None:
        with Gate(tmp_path / "gate").held():
            os.write(write, b"in")
            signal.pause()

    def wait() -> None:
        with Gate(tmp_path / "gate").held():
            os.write(write, b"me")

    holder = child(hold)
    assert said(read, 2) == b"in"
    waiter = child(wait)
    _until_waiting(tmp_path / "gate", 1)
    os.kill(holder, signal.SIGKILL)
    assert said(read, 2) == b"me"
    assert ended(holder) == -signal.SIGKILL
    assert ended(waiter) == 0


def test_who_fails_inside_lets_the_next_one_in(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")

    def fail() -> None:
        with gate.held():
            raise RuntimeError("on purpose")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="on purpose"):
            fail()
    with gate.held():
        pass
    gate.close()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 8, b"\xff" * 7 + b"\x7f"])
def test_a_counter_that_makes_no_sense_is_no_hindrance(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gate").write_bytes(content)
    gate = Gate(tmp_path / "gate")
    for _ in range(3):
        with gate.held():
            pass
    gate.close()


def test_a_disk_that_is_full_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    log = Log(tmp_path / "log")
    crowd(tmp_path / "gate", log)
    assert intruders(log.lines()) == 0


def _until_waiting(
    file: Path, count: int, *, kind: str = "", unless: Callable[[], bool] = lambda: False
) -> None:
    """Until so many wait for a lock of a file, as the kernel lists them, or what must not be is."""
    facts = file.stat()
    inode = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino} "
    for _ in range(3000):
        waiting = [
            line
            for line in Path("/proc/locks").read_text().splitlines()
            if "->" in line and inode in line and kind in line
        ]
        if len(waiting) >= count or unless():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody waits: {Path('/proc/locks').read_text()}")

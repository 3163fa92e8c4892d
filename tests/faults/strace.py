"""Lets a system call of one thread of a running process fail: strace attaches for one request.

strace counts the calls of every thread by itself. Whoever attaches to the one thread that serves
requests knows therefore which call the k-th is, whatever other threads do meanwhile.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

PROGRAM = "strace"
SECONDS = 30.0
"""How long strace may take to attach and to let go."""

_CALL = re.compile(r"(?:\[pid +)?(\d+)\]?\s+(\w+)\((.*)", re.DOTALL)
_RESUMED = re.compile(r"\d+\s+<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_INJECTED = "(INJECTED)"


class NotAttached(Exception):
    """strace could not attach to a thread."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the invocation number ``when`` of a system call, or to every one where that
    is 0: it is not carried out, and told to have failed with ``error`` (as in EIO). Without an
    error it is told to have succeeded: a lie.
    """

    call: str
    error: str = ""
    when: int = 1

    def __str__(self) -> str:
        number = f" {self.when}" if self.when else ""
        return f"{self.call}{number} {self.error or 'left out'}"

    @property
    def expression(self) -> str:
        """How strace is told."""
        does = f"error={self.error}" if self.error else "retval=0"
        return f"inject={self.call}:{does}:when={self.when or '1+'}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as strace has written it down, descriptors with their paths."""

    thread: int
    name: str
    told: str

    @property
    def is_injected(self) -> bool:
        return _INJECTED in self.told

    @property
    def is_done(self) -> bool:
        """Whether it has succeeded."""
        return " = -1 " not in self.told

    def below(self, folder: Path) -> "Call":
        """The same with shorter paths."""
        return replace(self, told=self.told.replace(f"{folder}/", ""))

    def __str__(self) -> str:
        return f"{self.name}({' '.join(self.told.split())}"


@dataclass(slots=True)
class Trace:
    """What threads have called; complete once strace has let go."""

    calls: list[Call] = field(default_factory=list)

    @property
    def injected(self) -> list[Call]:
        return [call for call in self.calls if call.is_injected]


@contextmanager
def traced(
    process: int, calls: Sequence[str], log: Path, fault: Fault | None = None, *, all: bool = False
) -> Iterator[Trace]:
    """Watch a thread, or with ``all`` every thread of the process and those that it starts, and let
    a call fail. Gives what was called, which is known after the block. Raises NotAttached.
    """
    command = [PROGRAM, "-y", "-s", "8", "-o", str(log), "-e", f"trace={','.join(calls)}"]
    if all:
        command.append("-f")
    if fault:
        command += ["-e", fault.expression]
    log.unlink(missing_ok=True)
    attached = subprocess.Popen(
        [*command, "-p", str(process)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    trace = Trace()
    try:
        assert attached.stderr is not None
        said = attached.stderr.readline()
        if not re.match(r"strace: Process \d+ attached", said):
            raise NotAttached(said.strip() or "strace said nothing")
        yield trace
    finally:
        attached.send_signal(signal.SIGINT)
        try:
            attached.wait(SECONDS)
        finally:
            if attached.returncode is None:
                attached.kill()
                attached.wait()
            assert attached.stderr is not None
            attached.stderr.close()
    trace.calls += read(log.read_text(errors="replace"), process)


def read(log: str, thread: int = 0) -> Iterator[Call]:
    """The calls in a log; ``thread`` made those whose lines do not say who did."""
    cut: dict[str, str] = {}
    for line in log.splitlines():
        whole = line if re.match(r"\d+ ", line) else f"{thread} {line}"
        who = whole.partition(" ")[0]
        # A call of another thread came between its beginning and its end.
        if whole.endswith("<unfinished ...>"):
            cut[who] = whole.removesuffix("<unfinished ...>")
            continue
        if resumed := _RESUMED.fullmatch(whole):
            whole = cut.pop(who, f"{who} {resumed[1]}(") + resumed[2]
        if found := _CALL.fullmatch(whole):
            yield Call(int(found[1]), found[2], found[3])


def thread_of(process: int, ask: Callable[[], None], call: str, log: Path) -> int:
    """The thread that makes a system call first while ``ask`` runs. Raises NotAttached."""
    with traced(process, [call], log, all=True) as trace:
        ask()
    if not trace.calls:
        raise NotAttached(f"no thread has called {call}")
    return trace.calls[0].thread


def refusal() -> str:
    """Why no process can be traced here; empty where it can."""
    if not shutil.which(PROGRAM):
        return "strace is not installed (Debian package strace)"
    # A process of which strace is no ancestor, as a server is.
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    log = Path(os.devnull)
    try:
        said = subprocess.run(
            [PROGRAM, "-o", str(log), "-e", "trace=none", "-p", str(child.pid)],
            stderr=subprocess.PIPE,
            text=True,
            timeout=1,
            check=False,
        ).stderr
        return f"no process can be traced: {said.strip()}"
    except subprocess.TimeoutExpired:
        return ""
    finally:
        child.kill()
        child.wait()
        assert child.stdin is not None
        child.stdin.close()

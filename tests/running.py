"""A davserver of its own processes, on a port that the system chose."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import pytest

from davserver.tree import TRASH
from tests.bench import processes

SETTINGS = (("--workers", "2"), ("--drain-timeout", "5"))
"""What a server is started with where the arguments do not say otherwise."""
ENDED = frozenset("ZX")
"""What /proc calls a thread of a process that has ended."""
URL = re.compile(r"(https?://[^\s/]+:\d+)/")


class Running:
    """One server: a master with its workers. A context manager: leaving it stops the server.

    ``url`` is the server's base URL without a slash at its end, ``said`` what it printed up to its
    first URL. With ``listen`` it has these addresses instead of a port; of a Unix socket there is
    no URL. With ``may_die`` a worker may end by itself; else that is an error when it is stopped.
    ``settings`` are those that the arguments need not name.
    """

    may_die = False

    def __init__(
        self,
        *arguments: str | Path,
        state: Path,
        environment: dict[str, str] | None = None,
        port: int = 0,
        listen: str = "",
        settings: Sequence[tuple[str, str]] = SETTINGS,
    ) -> None:
        self.command = [
            sys.executable,
            "-m",
            "davserver",
            *map(str, arguments),
            *(part for key, value in settings if key not in arguments for part in (key, value)),
            *(("--listen", listen) if listen else ("--port", str(port))),
            "--state",
            str(state),
        ]
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.url = ""
        self.said = ""
        self.log = state.with_suffix(".log")
        self.descriptors: Sequence[int] = ()
        """What else it inherits."""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def start(self) -> Self:
        """Start it and wait for its URL. Raises AssertionError with its output where none comes."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
                text=True,
                pass_fds=self.descriptors,
                process_group=0,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            match = URL.search(line)
            if match or "is ready at unix:" in line:
                self.url = match[1] if match else ""
                self._began = self.workers
                return self
        # It says nothing more: whoever stops it is to find that it has ended.
        self.process.wait(timeout=30)
        raise AssertionError(f"no URL: {self.said}{self.log.read_text()}")

    @property
    def workers(self) -> list[int]:
        """The processes of its workers, the eldest first."""
        return sorted(one.pid for one in processes.stats() if one.parent == self.process.pid)

    @property
    def is_whole(self) -> bool:
        """Whether it runs, with the workers that it has begun with."""
        return self.process.poll() is None and self.workers == self._began

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end and give its exit code. SIGKILL goes to all of its
        processes at once.
        """
        was_whole = self.is_whole or self.process.poll() is not None
        if how == signal.SIGKILL:
            kill(self.process)
        elif self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            kill(self.process)
            raise
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.said += self.process.stdout.read()
            self.process.stdout.close()
        assert was_whole or self.may_die, f"a worker has died: {self.log.read_text()}"
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def kill(leader: subprocess.Popen[str] | subprocess.Popen[bytes]) -> int:
    """End a group of processes at once, as they are, and give the exit code of its leader."""
    if leader.returncode is None:
        # Before anybody has waited for it, nobody else can have got its number.
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)
        until = time.monotonic() + 30
        while not all(found <= ENDED for found in states(leader.pid)):
            assert time.monotonic() < until, "processes of a killed group are still there"
            time.sleep(0.001)
    return leader.wait(30)


def states(group: int) -> Iterator[set[str]]:
    """For every process of a group the states of its threads, as /proc calls them."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if os.getpgid(int(entry)) == group:
                    yield states_of(int(entry))


def states_of(pid: int) -> set[str]:
    """The states of the threads of a process; none where it has gone."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):
                line = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
                found.add(line.rpartition(")")[2].split()[0])
    return found


def entries(root: Path) -> list[Path]:
    """What lies in a served directory, but for the trash that may come and go there."""
    return [path for path in root.iterdir() if path.name != TRASH]


def below(root: Path) -> list[Path]:
    """Everything below a served directory but the trash itself, each behind what it is in."""
    # rglob raises where something goes while it looks; os.walk does not.
    found = [
        Path(folder, name)
        for folder, directories, files in os.walk(root)
        for name in (*directories, *files)
    ]
    return [path for path in found if path != root / TRASH]


def program(name: str, package: str = "") -> str:
    """The path of a program that a test needs.

    Where it is missing the test is skipped by its name, and fails with CI=true: there `.ci/run`
    has installed everything.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found:
        return found
    return missing(f"{name} is not installed (Debian package {package or name})")


def missing(why: str) -> str:
    """Skip the running test for what this machine lacks, or fail it where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def lacking(why: str) -> NoReturn:
    """Skip the running test for what no package could give to this machine, with CI=true too."""
    pytest.skip(why)


def run(
    command: Sequence[str | Path],
    *,
    text: str = "",
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a client to its end and give what it said, whatever its exit code."""
    return subprocess.run(
        [str(part) for part in command],
        input=text,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )

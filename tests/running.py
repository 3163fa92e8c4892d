"""A davserver of its own process, on a port that the system chose."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import pytest

from davserver.tree import TRASH

URL = re.compile(r"(https?://[^\s/]+:\d+)/")


class Running:
    """One server process. A context manager: leaving it stops the process.

    ``url`` is the server's base URL without a slash at its end, ``said`` what it printed up to its
    first URL. With ``listen`` it has these addresses instead of a port; of a Unix socket there is
    no URL.
    """

    def __init__(
        self,
        *arguments: str | Path,
        state: Path,
        environment: dict[str, str] | None = None,
        port: int = 0,
        listen: str = "",
    ) -> None:
        self.command = [
            sys.executable,
            "-m",
            "davserver",
            *map(str, arguments),
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
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if match := URL.search(line):
                self.url = match[1]
                return self
            if "is ready at unix:" in line:
                return self
        raise AssertionError(f"no URL: {self.said}{self.log.read_text()}")

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        self.process.stdout.close()
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

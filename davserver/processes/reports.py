"""What workers tell their master at their start, over one pipe: that they are ready, or why not."""

import json
import os
from contextlib import suppress

_LONGEST = 600
"""Letters of a sentence: six bytes each, at most. A line that is shorter than PIPE_BUF is written
as a whole, whoever else writes.
"""


class Refused(Exception):
    """A sentence for the operator: what was asked for cannot be done, whoever tries it again."""


class Reports:
    """The pipe. It is made before the fork, and closed by the master."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._rest = b""

    def fileno(self) -> int:
        """What can be read from when somebody has said something."""
        return self._read

    def say(self, refusal: str = "") -> None:
        """Called by a worker: it is ready, or ``refusal`` says why it never will be."""
        line = json.dumps([os.getpid(), refusal[:_LONGEST]], ensure_ascii=False)
        # Without a master the worker ends soon.
        with suppress(OSError):
            os.write(self._write, f"{line}\n".encode("utf-8", "surrogateescape"))

    def heard(self) -> list[tuple[int, str]]:
        """What has been said: who it was, by its process, and its refusal, if it is one."""
        found = b""
        with suppress(BlockingIOError):
            found = os.read(self._read, 1 << 16)
        *lines, self._rest = (self._rest + found).split(b"\n")
        said = (json.loads(line.decode("utf-8", "surrogateescape")) for line in lines)
        return [(pid, refusal) for pid, refusal in said]

    def leave(self) -> None:
        """Called by a worker: nobody but the master reads."""
        os.close(self._read)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)

"""What /proc tells of a server's processes: CPU time, memory, and what everyone else used.

Everything here reads; the only thing written is the kernel's request to forget a peak.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Seconds a clock tick, the unit of the times in /proc/PID/stat.
TICK = 1 / os.sysconf("SC_CLK_TCK")
# The flag of a kernel thread: its work is write-back that the measured servers caused themselves.
KERNEL_THREAD = 0x00200000
FORGET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/PID/stat; times in seconds, ``waited`` those of children that ended."""

    pid: int
    parent: int
    flags: int
    own: float
    waited: float


def stats() -> list[Stat]:
    """Every process that could be read, in no order."""
    found = []
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name stands in brackets and may itself hold blanks and brackets.
            fields = (PROC / entry / "stat").read_text().rpartition(")")[2].split()
            user, system, waited_user, waited_system = (int(each) * TICK for each in fields[11:15])
            found.append(
                Stat(
                    pid=int(entry),
                    parent=int(fields[1]),
                    flags=int(fields[6]),
                    own=user + system,
                    waited=waited_user + waited_system,
                )
            )
    return found


def below(root: int, listed: list[Stat]) -> list[Stat]:
    """The process ``root`` and all its descendants."""
    children: dict[int, list[Stat]] = {}
    for stat in listed:
        children.setdefault(stat.parent, []).append(stat)
    tree = [stat for stat in listed if stat.pid == root]
    for stat in tree:
        tree.extend(children.get(stat.pid, ()))
    return tree


def cpu(root: int) -> float:
    """CPU seconds that the tree under ``root`` has used, ended children included."""
    return sum(stat.own + stat.waited for stat in below(root, stats()))


def memory(root: int, field: str) -> int:
    """A sum over the tree under ``root`` in bytes; ``field`` is ``VmRSS`` or ``VmHWM``.

    Pages that processes share count once for each of them.
    """
    total = 0
    for stat in below(root, stats()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in (PROC / str(stat.pid) / "status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1]) * 1024
    return total


def held(root: int) -> int:
    """What the tree under ``root`` holds in bytes; pages that are shared count by their part."""
    total = 0
    for stat in below(root, stats()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in (PROC / str(stat.pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def forget_peak(root: int) -> None:
    """Let VmHWM of the tree under ``root`` start again from what it holds now.

    Where the kernel refuses, the peak keeps what starting the server took: never too low.
    """
    for stat in below(root, stats()):
        with contextlib.suppress(OSError):
            (PROC / str(stat.pid) / "clear_refs").write_text(FORGET_PEAK)


class Others:
    """Watches what all processes but our own tree use, kernel threads left out.

    A child's whole time moves to its parent when it ends, so the sum over all of them is kept.
    Time that the hypervisor took from this machine counts as use by others.
    """

    def __init__(self) -> None:
        self._used, self._began = used_by_others(), time.perf_counter()

    def cores(self) -> float:
        """How many cores they used since the watch began.

        One tick is taken off: a clock of 10 ms sees it in a window of any length.
        """
        seconds = time.perf_counter() - self._began
        return max(0.0, used_by_others() - self._used - TICK) / seconds


def used_by_others() -> float:
    """CPU seconds of every process outside our own tree since the machine started."""
    listed = stats()
    ours = {stat.pid for stat in below(os.getpid(), listed)}
    theirs = (s for s in listed if s.pid not in ours and not s.flags & KERNEL_THREAD)
    stolen = int((PROC / "stat").read_text().splitlines()[0].split()[8]) * TICK
    return sum(stat.own + stat.waited for stat in theirs) + stolen

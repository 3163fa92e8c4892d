"""How many cores this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def available(group: Path = _GROUP, groups: Path = _GROUPS) -> int:
    """Those that it may run on, or less where its control group may use less of their time
    (`cpu.max` of cgroup v2, also of the groups above it).
    """
    cores = float(len(os.sched_getaffinity(0)))
    with suppress(OSError, ValueError):
        own = next(
            line for line in group.read_text().splitlines() if line.startswith("0::")
        ).removeprefix("0::/")
        for one in (groups / own, *(groups / own).parents):
            if one == groups.parent:
                break
            with suppress(FileNotFoundError):
                quota, period = (one / "cpu.max").read_text().split()
                if quota != "max":
                    cores = min(cores, int(quota) / int(period))
    return max(1, math.ceil(cores))

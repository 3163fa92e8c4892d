"""How many cores may be used: what the system says, and the limits of control groups."""

import os
from pathlib import Path

import pytest

from davserver.processes import cores

OWN = len(os.sched_getaffinity(0))
LIMITS: dict[str, tuple[dict[str, str], int]] = {
    "no limit": ({"a/b": "max 100000"}, OWN),
    "half a core": ({"a/b": "50000 100000"}, 1),
    "a limit above": ({"a": "100000 100000", "a/b": "max 100000"}, 1),
    "more than there are": ({"a/b": "100000000 100000"}, OWN),
    "no file": ({}, OWN),
    "nonsense": ({"a/b": "much"}, OWN),
}


@pytest.mark.parametrize(("limits", "wanted"), LIMITS.values(), ids=LIMITS)
def test_the_least_limit_counts(tmp_path: Path, limits: dict[str, str], wanted: int) -> None:
    groups = tmp_path / "groups"
    (groups / "a/b").mkdir(parents=True)
    for name, text in limits.items():
        (groups / name / "cpu.max").write_text(text)
    group = tmp_path / "cgroup"
    group.write_text("12:cpu:/x\n0::/a/b\n")
    assert cores.available(group, groups) == wanted


def test_without_control_groups(tmp_path: Path) -> None:
    assert cores.available(tmp_path / "none", tmp_path) == OWN

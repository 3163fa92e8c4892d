"""The power is cut in the middle of a mixed load: what was acknowledged is on the disk."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import images, power, servers
from tests.faults.findings import KINDS, LOST, TORN
from tests.faults.proof import Report
from tests.running import lacking, missing

CUTS = 30
"""How often power is cut here; any number by hand."""


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    """Images can be mounted here, and are taken away if the tests are told to end."""
    if why := images.lacking():
        lacking(why)
    if why := images.missing():
        missing(why)

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def proved(server: str, cuts: int, *, control: bool = False) -> Report:
    """A proof as its command runs it; its figures are printed for `pytest -rP`."""
    options = Namespace(server=server, seed=1, cuts=cuts, durability="sync", control=control)
    report = power.run(options)
    print(json.dumps({"server": server, "control": control, **report.figures}))
    return report


def test_nothing_acknowledged_is_lost_to_a_power_cut() -> None:
    report = proved("davserver", CUTS)
    assert report.violations == ()
    assert int(report.figures["acknowledged"]) > 5 * CUTS
    assert int(report.figures["in_flight"]) > CUTS


def test_a_server_whose_writes_stay_in_memory_is_found() -> None:
    """The control."""
    report = proved("davserver", 4, control=True)
    assert int(report.figures[LOST]) + int(report.figures[TORN]) > 0
    assert report.figures["begun_anew"] == 0


@pytest.mark.parametrize("name", servers.PEERS)
def test_the_power_of_peers_is_cut_and_counted_by_the_same_names(name: str) -> None:
    if why := servers.PEERS[name].missing():
        missing(why)
    report = proved(name, 2)
    assert {"cuts", "acknowledged", *KINDS} <= report.figures.keys()
    assert int(report.figures["acknowledged"]) > 50


def test_a_copy_of_an_image_is_one_moment_of_it(tmp_path: Path) -> None:
    """What was synced is in it, what was not is not."""
    with images.disk(tmp_path) as disk:
        (disk.place / "synced").write_bytes(b"x" * 10_000)
        descriptor = os.open(disk.place / "synced", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        (disk.place / "in memory").write_bytes(b"y" * 10_000)
        disk.freeze()
        (disk.place / "afterwards").touch()
        disk.cut()
        found = {one.name: one.stat().st_size for one in disk.place.iterdir() if one.is_file()}
    assert found == {"synced": 10_000}
    assert not any(str(tmp_path) in line for line in mounts())


def test_a_proof_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "power", "--cuts", "10000"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while sum(str(tmp_path) in line for line in mounts()) < 2:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not any(str(tmp_path) in line for line in mounts())
    assert not any(str(tmp_path) in line for line in loops())
    assert list(tmp_path.iterdir()) == []


def mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()


def loops() -> list[str]:
    """The files behind loop devices."""
    names = Path("/sys/block").glob("loop*/loop/backing_file")
    return [name.read_text() for name in names]

"""Ground on one file system and on two."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.ground import Ground
from tests.running import missing

SHM = Path("/dev/shm")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path, tmp_path)
    yield found
    found.close()


@pytest.fixture
def across(tmp_path: Path) -> Iterator[Ground]:
    """The share `two` lies on another file system."""
    if not SHM.is_dir() or SHM.stat().st_dev == tmp_path.stat().st_dev:
        missing("no second file system: /dev/shm")
    with TemporaryDirectory(dir=SHM) as elsewhere:
        found = Ground(tmp_path, Path(elsewhere))
        yield found
        found.close()


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Ground]:
    """A file system that knows no files without a name."""
    found = Ground(tmp_path, tmp_path, unnamed=False)
    yield found
    found.close()

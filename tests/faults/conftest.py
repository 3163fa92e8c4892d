"""Ground on one file system and on two."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.ground import Ground
from tests.running import lacking

SHM = Path("/dev/shm")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, if there is such: thousands of requests are a matter of its speed."""
    with TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def ground(memory: Path) -> Iterator[Ground]:
    found = Ground(memory, memory)
    yield found
    found.close()


@pytest.fixture
def across(memory: Path, tmp_path: Path) -> Iterator[Ground]:
    """The share `two` lies on another file system."""
    if memory.stat().st_dev == tmp_path.stat().st_dev:
        lacking("/dev/shm and the folder for temporary files are no two file systems")
    found = Ground(memory, tmp_path)
    yield found
    found.close()


@pytest.fixture
def named(memory: Path) -> Iterator[Ground]:
    """A file system that knows no files without a name."""
    found = Ground(memory, memory, unnamed=False)
    yield found
    found.close()

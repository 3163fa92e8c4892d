"""Grounds on one file system and on two."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.running import lacking
from tests.share.ground import Ground, Way

SHM = Path("/dev/shm")
Make = Callable[[Way], Ground]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, if there is such: hundreds of processes are a matter of its speed."""
    with TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def here(memory: Path) -> Make:
    """Makes a ground on one file system."""
    return lambda way: Ground(memory, memory, way)


@pytest.fixture
def across(memory: Path, tmp_path: Path) -> Make:
    """Makes a ground whose share `two` lies on another file system."""
    if memory.stat().st_dev == tmp_path.stat().st_dev:
        lacking("/dev/shm and the folder for temporary files are no two file systems")
    return lambda way: Ground(memory, tmp_path, way)

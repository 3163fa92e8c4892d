"""A folder for what runs under another account."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user may enter: Apache is another one."""
    with tempfile.TemporaryDirectory(prefix="davserver-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder

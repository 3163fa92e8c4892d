"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.commands.ground import Ground


@pytest.fixture
def ground(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ground:
    return Ground(tmp_path, capsys)

"""davserver on a copy of its files that nobody writes back: the control of `kills`.

    python -m tests.faults.forgetful ROOT --state FILE

Every answer is as it should be, and the end of the process is the end of what was written.
"""

import shutil
import sys
from pathlib import Path

from davserver import cli


def main(arguments: list[str]) -> int:
    """``arguments`` are those of davserver, ROOT and the state first."""
    root, option, state, *others = arguments
    copy = Path(root).with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy / "root")
    return cli.main([str(copy / "root"), option, str(copy / Path(state).name), *others])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

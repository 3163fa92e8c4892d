"""davserver on a system that writes nothing back when it is told to: the control of `power`.

python -m tests.faults.unsynced ROOT --durability sync
"""

import os
import sys

from davserver import cli


def ignored(descriptor: int) -> None:
    """What fsync and fdatasync do here."""
    del descriptor


if __name__ == "__main__":
    # The bug that this server has: both are replaced by what gives nothing.
    os.fsync = os.fdatasync = ignored  # type: ignore[assignment]
    sys.exit(cli.main())

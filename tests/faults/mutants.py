"""Seeds bugs, one at a time, and runs the test that must catch each.

Each goes into a copy of the server and of its tests. A bug is caught when its test fails there;
a copy that cannot even be imported is no proof of anything. The same tests pass in a copy without
a bug: that is looked at first.
"""

import os
import shutil
import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.proof import Report
from tests.faults.seeded import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""After which a test has not caught anything."""
FAILED, UNKNOWN, ELSEWHERE = 1, 4, 9
"""Exit codes: of pytest where a test has failed, and where there is no such test; and of `_RUN`."""

_RUN = f"""
import sys
from pathlib import Path
import davserver
if not Path(davserver.__file__).is_relative_to(Path.cwd()):
    sys.exit({ELSEWHERE})
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
"""Runs pytest, unless the server is another one than that of the working directory."""


def arguments(parser: ArgumentParser) -> None:
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument(
        "--only", metavar="NAME", choices=names, help=f"one of them: {', '.join(names)}"
    )
    parser.add_argument("--at-once", type=int, default=2, help="how many tests run at once (2)")


def run(options: Namespace) -> Report:
    if options.server != "davserver":
        why = "bugs are seeded in davserver alone"
        return Report("mutants", options.server, options.seed, skipped=why)
    chosen = [mutant for mutant in MUTANTS if options.only in (None, mutant.name)]
    wrong = tried(chosen, options.at_once)
    caught = len(chosen) - len({mutant for mutant, _ in wrong})
    print(f"{caught} of {len(chosen)} caught")
    return Report(
        "mutants",
        "davserver",
        options.seed,
        {"mutants": len(chosen), "caught": caught},
        tuple(f"{mutant.name}: {sentence}" for mutant, sentence in wrong),
    )


def tried(mutants: Sequence[Mutant], at_once: int = 2) -> list[tuple[Mutant, str]]:
    """Try mutants, and print a line for each. Gives those that were not caught, and why."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        sound = Path(folder, "sound")
        copy(ROOT, sound)
        passing = passed(sound, {mutant.test for mutant in mutants})

        def one(number: int) -> str:
            mutant = mutants[number]
            why, said = "its test does not pass without it, or was skipped", ""
            if mutant.test in passing:
                why, said = escaped(mutant, sound, Path(folder, f"{number}"))
            print(
                f"{'ESCAPED' if why else 'caught'} {mutant.name}: {mutant.bug}\n"
                f"    {mutant.test}\n    {why or said}",
                flush=True,
            )
            return why

        with ThreadPoolExecutor(at_once) as pool:
            found = pool.map(one, range(len(mutants)))
            return [(mutant, why) for mutant, why in zip(mutants, found, strict=True) if why]


def copy(source: Path, target: Path) -> None:
    """Copy what the tests need, with what Python has compiled of it."""
    for name in ("davserver", "tests"):
        shutil.copytree(source / name, target / name)
    shutil.copy2(source / "pyproject.toml", target)


def seed(mutant: Mutant, copied: Path) -> str:
    """Put a bug into a copy. Gives why that cannot be, or nothing."""
    file = copied / "davserver" / mutant.file
    text = file.read_text() if file.is_file() else ""
    if text.count(mutant.old) != 1:
        return f"it fits no longer: what it changes is {text.count(mutant.old)} times in its file"
    changed = text.replace(mutant.old, mutant.new)
    try:
        compile(changed, file, "exec")
    except SyntaxError as error:
        return f"it is no Python: {error}"
    file.write_text(changed)
    # What was compiled of it is told apart by size and seconds alone.
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()
    return ""


def escaped(mutant: Mutant, sound: Path, copied: Path) -> tuple[str, str]:
    """Try one mutant, in a copy of its own. Gives why it was not caught, or nothing, and what the
    failing test says.
    """
    copy(sound, copied)
    if why := seed(mutant, copied):
        return why, ""
    code, said = tests(copied, [mutant.test], "-x")
    shutil.rmtree(copied)
    failure = told(said, "FAILED", mutant.test)
    if code == FAILED and failure is not None:
        return "", failure
    if code == 0:
        return "its test passes all the same", ""
    return f"its test has ended with {code}, and has not failed: {last(said)}", ""


def passed(sound: Path, names: set[str]) -> set[str]:
    """Which tests pass without any bug."""
    code, said = tests(sound, sorted(names))
    if code == UNKNOWN and len(names) > 1:
        return {one for name in names for one in passed(sound, {name})}
    found = {name for name in names if told(said, "PASSED", name) is not None}
    if found != names:
        print(said, flush=True)
    return found


def told(said: str, outcome: str, test: str) -> str | None:
    """What the summary of pytest says of a test with an outcome; None where it is not there."""
    wanted = f"{outcome} {test}"
    for line in said.splitlines():
        if line == wanted or line.startswith(f"{wanted} - "):
            return line[len(wanted) + 3 :]
    return None


def tests(copied: Path, names: Sequence[str], *more: str) -> tuple[int, str]:
    """Run tests of a copy. Gives the exit code and what was said; a negative code for what did not
    end, and was killed.
    """
    # What pytest keeps of earlier runs it clears away, and stumbles where others do so, too.
    temporary = f"--basetemp={copied.with_name(f'{copied.name}-temporary')}"
    options = ("-q", "-rA", "-p", "no:cacheprovider", temporary)
    command = [sys.executable, "-c", _RUN, *options, *more, *names]
    process = subprocess.Popen(
        command,
        cwd=copied,
        env={**os.environ, "PYTHONPATH": str(copied), "COLUMNS": "400"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except BaseException as error:
        _kill_session(process.pid)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return -signal.SIGKILL, f"it did not end within {SECONDS} seconds"
    return process.returncode, said


def _kill_session(leader: int) -> None:
    """End all processes of a session: servers of tests have process groups of their own."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(ProcessLookupError):
            if os.getsid(int(entry)) == leader:
                os.kill(int(entry), signal.SIGKILL)


def last(said: str) -> str:
    """The last line."""
    return next((line for line in reversed(said.splitlines()) if line.strip()), "nothing")

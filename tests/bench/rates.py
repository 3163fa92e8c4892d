"""Workloads of one small request, over and over on connections that stay open: how many a second.

wrk asks. Its count of answers that are errors, and of connections that broke, has to be zero; and
what the answer says is judged before, in the very same form.
"""

import json
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import answers, ground
from tests.bench.answers import Expected, Wrong
from tests.bench.client import HOST, Answer, Client, Unanswered, href
from tests.bench.peers import PROGRAMS, Server

CONNECTIONS = 16
# One thread is enough for 100,000 requests a second, and leaves the servers the rest.
COMMAND = ("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "10s")
SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(slots=True)
class Rate:
    """GET, or with a ``body`` PROPFIND Depth 0, of one file of ``size`` bytes."""

    name: str
    title: str
    size: int
    seconds: float
    body: bytes = b""
    _content: bytes = field(default=b"")

    @property
    def path(self) -> str:
        return f"tree/{self.size} bytes.txt"

    def lay(self, root: Path, seed: int) -> None:
        chance = random.Random(seed)
        ground.plant(root / "tree", 0, 100, chance)
        self._content = chance.randbytes(self.size)
        (root / self.path).write_bytes(self._content)
        (root / self.path).chmod(0o666)

    def arrange(self, server: Server, client: Client) -> None:
        return

    def ask(self, server: Server, client: Client, *, thorough: bool) -> Answer:
        if self.body:
            self._judge_listing(server, client)
        else:
            answer = client.send(server.port, "GET", href(self.path))
            answers.status(answer, 200)
            if answer.body != self._content:
                raise Wrong("other bytes")
        asked = ("PROPFIND", self.body.decode(), "0") if self.body else ("GET", "", "")
        return run(server.port, href(self.path), asked, self.seconds)

    def _judge_listing(self, server: Server, client: Client) -> None:
        answer = client.send(server.port, "PROPFIND", href(self.path), {"Depth": "0"}, self.body)
        answers.listing(
            answer, Expected({self.path: self.size}, {answers.DAV + "getlastmodified": None})
        )


def run(port: int, path: str, asked: tuple[str, str, str], seconds: float) -> Answer:
    """Let wrk ask for a path: ``asked`` is the method, the body, and the Depth. Raises Wrong where
    any answer was an error, Unanswered where wrk fails.
    """
    # wrk knows whole seconds only.
    lasting = ("--duration", f"{max(1, round(seconds))}s", "--script", str(SCRIPT))
    ran = subprocess.run(
        [*COMMAND, *lasting, f"http://{HOST}:{port}{path}", "--", *asked],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": PROGRAMS},
    )
    if ran.returncode:
        raise Unanswered(f"wrk ended with {ran.returncode}: {ran.stderr or ran.stdout}")
    return counted(ran.stdout)


def counted(said: str) -> Answer:
    """What wrk saw, as the last line of its output tells. Raises Wrong where anything failed."""
    found: dict[str, int] = json.loads(said.strip().rpartition("\n")[2])
    failed = {
        name: found[name]
        for name in ("connect", "read", "write", "status", "timeout")
        if found[name]
    }
    if failed or not found["requests"]:
        raise Wrong(f"of {found['requests']} requests failed: {failed}")
    return Answer(200, {}, b"", found["microseconds"] / 1e6, found["requests"])


def missing() -> str:
    """Why wrk cannot be run; empty where it can."""
    return "" if shutil.which("wrk", path=PROGRAMS) else "wrk is not installed (Debian package wrk)"

"""The whole application in this process: several users, and requests of any form."""

import base64
import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from davserver import app
from davserver.accounts import Account, Accounts
from davserver.middleware import Corridor
from davserver.share import Share
from davserver.shares import Shares
from davserver.state.sqlite import SqliteState
from davserver.tree import Tree
from tests import environ

METHODS = (
    *("OPTIONS", "GET", "HEAD", "PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPFIND"),
    *("PROPPATCH", "LOCK", "UNLOCK", "POST", "PATCH", "REPORT", "TRACE", "FROB"),
)

LOCKINFO = (
    b"<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>"
    b"</D:locktype><D:owner>me</D:owner></D:lockinfo>"
)
PATCH = (
    b"<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><x xmlns='urn:x'>1</x></D:prop></D:set>"
    b"</D:propertyupdate>"
)
BODIES = {"PUT": b"put by an attacker", "LOCK": LOCKINFO, "PROPPATCH": PATCH}
"""What a method needs to have an effect."""


@dataclass(frozen=True)
class Reply:
    """An answer: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Inside:
    """An application over named directories. ``users`` have their own name as a password."""

    def __init__(self, state: Path, roots: Mapping[str, Path], *users: str, **options: Any) -> None:
        read_only = options.pop("read_only", False)
        hosts = options.pop("allowed_hosts", frozenset())
        self.state = SqliteState(state)
        self.trees = {name: Tree(str(root), **options) for name, root in roots.items()}
        shares = [Share(name, tree, read_only) for name, tree in self.trees.items()]
        accounts = Accounts(
            tuple(Account.with_password(name, name) for name in users), time.monotonic
        )
        self.shares = Shares(shares, self.state, time.time_ns)
        self.app = app.build(Corridor(self.shares, accounts, frozenset(hosts)))

    def rest(self) -> None:
        """Let what is done in the background be done."""
        self.shares.tend()
        self.shares.close()

    def close(self) -> None:
        self.rest()
        self.state.close()
        for tree in self.trees.values():
            tree.close()

    def __call__(
        self, method: str, target: str, *fields: str, body: bytes = b"", user: str = ""
    ) -> Reply:
        """Ask. ``fields`` are `Name: value`."""
        sent = {}
        if user:
            token = base64.b64encode(f"{user}:{user}".encode()).decode()
            sent["Authorization"] = f"Basic {token}"
        for field in fields:
            name, _, value = field.partition(": ")
            sent[name] = value
        told = environ.of(method, sent, body, REQUEST_URI=target)
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            begun.append((status, headers))

        blocks: Iterable[bytes] = self.app(told, start_response)
        try:
            content = b"".join(blocks)
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()
        ((status, headers),) = begun
        return Reply(int(status[:3]), {name.lower(): value for name, value in headers}, content)

    def lock(self, target: str, user: str = "", depth: str = "infinity") -> str:
        """Lock, and give the token in its brackets."""
        answer = self("LOCK", target, f"Depth: {depth}", body=LOCKINFO, user=user)
        assert answer.status in (200, 201), answer
        return answer.headers["lock-token"]


def digest(top: Path) -> str:
    """What a directory tree holds: names, kinds, modes, times and content, links not followed."""
    found = hashlib.sha256()
    for folder, names, files in os.walk(top):
        names.sort()
        for name in sorted([*names, *files]):
            path = Path(folder, name)
            facts = path.lstat()
            found.update(os.fsencode(path.relative_to(top)) + b"\0")
            times = 0 if path.is_dir() else facts.st_mtime_ns
            found.update(f"{facts.st_mode:o} {times} {facts.st_nlink}\0".encode())
            if path.is_symlink():
                found.update(os.fsencode(os.readlink(path)))
            elif path.is_file():
                found.update(path.read_bytes())
    return found.hexdigest()

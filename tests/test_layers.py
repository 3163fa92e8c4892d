"""The import law: which room may use which, read from the syntax trees."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "davserver"

UPWARD: dict[str, frozenset[str]] = {
    "protocol": frozenset(),
    "tree": frozenset({"protocol"}),
    "state": frozenset({"protocol"}),
    "accounts": frozenset({"protocol"}),
    "counts": frozenset(),
    # Says whether its lines can be written.
    "access_log": frozenset({"counts"}),
    "metrics": frozenset({"__init__", "counts"}),
    "wsgi": frozenset({"counts", "protocol"}),
    "certificates": frozenset(),
    "config": frozenset({"options", "protocol"}),
    # Recoveries are counted.
    "share": frozenset({"counts", "protocol", "tree", "state"}),
    "shares": frozenset({"counts", "protocol", "share", "state", "tree"}),
    "upkeep": frozenset({"shares"}),
    "opening": frozenset({"config", "protocol", "share", "shares", "state", "tree"}),
    "methods": frozenset({"counts", "protocol", "tree", "share", "shares", "state"}),
    "provider": frozenset({"protocol", "shares", "methods", "wsgi"}),
    "serving": frozenset({"__init__", "certificates", "counts", "protocol", "wsgi"}),
    "middleware": frozenset({"protocol", "accounts", "shares", "methods", "provider", "wsgi"})
    | {"access_log", "counts", "metrics"},
    "processes": frozenset(),
    "app": frozenset({"middleware", "provider", "wsgi"}),
    "worker": frozenset({"accounts", "app", "config", "middleware", "opening", "processes"})
    | {"access_log", "protocol", "serving", "shares", "upkeep"},
    "renewal": frozenset({"config", "opening"}),
    "commands": frozenset({"protocol", "accounts", "config", "options", "processes", "serving"})
    | {"opening", "renewal", "share", "shares", "state", "tree", "worker"}
    | {"access_log", "certificates", "counts"},
    "cli": frozenset({"__init__", "commands", "config", "options"}),
    "options": frozenset(),
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
"""For each room the rooms that it may import, beside itself."""

PURE = frozenset(
    {"abc", "base64", "binascii", "collections", "copy", "dataclasses", "datetime", "email"}
)
PURE |= {
    "enum",
    "errno",
    "functools",
    "hashlib",
    "http",
    "ipaddress",
    "itertools",
    "lxml",
    "math",
    "operator",
    "re",
    "stat",
    "string",
}
PURE |= {"re", "stat", "string", "types", "typing", "unicodedata", "urllib", "zlib"}
"""What the protocol may use: nothing of it asks the machine for anything."""

OWNERS: dict[str, tuple[str, ...]] = {
    "argon2": ("accounts/",),
    "cryptography": ("certificates/",),
    "lxml": ("protocol/documents.py",),
    "wsgidav": ("app.py", "provider.py", "middleware/"),
    "cheroot": ("serving/",),
    "prometheus_client": ("metrics.py",),
    "sqlite3": ("state/",),
    "socket": ("serving/", "processes/notify.py"),
    "ssl": ("serving/",),
    "signal": ("serving/", "processes/", "worker.py", "commands/serve.py"),
    "fcntl": ("tree/", "state/", "serving/"),
    # A worker asks the kernel for a signal when its master dies.
    "ctypes": ("tree/", "processes/forking.py"),
    "argparse": ("cli.py",),
    "tomllib": ("config/",),
    "time": ("commands/", "serving/", "processes/", "opening.py", "access_log.py", "middleware/"),
}
"""Modules that only their owners import."""

NOT_IN = {"methods": ("os", "pathlib", "shutil", "time", "subprocess")}


def rooms(path: Path) -> str:
    """The room of a source file: its folder, or its own name."""
    first = path.relative_to(HOUSE).parts[0]
    return first.removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, wherever the import stands, by its whole name. Of
    `from a import b` both `a` and `a.b`, since `b` may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports have their whole name"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "__import__",
            "import_module",
        ):
            yield "a hidden import"


def breaches(path: str, source: str) -> set[str]:
    """What a source, at a path within the house, imports against the law."""
    room = path.partition("/")[0].removesuffix(".py")
    known = set(UPWARD)
    found = set()
    for name in imported(source):
        top, _, rest = name.partition(".")
        if top == "davserver":
            target = rest.partition(".")[0]
            if target in known and target not in {room, *UPWARD[room]}:
                found.add(name)
            continue
        if top == "a hidden import":
            found.add(name)
        if room == "protocol" and top not in PURE:
            found.add(top)
        if not path.startswith(OWNERS.get(top, ("",))):
            found.add(top)
        if top in NOT_IN.get(room, ()):
            found.add(top)
        if top not in sys.stdlib_module_names and top not in OWNERS:
            found.add(top)
    return found


SOURCES = sorted(HOUSE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_source_breaks_the_law(path: Path) -> None:
    assert rooms(path) in UPWARD, "a new room needs its place in the law"
    assert breaches(str(path.relative_to(HOUSE)), path.read_text()) == set()


def test_the_law_is_a_direction() -> None:
    """No room reaches itself by way of others."""

    def reached(room: str, seen: frozenset[str] = frozenset()) -> set[str]:
        below = set()
        for one in UPWARD[room] - seen:
            below |= {one} | reached(one, seen | {one})
        return below

    for room in UPWARD:
        assert room not in reached(room)


FORBIDDEN = {
    "the protocol asks the clock": ("protocol/x.py", "import time", {"time"}),
    "the protocol opens a socket": ("protocol/x.py", "from socket import socket", {"socket"}),
    "the protocol asks the system": ("protocol/x.py", "import os.path", {"os"}),
    "the protocol knows a database": ("protocol/x.py", "import sqlite3", {"sqlite3"}),
    "the protocol knows WsgiDAV": ("protocol/x.py", "from wsgidav import util", {"wsgidav"}),
    "the protocol knows a share": (
        "protocol/x.py",
        "from davserver import share",
        {"davserver.share"},
    ),
    "XML is read elsewhere": ("protocol/paths.py", "from lxml import etree", {"lxml"}),
    "a verb opens files": ("methods/x.py", "import os", {"os"}),
    "a verb knows the database": ("methods/x.py", "import sqlite3", {"sqlite3"}),
    "a verb knows the server": ("methods/x.py", "import cheroot.server", {"cheroot"}),
    "a tree knows the state": (
        "tree/x.py",
        "from davserver.state import State",
        {"davserver.state", "davserver.state.State"},
    ),
    "a middleware hashes": ("middleware/x.py", "import argon2", {"argon2"}),
    "an import within a function": ("protocol/x.py", "def f():\n    import os\n", {"os"}),
    "an import by name": (
        "protocol/x.py",
        "__import__('os')",
        {"a hidden import"},
    ),
    "a library that nobody has chosen": ("wsgi.py", "import requests", {"requests"}),
}


@pytest.mark.parametrize(("path", "source", "found"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_breach_is_found(path: str, source: str, found: set[str]) -> None:
    """The control."""
    assert breaches(path, source) == found


def test_only_wsgi_begins_an_answer() -> None:
    """One exit: elsewhere `start_response` is at most handed on."""
    for path in SOURCES:
        if path.name == "wsgi.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "start_response":
                inside = path.relative_to(HOUSE)
                assert str(inside) == "middleware/record.py", inside

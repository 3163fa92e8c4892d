"""What the lines between requests do: to the files, to the clock, to the server."""

import hashlib
import os
import socket
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from unittest import SkipTest
from urllib.parse import unquote_to_bytes

from tests.scripts.language import Line, ScriptError, octets
from tests.scripts.world import World


def some(size: int) -> bytes:
    """Content of a size, in which no two places look the same."""
    blocks = (hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def _file(world: World, line: Line) -> None:
    path = world.path(line.arguments["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_content(line))


def _content(line: Line) -> bytes:
    if "size" in line.arguments:
        return some(int(line.arguments["size"]))
    return octets(line.arguments["text"])


def _place(world: World, line: Line) -> Path:
    path = world.path(line.arguments["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _time(world: World, line: Line) -> None:
    when = datetime.fromisoformat(line.arguments["time"]).timestamp()
    os.utime(world.path(line.arguments["path"]), (when, when))


def _socket(world: World, line: Line) -> None:
    path = _place(world, line)
    # The path may be longer than an address can be: go by the descriptor of its directory.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def _group(world: World, line: Line) -> None:
    if os.geteuid() != 0:
        raise SkipTest("only root can give a file to any group")
    os.chown(world.path(line.arguments["path"]), -1, int(line.arguments["group"]))


def _xattr(world: World, line: Line) -> None:
    value = octets(line.arguments["text"])
    os.setxattr(world.path(line.arguments["path"]), line.arguments["name"], value)


def _restart(world: World, line: Line) -> None:
    del line
    world.stop()
    world.start()


def _configure(world: World, line: Line) -> None:
    if world.runs:
        raise ScriptError(f"the server runs already: {line.text}")
    if line.word == "option":
        world.options[line.arguments["name"]] = line.arguments["value"]
    else:
        world.settings[line.word] = line.arguments["names"].split()


def _seen(line: Line, world: World) -> object:
    """What a line that looks at the disk is about, in the form of what it expects."""
    path = world.path(line.arguments["path"])
    match line.word:
        case "exists" | "absent":
            return os.path.lexists(path)
        case "content":
            return path.read_bytes()
        case "mode":
            return stat.S_IMODE(path.stat().st_mode)
        case "has-group":
            return path.stat().st_gid
        case "leads":
            return os.readlink(path)
        case "holds":
            return sorted(os.listdir(path))
        case _:
            return os.getxattr(path, line.arguments["name"])


def _look(world: World, line: Line) -> None:
    wanted: dict[str, Callable[[], object]] = {
        "exists": lambda: True,
        "absent": lambda: False,
        "content": lambda: _content(line),
        "mode": lambda: int(line.arguments["mode"], 8),
        "has-group": lambda: int(line.arguments["group"]),
        "leads": lambda: line.arguments["to"],
        "holds": lambda: sorted(
            os.fsdecode(unquote_to_bytes(name)) for name in line.arguments.get("names", "").split()
        ),
        "has-xattr": lambda: octets(line.arguments["text"]),
    }
    try:
        found = _seen(line, world)
    except OSError as error:
        found = error
    assert found == wanted[line.word](), f"found {found!r}"


ACTIONS: dict[str, Callable[[World, Line], None]] = {
    **dict.fromkeys(("shares", "read-only", "users", "hosts", "option"), _configure),
    "file": _file,
    "collection": lambda world, line: world.path(line.arguments["path"]).mkdir(
        parents=True, exist_ok=True
    ),
    "symlink": lambda world, line: _place(world, line).symlink_to(line.arguments["to"]),
    "hardlink": lambda world, line: _place(world, line).hardlink_to(
        world.path(line.arguments["to"])
    ),
    "fifo": lambda world, line: os.mkfifo(_place(world, line)),
    "socket": _socket,
    "chmod": lambda world, line: world.path(line.arguments["path"]).chmod(
        int(line.arguments["mode"], 8)
    ),
    "group": _group,
    "xattr": _xattr,
    "time": _time,
    "unlink": lambda world, line: world.path(line.arguments["path"]).unlink(),
    **dict.fromkeys(
        ("exists", "absent", "content", "mode", "leads", "holds", "has-group", "has-xattr"), _look
    ),
    "clock": lambda world, line: world.wait(int(line.arguments["seconds"])),
    "restart": _restart,
}
"""What the lines between requests do."""

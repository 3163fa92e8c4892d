"""A configuration file: a TOML table, in which paths are relative to it."""

import os
import tomllib
from pathlib import Path
from typing import Any

from davserver.config import shares
from davserver.config.settings import NOWHERE, STANDARD_ERROR, ConfigError, ShareSettings
from davserver.config.values import nearest
from davserver.options import BY_KEY

FILES = {
    "state": "state",
    "cert": "certificate",
    "key": "key",
    "access_log": "access log",
    "status": "socket of the status",
}
"""Options that name a file, which must not lie where clients can read or replace it."""
UNIX = "unix:"


def read(file: str) -> dict[str, Any]:
    """The table in a file, all of whose keys are known. Raises ConfigError."""
    try:
        with open(file, "rb") as opened:
            table = tomllib.load(opened)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}.") from error
    for key in table:
        if key not in BY_KEY and key not in ("root", "shares"):
            raise ConfigError(
                f"{file}: unknown key {key}{nearest(key, [*BY_KEY, 'root', 'shares'])}"
            )
    return table


def shares_of(table: dict[str, Any], file: str) -> tuple[ShareSettings, ...]:
    """Take the shares out of the table of a file. Raises ConfigError."""
    found: list[ShareSettings] = []
    if "root" in table:
        root = table.pop("root")
        if not isinstance(root, str):
            raise ConfigError(f"{file}: root must be a text, the path of a directory.")
        found.append(ShareSettings("", _beside(file, root)))
    named = table.pop("shares", {})
    if not isinstance(named, dict):
        raise ConfigError(f"{file}: shares must be tables, as in [shares.documents].")
    for name, share in named.items():
        where = f"{file}: shares.{name}"
        if not isinstance(share, dict) or not isinstance(share.get("path"), str):
            raise ConfigError(f"{where}: needs a path, the directory to serve.")
        for key in share:
            if key not in ("path", "read_only"):
                raise ConfigError(
                    f"{where}: unknown key {key}{nearest(key, ['path', 'read_only'])}"
                )
        read_only = share.get("read_only", False)
        if not isinstance(read_only, bool):
            raise ConfigError(f"{where}.read_only: must be true or false.")
        found.append(
            ShareSettings(shares.named(name, where), _beside(file, share["path"]), read_only)
        )
    return tuple(found)


def value_of(file: str, key: str, value: Any) -> Any:
    """A value of a file, of which paths are relative to it. Raises ConfigError."""
    if key == "status":
        is_socket = value.startswith(UNIX) and value != UNIX
        return UNIX + _beside(file, value.removeprefix(UNIX)) if is_socket else value
    if key == "access_log" and value in (NOWHERE, STANDARD_ERROR, ""):
        return value
    return _beside(file, value) if key in FILES else value


def _beside(file: str, path: str) -> str:
    """Paths in a file are relative to it, and may begin with a tilde."""
    try:
        return os.path.normpath(Path(file).parent / Path(path).expanduser())
    except RuntimeError as error:
        raise ConfigError(f"{file}: {path}: there is no such home directory.") from error

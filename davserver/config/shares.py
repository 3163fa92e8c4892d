"""The directories to serve: their names, and whether they can be served side by side."""

import os
import stat
from pathlib import Path

from davserver.config.settings import ConfigError, ShareSettings
from davserver.protocol import paths
from davserver.protocol.faults import Fault


def split_share(argument: str) -> tuple[str, str]:
    """Name and path of a share argument: `=` parts them only where no slash precedes it."""
    name, equals, path = argument.partition("=")
    return (name, path) if equals and "/" not in name else ("", argument)


def of_argument(argument: str) -> ShareSettings:
    """What `PATH` or `NAME=PATH` says. Raises ConfigError."""
    name, path = split_share(argument)
    if "=" in argument and not name and argument.startswith("="):
        raise ConfigError(f"{argument}: a share needs a name before the equals sign.")
    return ShareSettings(named(name, argument) if name else "", path)


def named(name: str, where: str) -> str:
    """A name that a share can have. Raises ConfigError."""
    try:
        target = paths.parse(f"/{paths.escape(name)}")
    except Fault:
        target = None
    if target is None or target.path != (name,) or paths.reserved(target.path):
        raise ConfigError(f"{where}: {name!r} cannot be the name of a share.")
    return name


def together(shares: tuple[ShareSettings, ...]) -> tuple[ShareSettings, ...]:
    """Shares whose names can stand beside each other. Raises ConfigError."""
    names = [share.name for share in shares]
    if "" in names and len(names) > 1:
        raise ConfigError(
            "A directory without a name is served alone: give each a name, as in NAME=PATH."
        )
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two shares have the name {name}.")
    return shares


def check_root(share: ShareSettings) -> None:
    """Whether the directory is there and can be read. Raises ConfigError."""
    denied = f"{share.path}: the server is not permitted to read this directory."
    try:
        is_directory = stat.S_ISDIR(os.stat(share.path).st_mode)
    except PermissionError as error:
        raise ConfigError(denied) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{share.path}: there is no such directory to serve.") from error
    if not is_directory:
        raise ConfigError(f"{share.path}: is not a directory.")
    if not os.access(share.path, os.R_OK | os.X_OK):
        raise ConfigError(denied)


def check_apart(shares: tuple[ShareSettings, ...]) -> None:
    """Locks would not hold where one file has two URLs. Raises ConfigError."""
    for one in shares:
        for other in shares:
            if one is not other and Path(os.path.realpath(one.path)).is_relative_to(
                os.path.realpath(other.path)
            ):
                raise ConfigError(
                    f"{one.path} lies in {other.path}: directories that are served must not "
                    "overlap, or locks would not hold."
                )

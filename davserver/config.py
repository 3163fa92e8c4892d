"""The settings, put together and checked: flags win over the environment, it over the file, the
file over the defaults of the options.
"""

import difflib
import os
import shlex
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from davserver.options import BY_KEY, CONFIG, ENVIRONMENT, OPTIONS, PASSWORD, SHARES, Option
from davserver.protocol import hosts, paths
from davserver.protocol.faults import Fault


class ConfigError(Exception):
    """What is wrong with a setting: one sentence for the operator, who gets exit code 2."""


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """A directory to serve, under a name or, where that is empty, as the root."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. ``file`` is the configuration file, or empty; ``sources`` says where
    each key has its value from.
    """

    shares: tuple[ShareSettings, ...]
    host: str
    port: int
    read_only: bool
    state: str | None
    durability: str
    user: str | None
    allowed_hosts: tuple[str, ...]
    behind_tls_proxy: bool
    insecure_http: bool
    follow_symlinks: bool
    file_mode: int | None
    dir_mode: int | None
    infinite_depth: bool
    lock_timeout: int
    workers: int | None
    threads: int
    drain_timeout: int
    verbose: bool
    sources: Mapping[str, str]
    file: str = ""


def load(
    flags: Mapping[str, Any],
    share_arguments: Sequence[str],
    environment: Mapping[str, str],
    file: str | None,
) -> Settings:
    """Put the settings together and check them. ``flags`` are those that were given, by key.

    Raises ConfigError.
    """
    file = file or environment.get(CONFIG) or None
    values: dict[str, Any] = {option.key: option.default for option in OPTIONS}
    sources = dict.fromkeys(values, "default")
    shares: tuple[ShareSettings, ...] = ()
    if file is not None:
        table = _read_file(file)
        shares = _shares_of_file(table, file)
        for key, value in table.items():
            values[key] = _checked(BY_KEY[key], value, f"{file}: {key}")
            if key == "state":
                values[key] = _beside(file, values[key])
            sources[key] = file
    _check_environment(environment)
    for option in OPTIONS:
        if option.variable in environment:
            text = environment[option.variable]
            values[option.key] = _parsed(option, text, option.variable)
            sources[option.key] = option.variable
    for key, value in flags.items():
        option = BY_KEY[key]
        values[key] = value if option.kind == "bool" else _parsed(option, value, option.flag)
        sources[key] = option.flag
    if share_arguments:
        shares = tuple(map(_share_argument, share_arguments))
    elif environment.get(SHARES):
        shares = tuple(map(_share_argument, _split(environment[SHARES], SHARES)))
    settings = Settings(shares=_together(shares), sources=sources, file=file or "", **values)
    check(settings)
    return settings


def shown(path: object) -> str:
    """A path as text that every terminal and file can hold."""
    return os.fsencode(str(path)).decode("utf-8", "replace")


def split_share(argument: str) -> tuple[str, str]:
    """Name and path of a share argument: `=` parts them only where no slash precedes it."""
    name, equals, path = argument.partition("=")
    return (name, path) if equals and "/" not in name else ("", argument)


def nearest(key: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown key: the known one that is most like it."""
    found = difflib.get_close_matches(key, known, 5, 0.5)
    if not found:
        return "."
    # Swapped letters are the commonest slip: `prot` is nearer to port than to root.
    swapped = [one for one in found if sorted(one) == sorted(key)]
    return f": did you mean {(swapped or found)[0]}?"


def _read_file(file: str) -> dict[str, Any]:
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


def _shares_of_file(table: dict[str, Any], file: str) -> tuple[ShareSettings, ...]:
    """Take the shares out of a configuration table."""
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
            ShareSettings(_share_name(name, where), _beside(file, share["path"]), read_only)
        )
    return tuple(found)


def _beside(file: str, path: str) -> str:
    """Paths in a file are relative to it, and may begin with a tilde."""
    try:
        return os.path.normpath(Path(file).parent / Path(path).expanduser())
    except RuntimeError as error:
        raise ConfigError(f"{file}: {path}: there is no such home directory.") from error


def _share_argument(argument: str) -> ShareSettings:
    name, path = split_share(argument)
    if "=" in argument and not name and argument.startswith("="):
        raise ConfigError(f"{argument}: a share needs a name before the equals sign.")
    return ShareSettings(_share_name(name, argument) if name else "", path)


def _share_name(name: str, where: str) -> str:
    try:
        target = paths.parse(f"/{paths.escape(name)}")
    except Fault:
        target = None
    if target is None or target.path != (name,) or paths.reserved(target.path):
        raise ConfigError(f"{where}: {name!r} cannot be the name of a share.")
    return name


def _together(shares: tuple[ShareSettings, ...]) -> tuple[ShareSettings, ...]:
    names = [share.name for share in shares]
    if "" in names and len(names) > 1:
        raise ConfigError(
            "A directory without a name is served alone: give each a name, as in NAME=PATH."
        )
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two shares have the name {name}.")
    return shares


def _check_environment(environment: Mapping[str, str]) -> None:
    """A misspelt variable is an error; what resembles none of ours is somebody else's."""
    known = [option.variable for option in OPTIONS] + [PASSWORD, CONFIG, SHARES]
    for name in environment:
        if name.startswith(ENVIRONMENT) and name not in known:
            like = difflib.get_close_matches(name, known, 1, 0.85)
            if like:
                raise ConfigError(f"{name}: unknown variable: did you mean {like[0]}?")


def _checked(option: Option, value: object, where: str) -> object:
    """A value of a TOML file, in the form of `Settings`."""
    if option.kind == "mode" and isinstance(value, str):
        return _parsed(option, value, where)
    if option.kind == "list" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    kinds = {"str": str, "int": int, "bool": bool}
    kind = kinds.get(option.kind)
    if kind is None or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: must be {_KINDS[option.kind]}.")
    return value


def _parsed(option: Option, text: str, where: str) -> object:
    """A value of a flag or variable, in the form of `Settings`."""
    try:
        return _PARSERS[option.kind](text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{where}: must be {_KINDS[option.kind]}, not {text!r}.") from error


def _split(text: str, where: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error


def _mode(text: str) -> int:
    mode = int(text, 8)
    if not 0 <= mode <= 0o7777:
        raise ValueError(text)
    return mode


_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list of names",
    "mode": 'permissions in octal, as in "0640"',
}
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_PARSERS: dict[str, Any] = {
    "str": str,
    "int": int,
    "bool": lambda text: _BOOLEANS[text.strip().lower()],
    "list": lambda text: tuple(name.strip() for name in text.split(",") if name.strip()),
    "mode": _mode,
}
_LEAST = {
    "port": (0, 65_535),
    "lock_timeout": (1, 31_536_000),
    "workers": (1, 1_000),
    "threads": (1, 1_000),
    "drain_timeout": (0, 86_400),
}


def check(settings: Settings) -> None:
    """What only the whole can tell. Raises ConfigError."""
    for key, (least, most) in _LEAST.items():
        value = getattr(settings, key)
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{_where(settings, key)}: must be from {least} to {most}.")
    for option in OPTIONS:
        value = getattr(settings, option.key)
        if option.choices and value not in option.choices:
            raise ConfigError(
                f"{_where(settings, option.key)}: must be {' or '.join(option.choices)}, "
                f"not {value}."
            )
    if not settings.shares:
        raise ConfigError("Nothing to serve: name a directory, as in: davserver ~/files")
    _check_address(settings)
    user = settings.user
    if user is not None and (not user or ":" in user or not user.isprintable()):
        raise ConfigError(f"{_where(settings, 'user')}: a user name has no colon and is not empty.")
    for share in settings.shares:
        _check_root(share)
    _check_apart(settings.shares)
    if settings.state is not None:
        if not settings.state or "\0" in settings.state:
            raise ConfigError(f"{_where(settings, 'state')}: must be the path of a file.")
        state = Path(os.path.realpath(settings.state))
        for share in settings.shares:
            if state.is_relative_to(os.path.realpath(share.path)):
                raise ConfigError(
                    f"{_where(settings, 'state')}: the state must not lie in a served directory "
                    f"({share.path})."
                )


def _check_address(settings: Settings) -> None:
    """What other machines can reach needs a login, and the login a secret way."""
    if hosts.is_loopback(settings.host):
        return
    if settings.user is None:
        raise ConfigError(
            f"{settings.host} can be reached from other machines: a login is needed there. "
            "Start it with --user NAME, or at 127.0.0.1."
        )
    if not (settings.behind_tls_proxy or settings.insecure_http):
        raise ConfigError(
            f"At {settings.host} the password would cross the network unencrypted. Put a proxy "
            "with TLS in front and say --behind-tls-proxy, or accept it with --insecure-http."
        )


def _check_root(share: ShareSettings) -> None:
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


def _check_apart(shares: tuple[ShareSettings, ...]) -> None:
    """Locks would not hold where one file has two URLs."""
    for one in shares:
        for other in shares:
            if one is not other and Path(os.path.realpath(one.path)).is_relative_to(
                os.path.realpath(other.path)
            ):
                raise ConfigError(
                    f"{one.path} lies in {other.path}: directories that are served must not "
                    "overlap, or locks would not hold."
                )


def _where(settings: Settings, key: str) -> str:
    source = settings.sources[key]
    return source if source in (BY_KEY[key].flag, BY_KEY[key].variable) else f"{source}: {key}"

"""The settings, put together and checked: flags win over the environment, it over the file, the
file over the defaults of the options.
"""

import difflib
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from davserver.options import BY_KEY, CONFIG, ENVIRONMENT, OPTIONS, PASSWORD, SHARES, Option
from davserver.protocol import addresses, hosts, paths, peers
from davserver.protocol.addresses import Activated, Address, Tcp, Unix
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path as UrlPath
from davserver.protocol.peers import Trusted


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
    listen: tuple[str, ...]
    unix_mode: int
    trusted_proxies: tuple[str, ...]
    proxy_protocol: bool
    prefix: str | None
    read_only: bool
    state: str | None
    durability: str
    user: str | None
    allowed_hosts: tuple[str, ...]
    cert: str | None
    key: str | None
    behind_tls_proxy: bool
    insecure_http: bool
    follow_symlinks: bool
    file_mode: int | None
    dir_mode: int | None
    infinite_depth: bool
    gzip: bool
    lock_timeout: int
    workers: int | None
    threads: int
    drain_timeout: int
    slow_uploads: int
    slowest_upload: int
    upload_grace: int
    connections: int
    access_log: str | None
    access_log_format: str
    status: str
    healthz: bool
    readyz: bool
    metrics: bool
    verbose: bool
    sources: Mapping[str, str]
    file: str = ""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All that it is to listen at. Raises ValueError before they are checked."""
        return tuple(map(addresses.parse, self.listen)) or (Tcp(self.host, self.port),)

    @property
    def trusted(self) -> Trusted:
        """The proxies that are believed. Raises ValueError before they are checked."""
        return peers.parse(self.trusted_proxies)

    @property
    def url_path(self) -> UrlPath:
        """The path that all URLs begin with. Raises Fault before it is checked."""
        return paths.parse(self.prefix or "/").path


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """Where those are told something who watch the server: at names below ``path`` beside the
    shares, empty for the top, or at the top of an ``address`` of their own.
    """

    path: str = ""
    address: Tcp | Unix | None = None


NOWHERE = "none"
STANDARD_ERROR = "-"


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
            values[key] = _in_file(file, key, values[key])
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


def access_log(settings: Settings) -> str | None:
    """The file that requests are logged to, `-` for the standard error; None for none."""
    if settings.access_log is None:
        return STANDARD_ERROR if settings.verbose else None
    return None if settings.access_log == NOWHERE else settings.access_log


def status_place(settings: Settings) -> StatusPlace | None:
    """Where the status is told, None for nowhere. Raises ConfigError."""
    text = settings.status
    if text == NOWHERE:
        return None
    if text.startswith("/"):
        if _STATUS_PATH.fullmatch(text):
            return StatusPlace(text.rstrip("/"))
    else:
        with suppress(ValueError):
            address = addresses.parse(text)
            if not isinstance(address, Activated):
                return StatusPlace(address=address)
    raise ConfigError(
        f"{_where(settings, 'status')}: must be a path as in /.~dav-status, HOST:PORT, unix:/PATH "
        f"or {NOWHERE}, not {text!r}."
    )


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


def _in_file(file: str, key: str, value: Any) -> Any:
    """A value of a file: paths are relative to it."""
    if key == "status":
        is_socket = value.startswith(_UNIX) and value != _UNIX
        return _UNIX + _beside(file, value.removeprefix(_UNIX)) if is_socket else value
    if key == "access_log" and value in (NOWHERE, STANDARD_ERROR, ""):
        return value
    return _beside(file, value) if key in _FILES else value


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
_MOST_PERMISSIONS = 0o777
"""Of a socket: nothing else of a mode has a meaning there."""
_FILES = {
    "state": "state",
    "cert": "certificate",
    "key": "key",
    "access_log": "access log",
    "status": "socket of the status",
}
"""Options that name a file, which must not lie where clients can read or replace it."""
_UNIX = "unix:"
_STATUS_PATH = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[\w.~!$&'()*+,;=:@-]+)+/?", re.ASCII)
"""No two spellings of one path: no escapes, no dot segments."""
_LEAST = {
    "port": (0, 65_535),
    "lock_timeout": (1, 31_536_000),
    "workers": (1, 256),
    "threads": (1, 1_000),
    "drain_timeout": (0, 86_400),
    "slow_uploads": (1, 10_000),
    "slowest_upload": (0, 1_000_000_000),
    "upload_grace": (1, 86_400),
    "connections": (1, 1_000_000),
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
    _check_addresses(settings)
    _check_proxies(settings)
    _check_prefix(settings)
    user = settings.user
    if user is not None and (not user or ":" in user or not user.isprintable()):
        raise ConfigError(f"{_where(settings, 'user')}: a user name has no colon and is not empty.")
    for share in settings.shares:
        _check_root(share)
    _check_apart(settings.shares)
    log, place = access_log(settings), status_place(settings)
    files = {key: getattr(settings, key) for key in _FILES}
    files["access_log"] = None if log == STANDARD_ERROR else log
    address = place.address if place else None
    files["status"] = address.path if isinstance(address, Unix) else None
    for key, path in files.items():
        if path is not None:
            _check_path(settings, key, path)
    if settings.key is not None and settings.cert is None:
        raise ConfigError(
            f"{_where(settings, 'key')}: a key needs its certificate: name that with --cert."
        )
    host = address.host if isinstance(address, Tcp) else ""
    if host and not hosts.is_loopback(host) and not settings.insecure_http:
        raise ConfigError(
            f"{_where(settings, 'status')}: {host} can be reached from other machines, and who "
            "asks there needs no login: take 127.0.0.1 or unix:PATH, or accept it with "
            "--insecure-http."
        )


def _check_path(settings: Settings, key: str, path: str) -> None:
    if not path or "\0" in path:
        raise ConfigError(f"{_where(settings, key)}: must be the path of a file.")
    real = Path(os.path.realpath(path))
    for share in settings.shares:
        if real.is_relative_to(os.path.realpath(share.path)):
            raise ConfigError(
                f"{_where(settings, key)}: the {_FILES[key]} must not lie in a served directory "
                f"({share.path})."
            )


def _check_addresses(settings: Settings) -> None:
    where = _where(settings, "listen")
    known: set[Address] = set()
    for text in settings.listen:
        try:
            address = addresses.parse(text)
        except ValueError as error:
            raise ConfigError(f"{where}: {text} {error}.") from error
        if address in known and not (isinstance(address, Tcp) and not address.port):
            raise ConfigError(f"{where}: {text} is there twice.")
        known.add(address)
    for key in ("host", "port") if settings.listen else ():
        if _nearness(settings.sources[key]) >= max(1, _nearness(settings.sources["listen"])):
            raise ConfigError(
                f"{_where(settings, key)}: is not for a server that has addresses of its own "
                f"({where}): say all of them there, as in {settings.host}:{settings.port}."
            )
    if settings.unix_mode > _MOST_PERMISSIONS:
        raise ConfigError(f"{_where(settings, 'unix_mode')}: must be permissions, as in 0660.")
    for address in settings.addresses:
        if isinstance(address, Tcp):
            check_host(settings, address.host)


def _nearness(source: str) -> int:
    """How near to the command a setting was made: as default, in the file, in a variable, there."""
    if source == "default":
        return 0
    return 3 if source.startswith("--") else 2 if source.startswith(ENVIRONMENT) else 1


def _check_proxies(settings: Settings) -> None:
    where = _where(settings, "trusted_proxies")
    try:
        trusted = settings.trusted
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error
    if settings.proxy_protocol and not trusted:
        raise ConfigError(
            f"{_where(settings, 'proxy_protocol')}: needs trusted_proxies, the addresses of those "
            "that speak it."
        )


def _check_prefix(settings: Settings) -> None:
    where = _where(settings, "prefix")
    if settings.prefix and not settings.prefix.startswith("/"):
        raise ConfigError(f"{where}: must begin with a slash, as in /dav.")
    try:
        path = settings.url_path
    except Fault as error:
        raise ConfigError(f"{where}: {settings.prefix} cannot be the path of a URL.") from error
    if paths.reserved(path) or "?" in (settings.prefix or ""):
        raise ConfigError(f"{where}: {settings.prefix} cannot be the path of a URL.")


def check_host(settings: Settings, host: str) -> None:
    """What other machines can reach needs a login, and the login a secret way. Raises ConfigError
    where a server at ``host`` would lack them.
    """
    if hosts.is_loopback(host):
        return
    if settings.user is None:
        raise ConfigError(
            f"{host} can be reached from other machines: a login is needed there. "
            "Start it with --user NAME, or at 127.0.0.1."
        )
    if not (settings.cert or settings.behind_tls_proxy or settings.insecure_http):
        raise ConfigError(
            f"At {host} the password would cross the network unencrypted. Give it a "
            "certificate with --cert and --key (davserver cert makes one), or put a proxy with TLS "
            "in front and say --behind-tls-proxy, or accept it with --insecure-http."
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

"""What only all settings together can tell."""

import os
from pathlib import Path

from davserver.config import shares
from davserver.config.files import FILES
from davserver.config.settings import (
    STANDARD_ERROR,
    ConfigError,
    Settings,
    access_log,
    status_place,
    where_of,
)
from davserver.options import ENVIRONMENT, OPTIONS
from davserver.protocol import addresses, hosts, paths
from davserver.protocol.addresses import Address, Tcp, Unix
from davserver.protocol.faults import Fault

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
_MOST_PERMISSIONS = 0o777
"""Of a socket: nothing else of a mode has a meaning there."""


def check(settings: Settings) -> None:
    """What only the whole can tell. Raises ConfigError."""
    for key, (least, most) in _LEAST.items():
        value = getattr(settings, key)
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{where_of(settings, key)}: must be from {least} to {most}.")
    for option in OPTIONS:
        value = getattr(settings, option.key)
        if option.choices and value not in option.choices:
            raise ConfigError(
                f"{where_of(settings, option.key)}: must be {' or '.join(option.choices)}, "
                f"not {value}."
            )
    if not settings.shares:
        raise ConfigError("Nothing to serve: name a directory, as in: davserver ~/files")
    _check_addresses(settings)
    _check_proxies(settings)
    _check_prefix(settings)
    user = settings.user
    if user is not None and (not user or ":" in user or not user.isprintable()):
        raise ConfigError(
            f"{where_of(settings, 'user')}: a user name has no colon and is not empty."
        )
    for share in settings.shares:
        shares.check_root(share)
    shares.check_apart(settings.shares)
    log, place = access_log(settings), status_place(settings)
    files = {key: getattr(settings, key) for key in FILES}
    files["access_log"] = None if log == STANDARD_ERROR else log
    address = place.address if place else None
    files["status"] = address.path if isinstance(address, Unix) else None
    for key, path in files.items():
        if path is not None:
            _check_path(settings, key, path)
    if settings.key is not None and settings.cert is None:
        raise ConfigError(
            f"{where_of(settings, 'key')}: a key needs its certificate: name that with --cert."
        )
    host = address.host if isinstance(address, Tcp) else ""
    if host and not hosts.is_loopback(host) and not settings.insecure_http:
        raise ConfigError(
            f"{where_of(settings, 'status')}: {host} can be reached from other machines, and who "
            "asks there needs no login: take 127.0.0.1 or unix:PATH, or accept it with "
            "--insecure-http."
        )


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


def _check_path(settings: Settings, key: str, path: str) -> None:
    if not path or "\0" in path:
        raise ConfigError(f"{where_of(settings, key)}: must be the path of a file.")
    real = Path(os.path.realpath(path))
    for share in settings.shares:
        if real.is_relative_to(os.path.realpath(share.path)):
            raise ConfigError(
                f"{where_of(settings, key)}: the {FILES[key]} must not lie in a served directory "
                f"({share.path})."
            )


def _check_addresses(settings: Settings) -> None:
    where = where_of(settings, "listen")
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
                f"{where_of(settings, key)}: is not for a server that has addresses of its own "
                f"({where}): say all of them there, as in {settings.host}:{settings.port}."
            )
    if settings.unix_mode > _MOST_PERMISSIONS:
        raise ConfigError(f"{where_of(settings, 'unix_mode')}: must be permissions, as in 0660.")
    for address in settings.addresses:
        if isinstance(address, Tcp):
            check_host(settings, address.host)


def _nearness(source: str) -> int:
    """How near to the command a setting was made: as default, in the file, in a variable, there."""
    if source == "default":
        return 0
    return 3 if source.startswith("--") else 2 if source.startswith(ENVIRONMENT) else 1


def _check_proxies(settings: Settings) -> None:
    where = where_of(settings, "trusted_proxies")
    try:
        trusted = settings.trusted
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error
    if settings.proxy_protocol and not trusted:
        raise ConfigError(
            f"{where_of(settings, 'proxy_protocol')}: needs trusted_proxies, the addresses of "
            "those that speak it."
        )


def _check_prefix(settings: Settings) -> None:
    where = where_of(settings, "prefix")
    if settings.prefix and not settings.prefix.startswith("/"):
        raise ConfigError(f"{where}: must begin with a slash, as in /dav.")
    try:
        path = settings.url_path
    except Fault as error:
        raise ConfigError(f"{where}: {settings.prefix} cannot be the path of a URL.") from error
    if paths.reserved(path) or "?" in (settings.prefix or ""):
        raise ConfigError(f"{where}: {settings.prefix} cannot be the path of a URL.")

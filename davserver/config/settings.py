"""What the settings are, once they are checked, and what follows from some of them."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from davserver.options import BY_KEY
from davserver.protocol import addresses, paths, peers
from davserver.protocol.addresses import Activated, Address, Tcp, Unix
from davserver.protocol.paths import Path as UrlPath
from davserver.protocol.peers import Trusted

NOWHERE = "none"
STANDARD_ERROR = "-"
_STATUS_PATH = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[\w.~!$&'()*+,;=:@-]+)+/?", re.ASCII)
"""No two spellings of one path: no escapes, no dot segments."""


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
        f"{where_of(settings, 'status')}: must be a path as in /.~dav-status, HOST:PORT, "
        f"unix:/PATH or {NOWHERE}, not {text!r}."
    )


def shown(path: object) -> str:
    """A path as text that every terminal and file can hold."""
    return os.fsencode(str(path)).decode("utf-8", "replace")


def where_of(settings: Settings, key: str) -> str:
    """Where the operator has set a key, as a sentence about it begins."""
    source = settings.sources[key]
    return source if source in (BY_KEY[key].flag, BY_KEY[key].variable) else f"{source}: {key}"

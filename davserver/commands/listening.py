"""The sockets of a server, from its settings, and how they are told to its operator."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from davserver.config import ConfigError, Settings, check_host, shown, status_place
from davserver.protocol import paths
from davserver.serving import CannotListen, Listener, listen_at


@contextmanager
def listening(settings: Settings, scheme: str = "http") -> Iterator[list[Listener]]:
    """Listen at all addresses of the settings, or at none; ends at the end. Raises ConfigError."""
    mode, place = settings.unix_mode, status_place(settings)
    with ExitStack() as held:
        try:
            found = listen_at(settings.addresses, unix_mode=mode, scheme=scheme)
            for one in found:
                held.callback(one.close)
            watched = listen_at((place.address,), unix_mode=mode) if place and place.address else []
            for one in watched:
                held.callback(one.close)
        except CannotListen as error:
            raise ConfigError(str(error)) from error
        check_reach(settings, found)
        yield [*found, *(replace(one, is_status=True) for one in watched)]


def check_reach(settings: Settings, listeners: Sequence[Listener]) -> None:
    """Where sockets of systemd can be reached, only they can tell. Raises ConfigError where the
    settings lack what is needed there.
    """
    for one in listeners:
        if one.host and settings.listen and not one.is_status:
            check_host(settings, one.host)


def told(settings: Settings, listeners: Sequence[Listener]) -> list[str]:
    """Where the status is told, at an address of its own."""
    return [_place(replace(settings, prefix=""), one) for one in listeners if one.is_status]


def base_url(settings: Settings, listener: Listener) -> str:
    """The URL of the root of what is served at a listener."""
    return listener.url.removesuffix("/") + paths.href(settings.url_path, True)


def places(settings: Settings, listeners: Sequence[Listener]) -> list[str]:
    """Where to find the server, in words: of a Unix socket with what shows it to curl."""
    return [_place(settings, one) for one in listeners if not one.is_status]


def _place(settings: Settings, listener: Listener) -> str:
    url = base_url(settings, listener)
    if not listener.path:
        return url
    return f"{shown(listener)} (curl --unix-socket {shlex.quote(shown(listener.path))} {url})"

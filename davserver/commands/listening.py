"""The sockets of a server, from its settings, and how they are told to its operator."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from davserver.config import ConfigError, Settings, check_host, shown
from davserver.protocol import paths
from davserver.serving import CannotListen, Listener, listen_at


@contextmanager
def listening(settings: Settings, scheme: str = "http") -> Iterator[list[Listener]]:
    """Listen at all addresses of the settings, or at none; ends at the end. Raises ConfigError."""
    try:
        found = listen_at(settings.addresses, unix_mode=settings.unix_mode, scheme=scheme)
    except CannotListen as error:
        raise ConfigError(str(error)) from error
    with ExitStack() as held:
        for one in found:
            held.callback(one.close)
        for one in found:
            # Where those of systemd can be reached, only they can tell.
            if one.host and settings.listen:
                check_host(settings, one.host)
        yield found


def base_url(settings: Settings, listener: Listener) -> str:
    """The URL of the root of what is served at a listener."""
    return listener.url.removesuffix("/") + paths.href(settings.url_path, True)


def places(settings: Settings, listeners: Sequence[Listener]) -> list[str]:
    """Where to find the server, in words: of a Unix socket with what shows it to curl."""
    return [_place(settings, one) for one in listeners]


def _place(settings: Settings, listener: Listener) -> str:
    url = base_url(settings, listener)
    if not listener.path:
        return url
    return f"{shown(listener)} (curl --unix-socket {shlex.quote(shown(listener.path))} {url})"

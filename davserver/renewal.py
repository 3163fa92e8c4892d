"""Which of new settings can be taken while the server runs."""

from dataclasses import replace

from davserver import config, opening
from davserver.config import Settings

FIXED = ("host", "port", "listen", "unix_mode", "status", "state")
"""Sockets are open already, and two states at a time would mean two kinds of locks."""


def renewed(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The settings to serve by from now on, and the keys of those that need a restart: they stay as
    they were. Raises ConfigError where the two do not go together.
    """
    kept = [key for key in FIXED if getattr(old, key) != getattr(new, key)]
    found = replace(new, **{key: getattr(old, key) for key in kept})
    if opening.state_file(found) != opening.state_file(old):
        # The file has its name from what is served.
        kept.append("root" if "" in (share.name for share in old.shares) else "shares")
        found = replace(found, shares=old.shares)
    config.check(found)
    return found, tuple(kept)


def is_same(old: Settings, new: Settings) -> bool:
    """Whether all values are the same, wherever they come from."""
    return replace(new, sources=old.sources, file=old.file) == old

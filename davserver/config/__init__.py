"""The settings, put together and checked: flags win over the environment, it over the file, the
file over the defaults of the options.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from davserver.config import files, shares, values
from davserver.config.checks import check, check_host
from davserver.config.settings import (
    ConfigError,
    Settings,
    ShareSettings,
    StatusPlace,
    access_log,
    shown,
    status_place,
)
from davserver.config.shares import split_share
from davserver.config.values import nearest
from davserver.options import BY_KEY, CONFIG, ENVIRONMENT, OPTIONS, PASSWORD, SHARES

__all__ = [
    "ConfigError",
    "Settings",
    "ShareSettings",
    "StatusPlace",
    "access_log",
    "check",
    "check_host",
    "load",
    "nearest",
    "shown",
    "split_share",
    "status_place",
]


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
    found: dict[str, Any] = {option.key: option.default for option in OPTIONS}
    sources = dict.fromkeys(found, "default")
    served: tuple[ShareSettings, ...] = ()
    if file is not None:
        table = files.read(file)
        served = files.shares_of(table, file)
        for key, value in table.items():
            found[key] = values.checked(BY_KEY[key], value, f"{file}: {key}")
            found[key] = files.value_of(file, key, found[key])
            sources[key] = file
    _check_environment(environment)
    for option in OPTIONS:
        if option.variable in environment:
            text = environment[option.variable]
            found[option.key] = values.parsed(option, text, option.variable)
            sources[option.key] = option.variable
    for key, value in flags.items():
        option = BY_KEY[key]
        found[key] = value if option.kind == "bool" else values.parsed(option, value, option.flag)
        sources[key] = option.flag
    if share_arguments:
        served = tuple(map(shares.of_argument, share_arguments))
    elif environment.get(SHARES):
        served = tuple(map(shares.of_argument, values.split(environment[SHARES], SHARES)))
    settings = Settings(shares=shares.together(served), sources=sources, file=file or "", **found)
    check(settings)
    return settings


def _check_environment(environment: Mapping[str, str]) -> None:
    """A misspelt variable is an error; what resembles none of ours is somebody else's."""
    known = [option.variable for option in OPTIONS] + [PASSWORD, CONFIG, SHARES]
    for name in environment:
        if name.startswith(ENVIRONMENT) and name not in known:
            like = difflib.get_close_matches(name, known, 1, 0.85)
            if like:
                raise ConfigError(f"{name}: unknown variable: did you mean {like[0]}?")

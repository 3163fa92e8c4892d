"""One setting: what its value is in a file, a flag or a variable, and what it must be."""

import difflib
import shlex
from collections.abc import Sequence
from typing import Any

from davserver.config.settings import ConfigError
from davserver.options import Option

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


def nearest(key: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown key: the known one that is most like it."""
    found = difflib.get_close_matches(key, known, 5, 0.5)
    if not found:
        return "."
    # Swapped letters are the commonest slip: `prot` is nearer to port than to root.
    swapped = [one for one in found if sorted(one) == sorted(key)]
    return f": did you mean {(swapped or found)[0]}?"


def checked(option: Option, value: object, where: str) -> object:
    """A value of a TOML file, in the form of `Settings`. Raises ConfigError."""
    if option.kind == "mode" and isinstance(value, str):
        return parsed(option, value, where)
    if option.kind == "list" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    kinds = {"str": str, "int": int, "bool": bool}
    kind = kinds.get(option.kind)
    if kind is None or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: must be {_KINDS[option.kind]}.")
    return value


def parsed(option: Option, text: str, where: str) -> object:
    """A value of a flag or variable, in the form of `Settings`. Raises ConfigError."""
    try:
        return _PARSERS[option.kind](text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{where}: must be {_KINDS[option.kind]}, not {text!r}.") from error


def split(text: str, where: str) -> list[str]:
    """The words of a variable, as a shell would see them. Raises ConfigError."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.") from error


def _mode(text: str) -> int:
    mode = int(text, 8)
    if not 0 <= mode <= 0o7777:
        raise ValueError(text)
    return mode


_PARSERS: dict[str, Any] = {
    "str": str,
    "int": int,
    "bool": lambda text: _BOOLEANS[text.strip().lower()],
    "list": lambda text: tuple(name.strip() for name in text.split(",") if name.strip()),
    "mode": _mode,
}

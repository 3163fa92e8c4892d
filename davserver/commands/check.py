"""`davserver check`: says what is wrong with a configuration, or what it comes to."""

import json

from davserver.config import Settings, shown
from davserver.options import OPTIONS


def run(settings: Settings) -> int:
    """Print the effective settings as TOML, with where each comes from."""
    for option in OPTIONS:
        value = getattr(settings, option.key)
        source = settings.sources[option.key]
        if value is None:
            print(f"# {option.key} is not set")
        else:
            print(f"{option.key} = {_toml(option.kind, value)}  # {source}")
    for share in settings.shares:
        if not share.name:
            print(f"root = {_text(share.path)}")
    for share in settings.shares:
        if share.name:
            print(f"\n[shares.{_text(share.name)}]")
            print(f"path = {_text(share.path)}")
            print(f"read_only = {_toml('bool', share.read_only or settings.read_only)}")
    return 0


def _toml(kind: str, value: object) -> str:
    if kind == "mode" and isinstance(value, int):
        return f'"{value:04o}"'
    return _text(list(value) if isinstance(value, tuple) else value)


def _text(value: object) -> str:
    """TOML has JSON's texts, but none of its surrogate pairs."""
    return shown(json.dumps(value, ensure_ascii=False))

"""`davserver check`: says what is wrong with a configuration, or what it comes to; and whether the
state and the served trees fit together.
"""

import json
from datetime import UTC, datetime

from davserver import opening
from davserver.commands import encryption
from davserver.commands.repair import look_unstored, mend, mend_unstored
from davserver.commands.report import Report
from davserver.config import Settings, shown
from davserver.options import OPTIONS
from davserver.share.examination import Finding, examine, lasting
from davserver.shares import PAUSE

SECONDS = 0.3
"""Between two looks."""


def run(settings: Settings, repair: bool = False) -> int:
    """Print the effective settings as TOML, with where each comes from; behind them, as comments,
    what was found out about the file systems, the state and the trees. Gives 1 where something is
    wrong with these. Raises ConfigError.
    """
    told = Report()
    tls = encryption.of(settings)
    file = opening.state_file(settings)
    opening.require_local(file)
    try:
        told.grounds(opening.survey(settings, file), settings.durability)
    except OSError as error:
        told.wrong(f"the mounted file systems cannot be listed: {error.strerror}")
    if tls is not None:
        for line in encryption.described(settings, tls.pair, datetime.now(UTC)):
            told.say(line)
    try:
        if repair:
            mend(settings, told)
        else:
            _look(settings, told)
    except FileNotFoundError:
        told.say(f"state: {shown(file)} is not there yet; the first start makes it")
        if repair:
            mend_unstored(settings, told)
        else:
            with opening.unstored(settings) as (shares, rows):
                told.findings(look_unstored(shares, rows))
    _print_settings(settings)
    print(told.text(), end="")
    return 1 if told.is_wrong else 0


def _look(settings: Settings, told: Report) -> None:
    """Tell what is wrong, and change nothing."""
    with opening.inspected(settings) as (shares, state):
        told.state(state)
        if state.damage:
            # Without its rows nobody knows what else is needed.
            return
        found = examine(shares, state.rows, state.is_orphan)
    if found and state.owners:
        found = lasting(lambda: _again(settings), lambda: PAUSE(SECONDS))
    told.findings(found, is_served=bool(state.owners))


def _again(settings: Settings) -> list[Finding]:
    with opening.inspected(settings) as (shares, state):
        return examine(shares, state.rows, state.is_orphan)


def _print_settings(settings: Settings) -> None:
    """The settings as TOML, which can be given back as a configuration."""
    for option in OPTIONS:
        value = getattr(settings, option.key)
        source = settings.sources[option.key]
        if value is None:
            print(f"# {option.key} is not set")
        elif settings.listen and option.key in ("host", "port"):
            print(f"# {option.key} is not used: all addresses are in listen")
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


def _toml(kind: str, value: object) -> str:
    if kind == "mode" and isinstance(value, int):
        return f'"{value:04o}"'
    return _text(list(value) if isinstance(value, tuple) else value)


def _text(value: object) -> str:
    """TOML has JSON's texts, but none of its surrogate pairs."""
    return shown(json.dumps(value, ensure_ascii=False))

"""`davserver export`: writes locks and properties as lines of JSON, while a server may run."""

import os
import sys
from datetime import UTC, datetime

from davserver import opening
from davserver.commands.report import shown_path
from davserver.config import ConfigError, Settings, shown
from davserver.share import exchange
from davserver.state.inspection import Inspection


def run(settings: Settings) -> int:
    """Print the rows of all shares. Gives 1 where they cannot be trusted. Raises ConfigError."""
    try:
        with opening.inspected(settings) as (shares, state):
            if state.damage:
                print(
                    f"davserver: {shown(state.file)} is {state.damage}: nothing is exported. "
                    "davserver check says what to do.",
                    file=sys.stderr,
                )
                return 1
            now = datetime.now(UTC).isoformat(timespec="seconds")
            print(exchange.header(state.version, now))
            is_empty = True
            for rows in exchange.records(shares, state.rows):
                print(exchange.line(rows))
                is_empty = False
            sys.stdout.flush()
            if is_empty:
                print(f"davserver: {_nothing(state)}", file=sys.stderr)
    except FileNotFoundError as error:
        raise ConfigError(opening.no_state(settings)) from error
    except OSError as error:
        print(f"davserver: the export is not whole: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def _nothing(state: Inspection) -> str:
    """The sentence about a store that has no rows of what is served."""
    found = state.rows.stamps(())
    name = shown(state.file)
    if not found:
        return f"{name}: there are no locks and properties in it."
    folder = os.path.commonpath([shown_path(key[:-1]) for key in found])
    return (
        f"{name}: there are locks and properties of what is below {folder} in it, and none of what "
        "is served. Is it another file (--state), or are other directories served?"
    )

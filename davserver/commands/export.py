"""`davserver export`: writes locks and properties as lines of JSON, while a server may run."""

import sys
from datetime import UTC, datetime

from davserver import opening
from davserver.config import ConfigError, Settings, shown
from davserver.share import exchange


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
            for rows in exchange.records(shares, state.rows):
                print(exchange.line(rows))
            sys.stdout.flush()
    except FileNotFoundError as error:
        raise ConfigError(opening.no_state(settings)) from error
    except OSError as error:
        print(f"davserver: the export is not whole: {error.strerror}.", file=sys.stderr)
        return 1
    return 0

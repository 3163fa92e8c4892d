"""`davserver backup --output FILE`: copies locks and properties, while a server may run."""

import os
import sys
from pathlib import Path

from davserver import opening
from davserver.config import ConfigError, Settings, shown
from davserver.protocol.faults import Fault
from davserver.state.inspection import Inspection


def run(settings: Settings, output: str | None = None) -> int:
    """Copy the state to a new file that a server can be started with. Gives 1 where that failed.
    Raises ConfigError.
    """
    if not output:
        raise ConfigError("davserver backup needs --output FILE, the new file.")
    target = Path(output)
    real = Path(os.path.realpath(target))
    for share in settings.shares:
        if real.is_relative_to(os.path.realpath(share.path)):
            raise ConfigError(
                f"--output: the backup must not lie in a served directory ({share.path})."
            )
    try:
        with opening.inspected(settings) as (_, state):
            wrong = _copy(state, target)
    except FileNotFoundError as error:
        raise ConfigError(opening.no_state(settings)) from error
    if wrong:
        print(f"davserver: {wrong}", file=sys.stderr)
        return 1
    print(f"{shown(state.file)} is saved as {shown(target)}")
    return 0


def _copy(state: Inspection, target: Path) -> str:
    """Gives what went wrong, or empty."""
    complaints = state.complaints()
    if complaints:
        return f"{shown(state.file)}: {complaints[0]}: not copied. davserver check says what to do."
    try:
        state.copy(target)
    except FileExistsError:
        return f"{shown(target)}: is there already, and stays as it is."
    except OSError as error:
        return f"{shown(target)}: cannot be written: {error.strerror}."
    except Fault as error:
        return f"{shown(state.file)}: {error.sentence}"
    return ""

"""The sub-commands of `davserver`, one a room: from checked settings to an exit code."""

from collections.abc import Callable

from davserver.commands import check, serve
from davserver.config import Settings

TABLE: dict[str, Callable[[Settings], int]] = {"check": check.run, "serve": serve.run}
"""`serve` is what `davserver` does without a sub-command."""

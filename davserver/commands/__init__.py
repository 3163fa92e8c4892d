"""The sub-commands of `davserver`, one a room: from checked settings to an exit code."""

from collections.abc import Callable

from davserver.commands import backup, cert, check, export, import_, serve

TABLE: dict[str, Callable[..., int]] = {
    "backup": backup.run,
    "check": check.run,
    "export": export.run,
    "import": import_.run,
    "serve": serve.run,
}
"""Each is called with the settings, and with its own flags by name (`options.FLAGS`). `serve` is
what `davserver` does without a sub-command; it is given what loads the settings again, too.
"""

ALONE: dict[str, Callable[..., int]] = {"cert": cert.run}
"""Those that need no settings, and get their own flags alone."""

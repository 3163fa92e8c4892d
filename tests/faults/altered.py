"""A davserver that has been changed on purpose, in its own process only."""

from pathlib import Path

from tests.running import Running

_MAIN = "import sys; from davserver.cli import main; sys.exit(main())"


class Altered(Running):
    """``change`` is Python that runs before the server starts: a shorter time-out that is no
    option, or a fault that a control has to find.
    """

    def __init__(
        self,
        *arguments: str | Path,
        state: Path,
        change: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        super().__init__(*arguments, state=state, environment=environment)
        module = self.command.index("-m")
        self.command[module : module + 2] = ["-c", f"{change}\n{_MAIN}"]


def idle(seconds: float) -> str:
    """The change that ends a connection after so many seconds of silence."""
    return f"from davserver.serving import server; server.IDLE_SECONDS = {seconds}"

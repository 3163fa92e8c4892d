"""The place of one worker among the others, as the worker itself sees it."""

from davserver.processes.board import Board
from davserver.processes.reports import Reports


class Seat:
    """``number`` counts the workers of a crew from 0. ``is_successor`` says that another worker
    had the place before, and has died.
    """

    def __init__(self, number: int, board: Board, reports: Reports, bell: int) -> None:
        self.number = number
        self.bell = bell
        """An eventfd that all workers of the crew have, and that does not block."""
        self.is_successor = False
        self._board = board
        self._reports = reports

    def beat(self) -> None:
        """To be called again and again by what must not stand still: see `crew.STUCK_SECONDS`."""
        self._board.beat(self.number)

    def hold(self, number: int) -> None:
        """Show how many clients this worker has."""
        self._board.hold(self.number, number)

    def is_ahead(self) -> bool:
        """Whether others have fewer, and are better left the next ones."""
        return self._board.is_ahead(self.number)

    @property
    def has_heirs(self) -> bool:
        """Whether other workers have taken the place of all of these."""
        return self._board.has_heirs

    def ready(self) -> None:
        """Tell the master that clients can come."""
        self._reports.say()

    def refuse(self, sentence: str) -> None:
        """Tell the master why this worker cannot begin, and no other could. It is to end then."""
        self._reports.say(sentence or "no reason")

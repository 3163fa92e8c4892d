"""The way into a commit section, and out of it: names, rows and whoever waits, in one order."""

import logging
import sys
from collections.abc import Callable
from types import TracebackType

from davserver import counts
from davserver.protocol import faults
from davserver.protocol.faults import Fault
from davserver.share import recovery
from davserver.share.section import Section
from davserver.state import Intent, Operation, State, Writer

log = logging.getLogger("davserver.storage")


PATIENCE = 5.0
"""Seconds that a request waits for a tree operation that is in its way."""
PAUSE_SECONDS = 0.02


class Entrance:
    """A context manager around one section, which ``over`` makes of the writer that it is given.

    ``admits`` is asked first, within it: where it says no, the section is left again for a while,
    and in the end Fault 503 is raised. ``refuse`` is called before it waits: what is to be refused
    does not wait for that. ``pause`` waits for some seconds.

    Names are durable before it is left. Where it fails after names had been changed, it raises
    Fault 500 instead of what the storage said: nobody shall think that nothing is done.

    A class, because every change passes here: generators take several times as long.
    """

    __slots__ = (
        "_admits",
        "_has_changed",
        "_over",
        "_pause",
        "_refuse",
        "_section",
        "_state",
        "_transaction",
    )

    def __init__(
        self,
        state: State,
        over: Callable[[Writer], Section],
        pause: Callable[[float], object],
        admits: Callable[[Section], bool] = lambda _: True,
        refuse: Callable[[], object] = lambda: None,
    ) -> None:
        self._state = state
        self._over = over
        self._admits = admits
        self._refuse = refuse
        self._pause = pause

    def __enter__(self) -> Section:
        waited = 0.0
        while True:
            section = self._enter()
            try:
                if self._admits(section):
                    return section
            except BaseException:
                self.__exit__(*sys.exc_info())
                raise
            self.__exit__(None, None, None)
            if not waited:
                self._refuse()
            if waited >= PATIENCE:
                raise faults.busy()
            self._pause(PAUSE_SECONDS)
            waited += PAUSE_SECONDS

    def _enter(self) -> Section:
        self._has_changed = False
        self._transaction = self._state.write(self._settle)
        writer = self._transaction.__enter__()
        try:
            section = self._section = self._over(writer)
            return section
        except BaseException:
            self._transaction.__exit__(*sys.exc_info())
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        names = self._section.names
        try:
            self._transaction.__exit__(kind, error, trace)
            if error is None:
                self._has_changed = True
                names.sync()
        except (OSError, Fault) as failed:
            if not self._has_changed:
                raise
            log.error("a change may have been made or not: %r", failed)
            raise faults.unsure() from failed
        finally:
            names.close()
        if self._has_changed and isinstance(error, OSError | Fault):
            log.error("a change may have been made or not: %r", error)
            raise faults.unsure() from error

    def _settle(self, writer: Writer) -> None:
        """The section has failed after it had kept an intent: finish or drop that at once."""
        # Until it is known.
        self._has_changed = True
        section = self._over(writer)
        try:
            found = [intent for intent in reversed(writer.intents()) if not intent.lasts]
            ended = [_is_ended(section, intent) for intent in found]
            self._has_changed = any(ended)
        finally:
            section.names.close()


def _is_ended(section: Section, intent: Intent) -> bool:
    """Whether the recovery of an intent has gone forward."""
    try:
        is_finished = recovery.recover(section, intent)
    except recovery.Elsewhere:
        # Whoever serves that tree finishes it.
        return False
    if intent.operation is not Operation.DISCARD:
        counts.recovered(is_finished)
    return is_finished

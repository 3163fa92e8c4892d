"""What is needed no longer: discarded when there is time, or at once where space has run out."""

import errno
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from davserver.protocol import paths
from davserver.protocol.faults import Fault
from davserver.share.place import Place, Share, holding
from davserver.share.section import Section
from davserver.state import Operation, State
from davserver.tree import TRASH, Halted, content

log = logging.getLogger("davserver.storage")

Done = TypeVar("Done")
Enter = Callable[[], AbstractContextManager[Section]]

LARGE = 1 << 20
"""Bytes from which content is refused before it is sent, where there is no room for it."""

GRACE = 5.0
"""Seconds that a server which stops may go on to discard what is needed no longer."""

RETRY = 600.0
"""Seconds until ended locks are to be forgotten again, where that has failed."""


class Leftovers:
    """The trash of all shares, what requests have left to be discarded, and what those who were
    killed have left behind.

    ``at_once`` enters a commit section as things are; ``finishing`` one in which what others have
    left unfinished is finished first. ``now`` tells seconds since the epoch, for locks.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        state: State,
        at_once: Enter,
        finishing: Enter,
        now: Callable[[], float],
    ) -> None:
        self._shares = shares
        self._state = state
        self._at_once = at_once
        self._finishing = finishing
        self._now = now
        self._stuck: set[str] = set()
        self._retries = 0.0
        """From when on ended locks are to be forgotten again."""
        self._discarded = 0
        for share in shares:
            share.tree.make_room = self.make_room

    def recover(self) -> None:
        """Finish what other processes have left unfinished. Raises OSError or Fault."""
        with self._finishing():
            self._state.bury_owners()
            for share in self._writable():
                self._discard_work(share)

    def tend(self) -> None:
        """Finish what others have left, and discard what is needed no longer, rows of locks that
        have ended too. What cannot be discarded stays, unseen, and is logged once.
        """
        try:
            if self._state.read().intents():
                with self._finishing():
                    pass
            self._empty()
            if not self._state.damage and any(map(_has_trash, self._writable())):
                self._remove_trash()
        except Halted:
            pass
        except (OSError, Fault) as error:
            log.error("cannot tidy up: %r", error)
        self._forget_ended_locks()

    def hurry(self) -> None:
        """The server is about to stop: nothing is discarded any more in a few seconds."""
        until = self._now() + GRACE
        for share in self._shares:
            share.tree.is_over = lambda: self._now() > until

    def close(self) -> None:
        """Leave nothing behind that is of no use to the next start, as far as there is time."""
        with suppress(OSError, Fault, Halted):
            self._empty()
            self._remove_trash()

    def make_room(self) -> bool:
        """Discard at once what is needed no longer. Gives whether there was anything."""
        return self._empty() > 0

    def with_room(self, do: Callable[[], Done]) -> Done:
        """Do something, and again where space had run out and something was discarded since."""
        before = self._discarded
        try:
            return do()
        except OSError as error:
            if error.errno not in content.FULL:
                raise
            # Another thread may have been faster, and have left nothing to discard.
            if not self.make_room() and self._discarded == before:
                raise
        return do()

    def require_room(self, place: Place, length: int | None) -> None:
        """Raises OSError where content of so many bytes, as its sender says, cannot have room."""
        if length is None or length < LARGE:
            return
        with place.directory() as directory:
            while directory.free() < length:
                if not self.make_room() and directory.free() < length:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def discard(self, place: Place) -> list[OSError]:
        """Remove what is at a place, with all below it. Gives the errors of what stays, which is
        logged once.
        """
        errors = place.share.tree.discard(place.local)
        href = paths.href(place.path, False)
        if errors and href not in self._stuck:
            self._stuck.add(href)
            log.error("leftover %s: %r; davserver check names it", href, errors[0])
        return errors

    def _forget_ended_locks(self) -> None:
        """Nobody meets them any more: where the store cannot be written to, they may stay."""
        now = self._now()
        if now < self._retries:
            return
        try:
            if self._state.read().first_end() > now:
                return
            with self._at_once() as section:
                section.writer.remove_ended_locks(section.now)
        except (OSError, Fault) as error:
            self._retries = now + RETRY
            log.error("cannot forget locks that have ended: %r", error)

    def _empty(self) -> int:
        """Gives how many things were discarded."""
        done = 0
        for share in self._writable():
            for name in share.tree.in_trash():
                place = Place(share, (*share.prefix, TRASH, name))
                done += not self.discard(place)
        for intent in self._state.read().intents():
            if intent.operation is not Operation.DISCARD:
                continue
            found = holding(self._shares, intent.source)
            if found is None or found.share.read_only or self.discard(found):
                continue
            done += 1
            with self._at_once() as section:
                section.writer.remove_intent(intent.id)
        self._discarded += done
        return done

    def _remove_trash(self) -> None:
        """At rest a tree holds nothing of the server's own."""
        with self._at_once():
            for share in self._writable():
                self._discard_work(share)
                share.tree.remove_trash()

    def _discard_work(self, share: Share) -> None:
        """Discard what a section has left that was killed. To be used within a section."""
        for name in share.tree.in_trash(work=True):
            share.tree.discard((TRASH, name))

    def _writable(self) -> list[Share]:
        return [share for share in self._shares if not share.read_only]


def _has_trash(share: Share) -> bool:
    return share.tree.find((TRASH,)) is not None

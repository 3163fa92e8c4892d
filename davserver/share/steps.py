"""The steps of a change to names and rows together, which the section takes and recovery finishes.

Where names and rows must change together, or more than one name, an intent is kept first, then the
names change, then the rows with the end of the intent. So a crash at any point leaves evidence,
and `finish` is what both the section and whoever recovers it do last.
"""

from collections.abc import Callable
from dataclasses import replace

from davserver.protocol import resources
from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.share import names
from davserver.share.names import Names
from davserver.share.place import Place, Resolve
from davserver.share.view import View
from davserver.state import Intent, Operation, Writer
from davserver.tree import Directory

Find = Callable[[Path], Place | None]
"""Gives the place of a path of the state, or None where no share holds it."""


class Steps(View):
    """The view inside the write transaction, and the steps.

    ``find`` gives the place of a path of the state. Every method raises OSError or Fault.
    """

    def __init__(
        self,
        resolve: Resolve,
        find: Find,
        writer: Writer,
        now: float,
        prefix: Path,
    ) -> None:
        super().__init__(resolve, writer, now, prefix)
        self.writer = writer
        self.find = find
        self.names = Names()

    def finish(self, intent: Intent) -> bool:
        """All names are changed: let the rows follow, and forget the intent. Gives True."""
        _FINISH[intent.operation](self.writer, intent)
        if intent.operation is Operation.CARRY:
            self._restamp(intent.target)
        for key in (intent.staged, intent.aside, intent.displaced):
            self.discard_later(key)
        self.writer.remove_intent(intent.id)
        self.names.sync()
        return True

    def put_aside(self, intent: Intent, place: Place) -> Intent:
        """Rename a collection to where it is discarded from. Gives the intent as it is then."""
        aside = self.find(intent.aside)
        assert aside is not None, "beside a place of the share, or in its trash"
        try:
            self._rename_aside(place, aside)
            return intent
        except OSError as error:
            if error.errno not in names.NO_TRASH or not names.is_in_trash(aside):
                raise
            if isinstance(error, PermissionError) and intent.operation is Operation.REMOVE:
                raise
        # Bind mounts look like one file system, and are not; and what its mode protects may get
        # another name, but no other parent.
        aside = names.beside(place)
        intent = replace(intent, aside=aside.key)
        self.writer.change_intent(intent)
        self.writer.commit()
        self._rename_aside(place, aside)
        return intent

    def leave(self, intent: Intent, source: Place) -> Intent:
        """Remove what a CARRY leaves behind. Gives the intent as it is then."""
        if resources.is_collection(self.names.at(source).stat(source.name)):
            return self.put_aside(intent, source)
        self.names.changing(source).remove_file(source.name)
        return intent

    def touch(self, place: Place, modified_ns: int) -> None:
        """Set a modification time, in nanoseconds since the epoch."""
        name = "." if place.is_root else place.name
        directory = self.names.at(place)
        directory.touch(name, modified_ns)
        if place.share.tree.durable:
            directory.sync_entry(name)

    def rename_same(self, source: Place, target: Place) -> None:
        """Both names are of one inode: another spelling, or a second hard link, for which rename(2)
        would do nothing at all.
        """
        old, new = self.names.changing(source), self.names.changing(target)
        facts = old.stat(source.name)
        if facts.st_nlink > 1 and not resources.is_collection(facts):
            old.remove_file(source.name)
        else:
            old.replace(source.name, new, target.name)

    def forget(self, place: Place) -> None:
        """Drop the rows of what is gone."""
        self.writer.remove_properties(place.key)
        self.writer.remove_locks(place.key)

    def discard_later(self, key: Path) -> None:
        """Put what has a reserved name and is needed no longer, if it is there, into the trash.
        Where that cannot be, it is kept in mind.
        """
        place = self.find(key) if key else None
        if place is None or names.is_in_trash(place) or self.names.stamp(place) is None:
            return
        aside = names.in_trash(place)
        if aside is not None:
            try:
                self._rename_aside(place, aside)
                return
            except OSError as error:
                if error.errno not in names.NO_TRASH:
                    raise
        self.writer.add_intent(Intent(Operation.DISCARD, key, lasts=True))

    def _intend(self, intent: Intent) -> Intent:
        """Keep an intent, and all rows so far."""
        kept = self.writer.add_intent(intent)
        self.writer.commit()
        return kept

    def _stamp(self, place: Place) -> Stamp:
        return self.names.stamp(place) or UNKNOWN

    def _make_way(self, place: Place) -> None:
        """A new resource has no rows of an old one: they are gone before its name appears."""
        if self.writer.has_rows(place.key):
            self.forget(place)
            self.writer.commit()

    def _arrive(self, intent: Intent, staged: Place, target: Place) -> Intent:
        """Let what has a reserved name take a place. Gives the intent as it is then."""
        directory = self.names.changing(target)
        replaced = target.share.tree.find(target.local)
        if replaced is None:
            directory.rename(staged.name, directory, target.name)
        elif (
            # What a CARRY replaces is kept until all of it is done.
            intent.operation is Operation.CARRY
            or resources.is_collection(replaced)
            or resources.is_collection(directory.stat(staged.name))
        ):
            return self._exchange(intent, staged, target)
        else:
            directory.replace(staged.name, directory, target.name)
        return intent

    def _arrive_back(self, intent: Intent, staged: Place, target: Place) -> None:
        """Undo `_arrive`."""
        displaced = self.find(intent.displaced) if intent.displaced else None
        if displaced is None and intent.replaced != UNKNOWN:
            self._exchange(intent, staged, target)
            return
        self.names.rename(target, staged)
        if displaced is not None:
            self.names.rename(displaced, target)

    def _exchange(self, intent: Intent, place: Place, target: Place) -> Intent:
        """Let two names change places. Where the file system cannot do that, what is replaced goes
        aside first. Gives the intent as it is then.
        """
        old, new = self.names.changing(place), self.names.changing(target)
        try:
            old.exchange(place.name, new, target.name)
            return intent
        except OSError as error:
            if error.errno not in names.NO_EXCHANGE:
                raise
        displaced = names.beside(target)
        intent = replace(intent, displaced=displaced.key)
        self.writer.change_intent(intent)
        self.writer.commit()
        self.names.rename(target, displaced)
        try:
            self.names.rename(place, target)
        except OSError:
            self.names.rename(displaced, target)
            raise
        return intent

    def _rename_aside(self, place: Place, aside: Place) -> None:
        # What becomes of the trash in a loss of power is nobody's concern.
        there: Directory = self.names.at(aside)
        self.names.changing(place).rename(place.name, there, aside.name)

    def _restamp(self, top: Path) -> None:
        """The members of a copied tree are other resources than those their rows were made for."""
        for key in self.writer.stamps(top):
            place = self.find(key)
            stamp = self.names.stamp(place) if place else None
            if stamp is not None:
                self.writer.restamp(key, stamp)


def _forget_replaced(writer: Writer, intent: Intent) -> None:
    """A lock on the place itself stays, where something was there to be locked."""
    writer.remove_properties(intent.target)
    writer.remove_locks(intent.target, at=intent.replaced == UNKNOWN)
    writer.restamp(intent.target, intent.moved, intent.replaced.kind)


def _renamed(writer: Writer, intent: Intent) -> None:
    """What is to be discarded below it has gone with it."""
    writer.move_discards(intent.source, intent.target)
    _moved(writer, intent)


def _moved(writer: Writer, intent: Intent) -> None:
    _forget_replaced(writer, intent)
    writer.move_properties(intent.source, intent.target)
    writer.remove_locks(intent.source)


def _copied(writer: Writer, intent: Intent) -> None:
    _forget_replaced(writer, intent)
    writer.move_properties(intent.staged, intent.target)


def _removed(writer: Writer, intent: Intent) -> None:
    writer.remove_properties(intent.source)
    writer.remove_locks(intent.source)


def _nothing(writer: Writer, intent: Intent) -> None:
    del writer, intent


_FINISH: dict[Operation, Callable[[Writer, Intent], None]] = {
    Operation.MOVE: _renamed,
    Operation.COPY: _copied,
    Operation.CARRY: _moved,
    Operation.REMOVE: _removed,
    Operation.CREATE: _nothing,
    Operation.TOUCH: _nothing,
}

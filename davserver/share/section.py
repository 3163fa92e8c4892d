"""The commit section: what may be done to names and rows inside the one write transaction.

What each request does there; the steps that recovery takes too are in `steps`.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace

from davserver.protocol import faults, resources
from davserver.protocol.documents import Change
from davserver.protocol.headers import date
from davserver.protocol.locks import Lock
from davserver.protocol.paths import Path
from davserver.protocol.properties import LAST_MODIFIED
from davserver.protocol.resources import NANO, UNKNOWN, Stamp, Stat
from davserver.share import names
from davserver.share.place import Place, Resolve
from davserver.share.steps import Find, Steps
from davserver.state import Intent, Operation, Writer
from davserver.tree import Upload

UNMAPPED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
"""Errors of a collection that is not there."""


class Section(Steps):
    """The view inside the write transaction, and what may be done there.

    ``tick`` gives times for new content: nanoseconds since the epoch, each later than the last.
    Every method raises OSError or Fault; what is then half done is finished or dropped before
    anyone else gets in.
    """

    def __init__(
        self,
        resolve: Resolve,
        find: Find,
        writer: Writer,
        now: float,
        prefix: Path,
        tick: Callable[[], int],
    ) -> None:
        super().__init__(resolve, find, writer, now, prefix)
        self.tick = tick

    def _entry(self, place: Place) -> tuple[Stat | None, Stat | None]:
        if place.is_root:
            return super()._entry(place)
        try:
            directory = self.names.at(place)
        except OSError as error:
            # There is none; or it may be searched, but not be read.
            if error.errno not in (*UNMAPPED, errno.EACCES):
                raise
            return super()._entry(place)
        return directory.find(place.name), directory.facts()

    def publish(self, place: Place, upload: Upload) -> None:
        """Give finished content a name that is free."""
        self._make_way(place)
        upload.publish(self.names.changing(place), place.name)

    def replace(self, place: Place, upload: Upload) -> None:
        """Let finished content take the place of a file, whose dead properties and locks stay."""
        if self.writer.has_rows(place.key, below=False):
            self.writer.restamp(place.key, upload.stamp())
            # Before the content: that cannot be taken back.
            self.writer.keep()
        directory = self.names.changing(place)
        way = self.names.way(place)
        if upload.name is not None or way is not None:
            try:
                upload.replace(directory, place.name, way)
                return
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.ENOENT):
                    raise
        own = names.beside(place)
        intent = self._intend(Intent(Operation.STAGE, own.key, place.key, moved=upload.stamp()))
        upload.enter(own.name)
        directory.replace(own.name, directory, place.name)
        self.writer.remove_intent(intent.id)

    def create_locked(self, place: Place, upload: Upload, wanted: Lock) -> Lock:
        """Make an empty file and grant a lock on it, which nothing is in the way of. Gives the lock
        with its end.
        """
        self._make_way(place)
        stamp = upload.stamp()
        intent = self.writer.add_intent(
            Intent(Operation.CREATE, target=place.key, moved=stamp),
        )
        granted = self._add_lock(place, wanted, stamp)
        self.writer.commit()
        upload.publish(self.names.changing(place), place.name)
        self.finish(intent)
        return granted

    def make_collection(
        self, place: Place, mode: int | None = None, like: Place | None = None
    ) -> None:
        """Make an empty collection, with a mode or that of the settings, and with the dead
        properties of another one.
        """
        self._make_way(place)
        wanted = place.share.tree.modes.directory if mode is None else mode
        if like is not None and self.writer.has_rows(like.key, below=False):
            self._make_with_rows(place, wanted, like)
            return
        directory = self.names.changing(place)
        directory.make(place.name, wanted)
        try:
            if place.share.tree.durable:
                directory.sync_entry(place.name)
        except BaseException:
            directory.remove_directory(place.name)
            raise

    def _make_with_rows(self, place: Place, mode: int | None, like: Place) -> None:
        """Make an empty collection under a reserved name, where it gets its rows, then rename."""
        staged = names.beside(place)
        intent = self._intend(Intent(Operation.COPY, like.key, place.key, staged.key))
        directory = self.names.changing(staged)
        directory.make(staged.name, mode)
        if place.share.tree.durable:
            directory.sync_entry(staged.name)
        intent = replace(intent, moved=self._stamp(staged))
        self.writer.copy_properties(like.key, staged.key, intent.moved)
        self.writer.change_intent(intent)
        self.writer.commit()
        self.finish(self._arrive(intent, staged, place))

    def copy_file(self, place: Place, upload: Upload, source: Place) -> None:
        """Give a finished copy of a file its name, or let it take the place of what is there. It
        gets the dead properties of its source.
        """
        replaced = place.share.tree.find(place.local)
        is_tree = replaced is not None and resources.is_collection(replaced)
        has_rows = self.writer.has_rows(source.key, below=False) or self.writer.has_rows(place.key)
        if not is_tree and not has_rows:
            put = self.publish if replaced is None else self.replace
            put(place, upload)
            return
        staged = names.beside(place)
        moved = upload.stamp()
        self.writer.copy_properties(source.key, staged.key, moved)
        intent = self._intend(
            Intent(
                Operation.COPY,
                source.key,
                place.key,
                staged.key,
                moved=moved,
                replaced=self._stamp(place),
            )
        )
        upload.enter(staged.name)
        self.finish(self._arrive(intent, staged, place))

    def put_in_place(self, claim: Intent, staged: Place, place: Place, *, deep: bool) -> None:
        """Let a copy of a tree or link, with a reserved name beside a place, take that place.

        It gets the dead properties of the claim's source, as far as its members are there. Those
        of what was at the place are gone, and the locks on its members; a lock on the place itself
        stays.
        """
        top = claim.source
        for key in self.writer.with_properties(top) if deep else (top,):
            below = key[len(top) :]
            stamp = staged.share.tree.stamp(staged.local + below)
            if stamp is not None:
                self.writer.copy_properties(key, staged.key + below, stamp)
        intent = replace(claim, moved=self._stamp(staged), replaced=self._stamp(place), lasts=False)
        self.writer.change_intent(intent)
        self.writer.commit()
        self.finish(self._arrive(intent, staged, place))

    def carry(self, claim: Intent, staged: Place, place: Place, source: Place) -> None:
        """Let a copy from another file system take a place, and remove what it is a copy of."""
        facts = self.names.at(source).stat(source.name)
        aside = None
        if resources.is_collection(facts):
            aside = names.in_trash(source) or names.beside(source)
        intent = replace(
            claim,
            aside=aside.key if aside else (),
            moved=self._stamp(staged),
            left=self._stamp(source),
            replaced=self._stamp(place),
            lasts=False,
        )
        self.writer.change_intent(intent)
        self.writer.commit()
        intent = self._arrive(intent, staged, place)
        try:
            intent = self.leave(intent, source)
        except OSError:
            self._arrive_back(intent, staged, place)
            raise
        self.finish(intent)

    def move(self, source: Place, target: Place, facts: Stat, replaced: Stat | None) -> None:
        """Rename within one file system: properties follow, locks on the source end."""
        is_tree = replaced is not None and (
            resources.is_collection(facts) or resources.is_collection(replaced)
        )
        is_same = replaced is not None and (
            (replaced.st_dev, replaced.st_ino) == (facts.st_dev, facts.st_ino)
        )
        has_rows = (
            self.writer.has_rows(source.key)
            or self.writer.has_rows(target.key)
            or self.writer.has_discards(source.key)
        )
        intent = Intent(Operation.MOVE, source.key, target.key)
        if has_rows or is_tree:
            aside = (names.in_trash(source) or names.beside(source)) if is_tree else None
            intent = self._intend(
                replace(
                    intent,
                    aside=aside.key if aside else (),
                    moved=self._stamp(source),
                    replaced=self._stamp(target),
                )
            )
        if replaced is None:
            self.names.rename(source, target)
        elif is_same:
            self.rename_same(source, target)
        elif is_tree:
            intent = self._exchange(intent, source, target)
            if not intent.displaced:
                intent = self.put_aside(intent, source)
        else:
            self.names.changing(source).replace(
                source.name, self.names.changing(target), target.name
            )
        if intent.id:
            self.finish(intent)

    def remove_collection(self, place: Place) -> None:
        """Remove an empty collection."""
        if self.writer.has_rows(place.key):
            self.writer.begin()
        self.names.changing(place).remove_directory(place.name)
        self.forget(place)

    def remove(self, place: Place) -> None:
        """Remove a file or link."""
        intent = None
        if self.writer.has_rows(place.key):
            intent = self._intend(Intent(Operation.REMOVE, place.key, moved=self._stamp(place)))
        self.names.changing(place).remove_file(place.name)
        if intent is not None:
            self.finish(intent)

    def remove_tree(self, place: Place) -> None:
        """Remove a collection by one rename, whatever its size."""
        aside = names.in_trash(place)
        intent = Intent(Operation.REMOVE, place.key, moved=self._stamp(place))
        if aside is None or self.writer.has_rows(place.key):
            aside = aside or names.beside(place)
            intent = self._intend(replace(intent, aside=aside.key))
            self.finish(self.put_aside(intent, place))
            return
        try:
            self._rename_aside(place, aside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            intent = self._intend(replace(intent, aside=names.beside(place).key))
            self.finish(self.put_aside(intent, place))

    def patch(self, place: Place, changes: Sequence[Change]) -> None:
        """Carry out a PROPPATCH whose changes are all possible, in their order."""
        facts = place.share.tree.find(place.local)
        if facts is None:
            # Gone behind the server's back, since this was settled.
            raise faults.not_found()
        stamp = self._make_sure_of(place)
        times = [change.text for change in changes if change.name == LAST_MODIFIED]
        touch = None
        if times:
            touch = self._intend(
                Intent(
                    Operation.TOUCH,
                    place.key,
                    moved=stamp,
                    old_time=facts.st_mtime_ns,
                    new_time=self._wanted_time(times[-1]),
                )
            )
        self.writer.restamp(place.key, stamp)
        for change in changes:
            if change.name == LAST_MODIFIED:
                continue
            if change.value is None:
                self.writer.remove_property(place.key, change.name)
            else:
                self.writer.set_property(place.key, change.name, change.value, stamp)
        # The file last: rows can be taken back.
        if touch is not None:
            self.touch(place, touch.new_time)
            self.finish(touch)

    def grant(self, place: Place, wanted: Lock) -> Lock:
        """Keep a lock that nothing is in the way of. Its life begins now; gives it with its end."""
        return self._add_lock(place, wanted, self._make_sure_of(place))

    def _make_sure_of(self, place: Place) -> Stamp:
        """Rows outlast a loss of power where the state lies: so must the name that they are of. Who
        has made it may still wait for that, or have been killed meanwhile. Gives its stamp.
        """
        if place.is_root:
            return self._stamp(place)
        directory = self.names.changing(place)
        self.names.sync()
        return directory.stamp(place.name) or UNKNOWN

    def _add_lock(self, place: Place, wanted: Lock, stamp: Stamp) -> Lock:
        granted = replace(wanted, expires=self.now + wanted.timeout, stamp=stamp)
        self.writer.add_lock(replace(granted, root=place.key))
        return granted

    def _wanted_time(self, text: str) -> int:
        when = date(text)
        assert when is not None, "refused by properties.refusal"
        # The client's second; nanoseconds of our own keep the entity tag unique.
        return int(when.timestamp()) * NANO + self.tick() % NANO

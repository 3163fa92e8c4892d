"""`davserver check --repair`: mends what is wrong with the state and the trees, while servers may
run.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from davserver import opening
from davserver.commands.report import Report
from davserver.config import Settings, shown
from davserver.protocol.faults import Fault
from davserver.share import Share, exchange, holding, mending
from davserver.share.examination import Finding, Trouble, examine, lasting
from davserver.shares import PAUSE, Shares
from davserver.state import Intent, schema
from davserver.state.owners import living
from davserver.state.rows import Rows
from davserver.state.salvage import InUse, salvage
from davserver.state.sqlite import SqliteState

AT_ONCE = 64
"""Findings that are mended in one commit section."""

SECONDS = 0.3
"""Between two looks."""

DISCARDED = (Trouble.LEFTOVER, Trouble.TRASH)
"""Troubles that are mended by removing something."""


class _Dropped:
    """Keeps the rows that are dropped in a new file beside that of the state, as an export has
    them.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.kept: IO[str] | None = None

    def keep(self, line: str) -> None:
        if self.kept is None:
            self.kept = _new(self._file)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            print(exchange.header(schema.VERSION, now), file=self.kept)
        print(line, file=self.kept)

    def sync(self) -> None:
        """Before the rows are gone for good. Raises OSError."""
        if self.kept is not None:
            self.kept.flush()
            os.fsync(self.kept.fileno())

    def close(self) -> None:
        if self.kept is not None:
            self.kept.close()


def mend(settings: Settings, told: Report) -> None:
    """Mend all that can be mended, and tell. Raises ConfigError, FileNotFoundError where there is
    no state yet.
    """
    with opening.inspected(settings) as (_, inspection):
        complaints = inspection.complaints()
    if complaints and not _save(inspection.file, complaints[0], told):
        return
    _mend_opened(settings, told)


def mend_unstored(settings: Settings, told: Report) -> None:
    """Mend the trees where there is no state yet, and tell. One is made where something can be
    removed: that is done in the commit section. Raises ConfigError.
    """
    with opening.unstored(settings) as (shares, rows):
        found = look_unstored(shares, rows)
        places = [holding(shares, one.key) for one in found if one.trouble in DISCARDED]
        if all(place is None or place.share.read_only for place in places):
            told.findings([_with_reason(shares, one) for one in found])
            return
    _mend_opened(settings, told)


def look_unstored(shares: Sequence[Share], rows: Rows) -> list[Finding]:
    """What is wrong with trees without a state, and stays so: a server that has another one, or is
    about to make this one, is not known of.
    """
    return lasting(lambda: examine(shares, rows, lambda intent: False), lambda: PAUSE(SECONDS))


def _mend_opened(settings: Settings, told: Report) -> None:
    with opening.opened(settings) as (shares, state):
        told.say(f"state: {shown(state.file)}, schema {schema.VERSION}")
        if state.damage:
            told.wrong(f"{shown(state.file)}: is {state.damage} still")
            return
        try:
            _mend(shares, state, told)
        except Fault as error:
            told.wrong(f"not all could be mended: {error.sentence}")
        except OSError as error:
            told.wrong(f"not all could be mended: {error.strerror}")
        finally:
            shares.close()


def _save(file: Path, complaint: str, told: Report) -> bool:
    """Save the rows of a damaged store. Gives whether there is a sound one now."""
    name = shown(file)
    try:
        saved = salvage(file)
    except InUse:
        told.wrong(f"{name}: {complaint}; stop the server that uses it before it can be mended")
        return False
    except OSError as error:
        told.wrong(f"{name}: {complaint}; it could not be mended: {error}")
        return False
    told.say(
        f"mended: {name}: {complaint}; {saved.properties} properties, {saved.locks} locks and "
        f"{saved.intents} unfinished operations were saved into a new file, and the damaged one "
        f"is now {shown(saved.aside)}"
    )
    return True


def _mend(shares: Shares, state: SqliteState, told: Report) -> None:
    def look() -> list[Finding]:
        alive = living(Path(f"{state.file}-owners"))

        def is_orphan(intent: Intent) -> bool:
            return intent.owner not in alive

        return examine([*shares.all.values()], state.read(), is_orphan)

    before = look()
    shares.recover()
    found = look()
    unfinished = [one for one in before if one.trouble is Trouble.UNFINISHED and one not in found]
    with closing(_Dropped(state.file)) as dropped:
        mended = _mend_rows(shares, found, dropped)
        if dropped.kept is not None:
            kept = shown(dropped.kept.name)
            told.say(f"note: {kept}: has what was dropped, for davserver import")
    for one in found:
        if one.trouble is Trouble.LEFTOVER:
            with shares.section() as section:
                mending.give_up(section, one)
    shares.tend()
    left = lasting(look, lambda: PAUSE(SECONDS)) if look() else []
    mended += [one for one in found if one.trouble in DISCARDED and one not in left]
    told.mended([*unfinished, *mended])
    told.findings([_with_reason([*shares.all.values()], one) for one in left])


def _mend_rows(shares: Shares, found: Sequence[Finding], dropped: _Dropped) -> list[Finding]:
    rows = [one for one in found if one.trouble in mending.ROWS]
    mended: list[Finding] = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        places = [shares.find(key) for one in some for key in (one.key, one.to) if key]
        with shares.section(*(place for place in places if place)) as section:
            mended += mending.mend_rows(section, some, dropped.keep)
            dropped.sync()
    return mended


def _with_reason(shares: Sequence[Share], finding: Finding) -> Finding:
    """Why something could not be discarded."""
    place = holding(shares, finding.key)
    if finding.trouble not in DISCARDED or place is None:
        return finding
    if place.share.read_only:
        why = "its share is read-only"
    else:
        errors = place.share.tree.discard(place.local)
        why = (errors[0].strerror or str(errors[0])) if errors else ""
    return Finding(Trouble.STUCK, finding.key, why=why) if why else finding


def _new(file: Path) -> IO[str]:
    number = 1
    while True:
        try:
            name = f"{file}.dropped-{number}.jsonl"
            return open(name, "x", encoding="ascii", opener=_private)
        except FileExistsError:
            number += 1


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CLOEXEC, 0o600)

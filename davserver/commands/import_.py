"""`davserver import`: takes what `davserver export` has written, while a server may run."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from davserver import opening
from davserver.config import ConfigError, Settings, shown
from davserver.protocol import paths
from davserver.protocol.faults import Fault
from davserver.protocol.locks import Lock, conflicts
from davserver.share import Place, Section, exchange
from davserver.share.examination import Trouble, mismatch
from davserver.share.exchange import Malformed, Record
from davserver.shares import Shares


def run(settings: Settings) -> int:
    """Read lines from the standard input. Gives 1 where a resource is skipped, or nothing could be
    written. Raises ConfigError: then nothing was changed.
    """
    # What Python makes of a standard input that is closed.
    if sys.stdin is None:
        raise ConfigError("The standard input is closed: nothing is imported.")
    # A stream of text that Python has made for a process is one that can be reconfigured.
    sys.stdin.reconfigure(encoding="utf-8", errors="strict")  # type: ignore[union-attr]
    rows = _read(sys.stdin)
    with opening.opened(settings) as (shares, state):
        try:
            skipped = _take(shares, rows)
        except (Fault, OSError) as error:
            reason = error.sentence if isinstance(error, Fault) else error.strerror
            print(f"davserver: nothing is imported: {reason}", file=sys.stderr)
            return 1
        for line in skipped:
            print(f"davserver: skipped: {line}", file=sys.stderr)
        print(f"{len(rows) - len(skipped)} resources are imported into {shown(state.file)}")
    return 1 if skipped else 0


def _read(lines: Iterable[str]) -> list[Record]:
    found: list[Record] = []
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if number == 1:
                exchange.check_header(line)
            else:
                found.append(exchange.parse(line))
    except UnicodeDecodeError as error:
        raise ConfigError("The standard input is no UTF-8: nothing is imported.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"The standard input cannot be read: {reason}: nothing is imported."
        ) from error
    except Malformed as error:
        raise ConfigError(f"line {number}: {error}: nothing is imported.") from error
    if not number:
        raise ConfigError("The standard input is empty: nothing is imported.")
    return found


def _take(shares: Shares, rows: Sequence[Record]) -> list[str]:
    """Give each resource its rows, all in one transaction. Gives what was skipped, and why."""
    places: list[tuple[Record, Place | None]] = []
    for one in rows:
        share = shares.all.get(one.share)
        places.append((one, Place(share, (*share.prefix, *one.path)) if share else None))
    skipped = []
    with shares.section(*(place for _, place in places if place)) as section:
        for one, place in places:
            reason = _put(section, one, place) if place else "there is no such share"
            if reason:
                skipped.append(f"{shown(one.share)}{paths.href(one.path, False)}: {reason}")
    return skipped


def _put(section: Section, rows: Record, place: Place) -> str:
    """Gives why nothing was done, or empty."""
    if place.share.read_only:
        return "its share is read-only"
    if any(_is_held_fixed(section, place, lock) for lock in rows.locks):
        return "a lock of its own is held in a share that is read-only"
    try:
        trouble, now = mismatch(place, rows.stamp)
    except OSError as error:
        return error.strerror or str(error)
    if trouble is Trouble.ORPHAN or now is None:
        return "it is not there"
    if trouble is Trouble.CHANGED:
        return "another kind of resource is there"
    locks: list[Lock] = []
    rivals = [
        lock
        for lock in section.writer.locks(place.key, section.now, below=True)
        if lock.root != place.key
    ]
    for lock in rows.locks:
        lock = replace(lock, root=place.key, stamp=now)
        others = [one for one in (*rivals, *locks) if one.token != lock.token]
        if any(conflicts(place.key, lock.deep, lock.exclusive, others)):
            return "a lock is in the way of one of its own"
        locks.append(lock)
    exchange.put(section.writer, place.key, replace(rows, stamp=now, locks=tuple(locks)))
    return ""


def _is_held_fixed(section: Section, place: Place, lock: Lock) -> bool:
    """Whether the token would have to leave another resource, which must not be changed."""
    held = section.writer.lock(lock.token, exchange.EVER)
    if held is None or held.root == place.key:
        return False
    found = section.find(held.root)
    return found is not None and found.share.read_only

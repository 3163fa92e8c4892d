"""Mends what an examination has found: rows within the commit section, leftovers outside of it.

Each finding is looked at again inside of the section: what has come into order meanwhile is left
alone. Rows that are dropped are told first, as lines of `exchange`.
"""

from collections.abc import Callable, Sequence

from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.share import exchange
from davserver.share.examination import Finding, Trouble, is_needed, mismatch
from davserver.share.place import Place
from davserver.share.section import Section

Keep = Callable[[str], object]
"""Takes the rows of a resource as a line, before they are dropped."""

ROWS = frozenset({Trouble.ORPHAN, Trouble.CHANGED, Trouble.MOVED, Trouble.REPLACED})
"""Troubles that are mended by changing rows."""


def mend_rows(section: Section, findings: Sequence[Finding], keep: Keep) -> list[Finding]:
    """Mend findings about rows. Gives those that it has mended. Raises OSError or Fault."""
    intents = section.writer.intents()
    mended = []
    for one in findings:
        if one.trouble not in ROWS or is_needed(one.key, intents):
            continue
        place = section.find(one.key)
        stamps = section.writer.stamps(one.key)
        if place is None or one.key not in stamps:
            continue
        if _mend_rows(section, one, place, stamps[one.key], keep):
            mended.append(one)
    return mended


def _mend_rows(section: Section, one: Finding, place: Place, stamp: Stamp, keep: Keep) -> bool:
    trouble, now = mismatch(place, stamp)
    if trouble is None:
        return False
    if trouble is Trouble.REPLACED:
        section.writer.restamp(one.key, now or UNKNOWN)
        return True
    rows = exchange.record(place.share, section.writer, one.key, stamp)
    if one.trouble is Trouble.MOVED:
        target = section.find(one.to)
        if target is None or not _is_new_home(section, target, stamp):
            return False
        exchange.remove(section.writer, one.key)
        exchange.put(section.writer, one.to, rows)
        return True
    keep(exchange.line(rows))
    exchange.remove(section.writer, one.key)
    return True


def _is_new_home(section: Section, target: Place, stamp: Stamp) -> bool:
    is_it = target.share.tree.stamp(target.local) == stamp
    return is_it and not section.writer.has_rows(target.key, below=False)


def give_up(section: Section, finding: Finding) -> None:
    """Keep in mind that a leftover is to be discarded, if it is one still. Raises OSError or
    Fault.
    """
    place = section.find(finding.key)
    if place is None or place.share.read_only:
        return
    if not is_needed(finding.key, section.writer.intents()):
        section.discard_later(finding.key)

"""Mends what an examination has found: rows within the commit section, leftovers outside of it.

Each finding is looked at again inside of the section: what has come into order meanwhile is left
alone. Rows that are dropped are told first, as lines of `exchange`.
"""

from collections.abc import Callable, Sequence

from davserver.protocol.paths import Path
from davserver.protocol.resources import UNKNOWN, Stamp
from davserver.share import exchange
from davserver.share.examination import Finding, Trouble, is_needed, mismatch
from davserver.share.place import Place
from davserver.share.section import Section

Keep = Callable[[str], object]
"""Takes the rows of a resource as a line, before they are dropped."""

ROWS = frozenset({Trouble.ORPHAN, Trouble.CHANGED, Trouble.MOVED, Trouble.REPLACED})
"""Troubles that are mended by changing rows."""


def places(section_find: Callable[[Path], Place | None], finding: Finding) -> list[Place]:
    """What mending a finding is about."""
    found = [section_find(key) for key in (finding.key, finding.to) if key]
    return [place for place in found if place is not None]


def mend_rows(section: Section, findings: Sequence[Finding], keep: Keep) -> None:
    """Mend findings about rows. Raises OSError or Fault."""
    intents = section.writer.intents()
    for one in findings:
        if one.trouble not in ROWS or is_needed(one.key, intents):
            continue
        place = section.find(one.key)
        stamps = section.writer.stamps(one.key)
        if place is None or one.key not in stamps:
            continue
        _mend_rows(section, one, place, stamps[one.key], keep)


def _mend_rows(section: Section, one: Finding, place: Place, stamp: Stamp, keep: Keep) -> None:
    trouble, now = mismatch(place, stamp)
    if trouble is None:
        return
    if trouble is Trouble.REPLACED:
        section.writer.restamp(one.key, now or UNKNOWN)
        return
    rows = exchange.record(place.share, section.writer, one.key, stamp)
    if one.trouble is Trouble.MOVED:
        target = section.find(one.to)
        if target is not None and _is_new_home(section, target, stamp):
            exchange.remove(section.writer, one.key)
            exchange.put(section.writer, one.to, rows)
        return
    keep(exchange.line(rows))
    exchange.remove(section.writer, one.key)


def _is_new_home(section: Section, target: Place, stamp: Stamp) -> bool:
    is_it = target.share.tree.stamp(target.local) == stamp
    return is_it and not section.writer.has_rows(target.key, below=False)


def give_up(section: Section, finding: Finding) -> bool:
    """Keep in mind that a leftover is to be discarded. Gives whether it is one still. Raises
    OSError or Fault.
    """
    place = section.find(finding.key)
    if place is None or is_needed(finding.key, section.writer.intents()):
        return False
    if finding.trouble is Trouble.LEFTOVER:
        section.discard_later(finding.key)
    return True

"""Byte ranges (RFC 9110 section 14)."""

import re
from dataclasses import dataclass

from davserver.protocol import faults

MOST = 8
"""Ranges that one answer may have after merging; more are answered with the whole."""

_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes from ``first`` to ``last``, both counted from 0 and both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def parse(value: str | None, size: int) -> tuple[Range, ...]:
    """The ranges to send of ``size`` bytes, merged and in rising order; none means the whole.

    A value that breaks the grammar, or one in another unit, is ignored (RFC 9110 section 14.2).
    Raises Fault 416 where no range lies within the content.
    """
    if value is None:
        return ()
    unit, equals, text = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return ()
    found: list[Range] = []
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    if not specs:
        return ()
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or len(spec) > 40 or spec == "-":
            return ()
        first, last = match.groups()
        if not first:
            length = min(int(last), size)
            if length:
                found.append(Range(size - length, size - 1))
            elif int(last):
                # The end of nothing is the whole of it (RFC 9110 section 14.1.2).
                return ()
        elif last and int(last) < int(first):
            return ()
        elif int(first) < size:
            found.append(Range(int(first), min(int(last), size - 1) if last else size - 1))
    if not found:
        raise faults.unsatisfiable_range(size)
    merged = _merge(found)
    return merged if len(merged) <= MOST else ()


def _merge(found: list[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for one in sorted(found, key=lambda one: one.first):
        if merged and one.first <= merged[-1].last + 1:
            merged[-1] = Range(merged[-1].first, max(merged[-1].last, one.last))
        else:
            merged.append(one)
    return tuple(merged)

"""Dates as HTTP and WebDAV write them. A folder has files of many seconds, but of few days: a day
is formatted once.
"""

from datetime import UTC, datetime
from functools import lru_cache

DAY = 86_400
"""Seconds."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTES = tuple(f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}" for second in range(60))


def both(seconds: int) -> tuple[str, str]:
    """A moment as RFC 9110 section 5.6.7 has it (getlastmodified), and as RFC 3339 (creationdate);
    ``seconds`` since the epoch. One that no date can hold is shown as one in the first day of 1970.
    """
    day, rest = divmod(seconds, DAY)
    http, iso = _day(day)
    minute, second = divmod(rest, 60)
    clock = _MINUTES[minute] + _SECONDS[second]
    return f"{http}{clock} GMT", f"{iso}{clock}Z"


def http(seconds: int) -> str:
    day, rest = divmod(seconds, DAY)
    minute, second = divmod(rest, 60)
    return f"{_day(day)[0]}{_MINUTES[minute]}{_SECONDS[second]} GMT"


def iso(seconds: int) -> str:
    return both(seconds)[1]


@lru_cache(8192)
def _day(number: int) -> tuple[str, str]:
    """How the dates of a day begin, whatever the locale; ``number`` is counted from the epoch."""
    try:
        when = datetime.fromtimestamp(number * DAY, UTC)
    except (OverflowError, ValueError, OSError):
        when = datetime.fromtimestamp(0, UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} ",
        f"{when.year:04}-{when.month:02}-{when.day:02}T",
    )

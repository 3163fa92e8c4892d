"""Contents that describe themselves: a number in front decides length and every byte behind it.

So whoever finds a content knows which PUT sent it, and that it is whole, without asking anybody.
"""

from random import Random

EMPTY = 0
"""The number of a file without content, as LOCK makes it."""
TORN = -1
"""The number of a content that no PUT has sent."""
BROKEN = (EMPTY, TORN)
"""What a file can never have that only PUT has written to."""
SMALL = 1000
"""The size in bytes that a small content never exceeds."""

_DIGITS = 8
_SIZES = ((10, 100), (10, SMALL), (SMALL, 5000), (5000, 60_000), (60_000, 300_000))
_LONG = 3000


def body(number: int) -> bytes:
    """The content of a number, 10 bytes to 300 kB; two numbers share none."""
    if number == EMPTY:
        return b""
    chance = Random(number)
    size = chance.randint(*chance.choice(_SIZES))
    return b"%08x" % number + chance.randbytes(size - _DIGITS)


def is_small(number: int) -> bool:
    """Whether its content is small."""
    chance = Random(number)
    return chance.randint(*chance.choice(_SIZES)) <= SMALL


def number(content: bytes) -> int:
    """Whose content it is; TORN if it is no one's, or not all of it."""
    if not content:
        return EMPTY
    try:
        found = int(content[:_DIGITS], 16)
    except ValueError:
        return TORN
    return found if found > 0 and body(found) == content else TORN


def text(value: int) -> str:
    """The value of a property for a number; every fourth is long."""
    return f"{value}:" + "p" * (_LONG if value % 4 == 0 else value % 7)


def value(found: str | None) -> int:
    """Whose value it is: 0 for no property, TORN if it is no one's."""
    if found is None:
        return 0
    digits = found.partition(":")[0]
    if not digits.isdecimal() or text(int(digits)) != found:
        return TORN
    return int(digits)

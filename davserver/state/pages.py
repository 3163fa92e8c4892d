"""Reads the pages of an SQLite file one by one, whatever the others are like.

The format is that of sqlite.org/fileformat2.html. Every page that looks like one with rows is read
by itself, so that a page that is lost takes no other with it. Of a write-ahead log those frames
count that were committed.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path as FilePath

Value = None | int | float | str | bytes
Row = tuple[int, tuple[Value, ...]]
"""A row's number, 0 where it has none, and its values."""

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER = 0x0D, 0x0A, 0x02
_OUR_SIZE = 4096
_LARGEST = 1 << 30


class _Unreadable(Exception):
    """A cell or page that makes no sense."""


class Pages:
    """The pages of ``file``, with those of its log. Raises OSError."""

    def __init__(self, file: FilePath) -> None:
        self._data = file.read_bytes()
        size, self._reserved = _sizes(self._data)
        self._size = size or _OUR_SIZE
        self._usable = self._size - self._reserved
        self._newer: dict[int, bytes] = {}
        log = FilePath(f"{file}-wal")
        if log.exists():
            self._newer = _committed(log.read_bytes(), self._size)
        self._count = max(-(-len(self._data) // self._size), *self._newer, 0)

    def rows(self) -> Iterator[Row]:
        """All rows that can be read, of all tables and indexes. The same may come twice."""
        free = self._free()
        for number in range(1, self._count + 1):
            if number not in free:
                yield from self._rows(number)

    def _page(self, number: int) -> bytes:
        if number in self._newer:
            return self._newer[number]
        if not 1 <= number <= self._count:
            raise _Unreadable
        return self._data[(number - 1) * self._size : number * self._size]

    def _free(self) -> set[int]:
        """The pages that hold nothing: what is in them was removed."""
        found: set[int] = set()
        with suppress(_Unreadable, struct.error):
            (trunk,) = struct.unpack_from(">I", self._page(1), 32)
            while trunk and trunk not in found:
                page = self._page(trunk)
                found.add(trunk)
                trunk, count = struct.unpack_from(">II", page)
                if count > self._size // 4:
                    break
                found.update(struct.unpack_from(f">{count}I", page, 8))
        return found

    def _rows(self, number: int) -> Iterator[Row]:
        with suppress(_Unreadable, struct.error, IndexError):
            page = self._page(number)
            start = 100 if number == 1 else 0
            kind = page[start]
            if kind not in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER):
                return
            (count,) = struct.unpack_from(">H", page, start + 3)
            first = start + (12 if kind == _INDEX_INNER else 8)
            for cell in struct.unpack_from(f">{count}H", page, first):
                with suppress(_Unreadable, struct.error, IndexError, UnicodeDecodeError):
                    yield self._row(page, kind, cell)

    def _row(self, page: bytes, kind: int, at: int) -> Row:
        at += 4 if kind == _INDEX_INNER else 0
        size, at = _varint(page, at)
        number = 0
        if kind == _TABLE_LEAF:
            number, at = _varint(page, at)
        return number, _values(self._payload(page, kind, at, size))

    def _payload(self, page: bytes, kind: int, at: int, size: int) -> bytes:
        if size > _LARGEST:
            raise _Unreadable
        most = self._usable - 35
        if kind != _TABLE_LEAF:
            most = (self._usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[at : at + size]
        least = (self._usable - 12) * 32 // 255 - 23
        here = least + (size - least) % (self._usable - 4)
        here = here if here <= most else least
        parts = [page[at : at + here]]
        (following,) = struct.unpack_from(">I", page, at + here)
        while (size := size - len(parts[-1])) > 0:
            page = self._page(following)
            (following,) = struct.unpack_from(">I", page)
            parts.append(page[4 : min(self._usable, 4 + size)])
            if not parts[-1]:
                raise _Unreadable
        return b"".join(parts)


def _sizes(header: bytes) -> tuple[int, int]:
    """The size of a page, 0 where the header does not tell, and of the end that is not used."""
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        return 0, 0
    (size,) = struct.unpack_from(">H", header, 16)
    size = 1 << 16 if size == 1 else size
    return (size, header[20]) if size >= 512 and not size & (size - 1) else (0, 0)


def _committed(log: bytes, size: int) -> dict[int, bytes]:
    """The newest committed content of each page in a write-ahead log."""
    found: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    with suppress(struct.error):
        magic, _, own, _, *salts = struct.unpack_from(">6I", log)
        order = ">" if magic & 1 else "<"
        if magic & ~1 != 0x377F0682 or own != size:
            return found
        sums = _checksum(log[:24], (0, 0), order)
        for at in range(32, len(log) - size - 23, 24 + size):
            number, commit, *rest = struct.unpack_from(">6I", log, at)
            page = log[at + 24 : at + 24 + size]
            sums = _checksum(page, _checksum(log[at : at + 8], sums, order), order)
            if rest != [*salts, *sums]:
                break
            pending[number] = page
            if commit:
                found |= pending
                pending.clear()
    return found


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where it ends."""
    found = 0
    for place in range(8):
        byte = data[at + place]
        found = found << 7 | byte & 0x7F
        if byte < 0x80:
            return found, at + place + 1
    return found << 8 | data[at + 8], at + 9


def _values(record: bytes) -> tuple[Value, ...]:
    end, at = _varint(record, 0)
    kinds = []
    while at < end:
        kind, at = _varint(record, at)
        kinds.append(kind)
    if at != end:
        raise _Unreadable
    found = []
    for kind in kinds:
        size = _size(kind)
        if at + size > len(record):
            raise _Unreadable
        found.append(_value(kind, record[at : at + size]))
        at += size
    return tuple(found)


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data.decode() if kind & 1 else data
    if kind == 0:
        return None
    if kind == 7:
        (number,) = struct.unpack(">d", data)
        return float(number)
    return kind - 8 if kind in (8, 9) else int.from_bytes(data, "big", signed=True)

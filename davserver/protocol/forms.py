"""How PROPFIND writes members: a form is prepared once for a request, and filled for each member.

A form is a template of the chosen properties and the places of their fields in the facts of a
member; filling it is one C call. What was written before is written again without any work as
long as `stat` says the same (`Written`).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from operator import itemgetter
from typing import Protocol

from davserver.protocol import dates, multistatus, paths, resources
from davserver.protocol.documents import Propfind
from davserver.protocol.locks import Lock
from davserver.protocol.mediatypes import DEFAULT, ENDINGS
from davserver.protocol.properties import HREF, LIVE, QUOTA, Live, Stored
from davserver.protocol.resources import NANO, Stat

Fields = tuple[str | int, ...]
"""What is known of one member, as text that XML can hold, at the places that `properties` names."""

Entry = tuple[tuple[int, ...], Stored | None, str]
"""What `stat` said of a member, what was stored of it, and the response element written for it."""

TOGETHER = 64
"""Response elements that are given out as one piece."""

_KIND, _DIRECTORY = 0o170000, 0o040000
"""What part of a mode is the kind, and that of a directory."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the members of one collection have in common.

    ``base`` is what their hrefs begin with. ``locks`` is the content of their lockdiscovery as far
    as it is inherited, ``lockable`` that of supportedlock, ``quota`` the bytes that are available
    and used. ``stored`` and ``locked`` hold the stored properties, and the whole content of the
    lockdiscovery, of those members that have any of their own.
    """

    base: str
    locks: str
    lockable: str
    quota: tuple[str, str] = ("", "")
    stored: Mapping[str, Stored] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)


class Written(Protocol):
    """Response elements that were written, by collection and by what was asked. None is ever
    stale: it is used while inode, size and both times of the member are those it was made from.
    """

    @property
    def most(self) -> int:
        """Characters that may be kept."""

    def begin(self) -> bool:
        """Whether one more listing may note what it writes; if so, it calls `end`."""

    def end(self) -> None:
        """It does not note any more."""

    def get(self, key: Hashable) -> Mapping[str, Entry]:
        """The elements of one collection, by member name."""

    def put(self, key: Hashable, entries: Mapping[str, Entry], size: int) -> None:
        """Keep the elements of one collection, ``size`` characters in all."""


class Form:
    """How the members of one PROPFIND are written."""

    def __init__(self, asked: Propfind) -> None:
        self.asked = asked
        self._file = _Sheet(asked, lambda live: live.file)
        self._collection = _Sheet(asked, lambda live: live.collection)
        self.wants_quota = not QUOTA.isdisjoint(asked.names)
        self.wants_locks = asked.kind == "allprop" or "{DAV:}lockdiscovery" in asked.names
        self.wants_stored = asked.kind != "prop" or any(
            name not in LIVE or not LIVE[name].protected for name in asked.names
        )

    def remembered(
        self,
        members: Iterable[tuple[str, Stat]],
        setting: Setting,
        entered: list[str],
        written: Written,
    ) -> Iterator[str]:
        """As `responses`, for a collection that may be asked for again."""
        if setting.locks or self.wants_quota:
            # Time-outs and free space are other ones each time.
            yield from self.responses(members, setting, entered)
            return
        notes = written.begin()
        try:
            yield from self._noted(members, setting, entered, written, most=written.most * notes)
        finally:
            if notes:
                written.end()

    def _noted(
        self,
        members: Iterable[tuple[str, Stat]],
        setting: Setting,
        entered: list[str],
        written: Written,
        most: int,
    ) -> Iterator[str]:
        """As `remembered`; no more than ``most`` characters are noted."""
        key = (self.asked, setting.base, setting.lockable)
        known = written.get(key)
        fresh: dict[str, Entry] = {}
        size = sum(map(len, self.asked.names)) + len(setting.base)
        stored, locked = setting.stored, setting.locked
        write = self._writer(setting, entered)
        pieces: list[str] = []
        for name, facts in members:
            seen = resources.seen(facts)
            own = stored.get(name)
            if own is not None and own.kind not in (0, seen[5] & _KIND):
                own = None
            entry = known.get(name)
            if entry is None or entry[0] != seen or entry[1] != own or name in locked:
                entry = (seen, own, write(name, facts))
            elif seen[5] & _KIND == _DIRECTORY:
                entered.append(name)
            if size < most and name not in locked:
                size += len(entry[2])
                fresh[name] = entry
            pieces.append(entry[2])
            if len(pieces) == TOGETHER:
                yield "".join(pieces)
                pieces.clear()
        yield "".join(pieces)
        if most:
            written.put(key, fresh, size)

    def responses(
        self, members: Iterable[tuple[str, Stat]], setting: Setting, entered: list[str]
    ) -> Iterator[str]:
        """The response elements of members, given with their facts. The names of collections are
        added to ``entered``.
        """
        write = self._writer(setting, entered)
        for name, facts in members:
            yield write(name, facts)

    def _writer(self, setting: Setting, entered: list[str]) -> Callable[[str, Stat], str]:
        """What writes one member; it runs once for each of what may be millions, hence its
        plainness.
        """
        base, common, lockable = setting.base, setting.locks, setting.lockable
        stored, locked = setting.stored, setting.locked
        available, used = setting.quota
        is_special = paths.NOT_UNRESERVED.search
        file, collection = self._file, self._collection

        def write(name: str, facts: Stat) -> str:
            if is_special(name):
                shown, escaped = multistatus.text(name), paths.escape(name)
            else:
                shown = escaped = name
            href, sheet = base + escaped, file
            if facts.st_mode & _KIND == _DIRECTORY:
                entered.append(name)
                href, sheet = href + "/", collection
            if not facts.st_ino:
                return sheet.unread(href, shown)
            size, changed, entry_changed = facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            modified, created = dates.both(changed // NANO)
            if entry_changed < changed:
                created = dates.iso(entry_changed // NANO)
            fields = (
                href,
                shown,
                size,
                ENDINGS.get(name[name.rfind(".") :].lower(), DEFAULT),
                '"%x-%x-%x"' % (facts.st_ino, size, changed),  # noqa: UP031 (half an f-string's time)
                modified,
                created,
                locked.get(name, common) if locked else common,
                lockable,
                available,
                used,
            )
            own = stored.get(name) if stored else None
            if own is not None and own.kind in (0, facts.st_mode & _KIND):
                return sheet.full(fields, own)
            return sheet.template % sheet.pick(fields)

        return write


class _Sheet:
    """The form for one kind of resource."""

    def __init__(self, asked: Propfind, content: Callable[[Live], str | None]) -> None:
        self._asked = asked
        self._elements: dict[str, tuple[str, int | None]] = {}
        for name, live in LIVE.items():
            if (inner := content(live)) is not None:
                inner = "" if asked.kind == "propname" else inner
                field = live.field if "%s" in inner else None
                self._elements[name] = (multistatus.element(name, inner), field)
        names = asked.names
        if asked.kind != "prop":
            # RFC 4331 section 2: a propname names the quota, too.
            every = asked.kind == "propname"
            names = (*(name for name in LIVE if every or LIVE[name].allprop), *asked.names)
        self._names = tuple(dict.fromkeys(names))
        shown = [self._elements[name] for name in self._names if name in self._elements]
        missing = [name for name in asked.names if name not in self._elements]
        fields = [field for _, field in shown if field is not None]
        self.pick: Callable[[Fields], object] = itemgetter(HREF, *fields)
        self._head = "<D:response><D:href>%s</D:href><D:propstat><D:prop>" + "".join(
            element for element, _ in shown
        )
        self._tail = multistatus.propstat(HTTPStatus.OK, "").partition("<D:prop>")[2]
        self._found = bool(shown)
        self._missing = _missing(missing)
        self._end = (self._tail if self._found else "") + self._missing + "</D:response>"
        if not self._found and not missing:
            self._end = self._tail + self._end
        elif not self._found:
            self._head = "<D:response><D:href>%s</D:href>"
        self.template = self._head + self._end.replace("%", "%%")

    def unread(self, href: str, name: str) -> str:
        """The response of a member whose facts cannot be read: what is known without them."""
        known = {"{DAV:}displayname": name, "{DAV:}resourcetype": ""}
        found, refused = [], []
        for asked in self._names:
            element = self._elements.get(asked)
            if asked in known and element is not None:
                found.append(element[0] % known[asked] if element[1] is not None else element[0])
            elif asked in self._asked.names:
                refused.append(multistatus.element(asked))
        return (
            f"<D:response><D:href>{href}</D:href>"
            + (multistatus.propstat(HTTPStatus.OK, "".join(found)) if found or not refused else "")
            + (multistatus.propstat(HTTPStatus.FORBIDDEN, "".join(refused)) if refused else "")
            + "</D:response>"
        )

    def full(self, fields: Fields, stored: Stored) -> str:
        """The response of a member with stored properties. What a client has set stands before
        what the file says (`LIVE`: those that are not protected).
        """
        if self._asked.kind == "allprop" and not self._missing and LIVE.keys().isdisjoint(stored):
            return self._head % self.pick(fields) + "".join(stored.values()) + self._end
        found: list[str] = []
        missing: list[str] = []
        names: Iterable[str] = self._names
        if self._asked.kind != "prop":
            names = dict.fromkeys((*self._names, *stored))
        for name in names:
            live = self._elements.get(name)
            if name in stored and (name not in LIVE or not LIVE[name].protected):
                found.append(
                    multistatus.element(name) if self._asked.kind == "propname" else stored[name]
                )
            elif live is not None:
                element, field = live
                found.append(element if field is None else element % fields[field])
            elif name in self._asked.names:
                missing.append(name)
        return (
            f"<D:response><D:href>{fields[HREF]}</D:href>"
            + (multistatus.propstat(HTTPStatus.OK, "".join(found)) if found or not missing else "")
            + _missing(missing)
            + "</D:response>"
        )


def _missing(names: Sequence[str]) -> str:
    if not names:
        return ""
    return multistatus.propstat(
        HTTPStatus.NOT_FOUND, "".join(multistatus.element(name) for name in names)
    )


def lockdiscovery(held: Iterable[Lock], now: float, root_href: Callable[[Lock], str]) -> str:
    """The activelock elements of a resource (RFC 4918 section 14.1)."""
    return "".join(
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{'exclusive' if lock.exclusive else 'shared'}/></D:lockscope>"
        f"<D:depth>{'infinity' if lock.deep else '0'}</D:depth>{lock.owner}"
        f"<D:timeout>Second-{max(0, round(lock.expires - now))}</D:timeout>"
        f"<D:locktoken><D:href>{multistatus.text(lock.token)}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{root_href(lock)}</D:href></D:lockroot></D:activelock>"
        for lock in held
    )

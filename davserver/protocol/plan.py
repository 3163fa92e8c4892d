"""What is to be done, decided over facts alone: the 403, 405 and 409 that verbs share, whether a
resource is created or replaced, and the walk of a tree as a generator of steps.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from davserver.protocol import faults, paths, resources
from davserver.protocol.paths import Path
from davserver.protocol.resources import Stat


class Subject(NamedTuple):
    """What a request meets at a URL.

    ``facts`` are those of the entry itself, None where there is none; ``parent`` those of the
    collection above it. ``prefix`` is what hrefs begin with. ``slash`` says that the URL was
    written as a collection's. ``root`` says that it is the root of a share, ``link`` that the
    entry is a symbolic link which readers may follow.
    """

    path: Path
    facts: Stat | None
    parent: Stat | None
    prefix: Path = ()
    slash: bool = False
    root: bool = False
    link: bool = False

    @property
    def parent_href(self) -> str:
        """For people."""
        return paths.href(self.path[:-1], True, self.prefix)

    @property
    def is_collection(self) -> bool:
        return self.facts is not None and resources.is_collection(self.facts)

    @property
    def mapped(self) -> Stat | None:
        """The facts where clients get to see a resource."""
        facts = self.facts
        if facts is None or not (resources.is_served(facts) or self.link):
            return None
        return facts


def existing(subject: Subject) -> Stat:
    """The facts of a resource that has to be there. Raises Fault 404."""
    facts = subject.mapped
    if facts is None or (subject.slash and not resources.is_collection(facts)):
        raise faults.not_found()
    return facts


def put(subject: Subject, allow: str) -> bool:
    """Whether a PUT creates. Raises Fault 403, 405 or 409 (RFC 4918 section 9.7)."""
    if subject.is_collection:
        raise faults.method_not_allowed(allow, "A collection cannot be overwritten by PUT.")
    return _new_file(subject)


def lock_unmapped(subject: Subject) -> None:
    """May an empty file be made for a lock? Raises Fault 403 or 409 (RFC 4918 section 9.10.4)."""
    _new_file(subject)


def mkcol(subject: Subject, allow: str) -> None:
    """Raises Fault 403, 405 or 409 (RFC 4918 section 9.3)."""
    if subject.facts is not None and resources.is_served(subject.facts):
        raise faults.method_not_allowed(allow, "There is a resource at this URL already.")
    _check_parent(subject)
    _check_hidden(subject)


def removal(subject: Subject) -> Stat:
    """The facts of what may be removed. Raises Fault 403 or 404."""
    facts = existing(subject)
    if subject.root:
        raise faults.share_root()
    return facts


def transfer(source: Subject, target: Subject, *, moves: bool) -> bool:
    """Whether a COPY or MOVE creates. Raises Fault 403, 404 or 409 (RFC 4918 sections 9.8, 9.9)."""
    facts = removal(source) if moves else existing(source)
    if source.path == target.path:
        raise faults.same_resource()
    if target.root:
        raise faults.share_root()
    if paths.is_below(target.path, source.path) or paths.is_below(source.path, target.path):
        raise faults.overlapping()
    _check_parent(target)
    if target.slash and not target.is_collection and not resources.is_collection(facts):
        raise faults.collection_url()
    _check_hidden(target)
    return target.facts is None


class Event(Enum):
    """What a walk comes to."""

    ENTER = auto()
    LEAF = auto()
    LEAVE = auto()


class Step(NamedTuple):
    """One step of a walk, for whoever does it to answer.

    ENTER asks for the members of a collection, as names and whether each is one itself; LEAF and
    LEAVE are answered with whether they were done. ``whole`` says of a LEAVE that nothing below
    it failed.
    """

    event: Event
    path: Path
    whole: bool = True


Members = Sequence[tuple[str, bool]]


@dataclass(slots=True)
class _Frame:
    path: Path
    members: Iterator[tuple[str, bool]]
    whole: bool = True


class Walk:
    """Every resource of a tree, members before what holds them, as far as it can be done.

    ``step`` is what comes next, None at the end. Whoever does it answers: with the members to
    ENTER, or False where that failed; with True or False to the others. What failed counts for
    everything above it: LEAVE tells so. Memory grows with the depth, and with the members of the
    collections on the way down, not with the tree.
    """

    def __init__(self, root: Path, *, collection: bool) -> None:
        self._steps = _steps(root, collection)
        self.step: Step | None = next(self._steps)

    def answer(self, given: Members | bool) -> None:
        """Tell what became of the step, and come to the next."""
        try:
            self.step = self._steps.send(given)
        except StopIteration:
            self.step = None


def _steps(root: Path, collection: bool) -> Generator[Step, Members | bool, None]:
    if not collection:
        yield Step(Event.LEAF, root)
        return
    entered = yield Step(Event.ENTER, root)
    if isinstance(entered, bool):
        return
    frames = [_Frame(root, iter(entered))]
    while frames:
        frame = frames[-1]
        for name, is_collection in frame.members:
            path = (*frame.path, name)
            if not is_collection:
                frame.whole &= bool((yield Step(Event.LEAF, path)))
                continue
            entered = yield Step(Event.ENTER, path)
            if isinstance(entered, bool):
                frame.whole &= entered
                continue
            frames.append(_Frame(path, iter(entered)))
            break
        else:
            frames.pop()
            done = bool((yield Step(Event.LEAVE, frame.path, frame.whole)))
            if frames:
                frames[-1].whole &= frame.whole and done


def _new_file(subject: Subject) -> bool:
    _check_parent(subject)
    if subject.slash:
        raise faults.collection_url()
    _check_hidden(subject)
    return subject.facts is None


def _check_parent(subject: Subject) -> None:
    if subject.parent is None:
        raise faults.no_parent(subject.parent_href)
    if not resources.is_collection(subject.parent):
        raise faults.not_a_collection(subject.parent_href)


def _check_hidden(subject: Subject) -> None:
    if subject.facts is not None and (subject.link or not resources.is_served(subject.facts)):
        raise faults.hidden_name()

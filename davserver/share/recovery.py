"""Finishes what a commit section could not: forward where names had changed, else dropped.

The evidence is which resource has which name now. Nothing is guessed from what an intent meant to
do: a resource that is neither here nor there was moved by somebody else, and its rows are theirs
to keep.
"""

from collections.abc import Callable

from davserver.protocol.paths import Path
from davserver.protocol.resources import Stamp
from davserver.share.place import Place
from davserver.share.steps import Steps
from davserver.state import Intent, Operation


class Elsewhere(Exception):
    """An intent for a tree that this server does not serve."""


def recover(section: Steps, intent: Intent) -> bool:
    """Finish or drop an intent. Gives whether what it meant is done. Raises OSError, Fault, or
    Elsewhere.
    """
    return _RECOVER[intent.operation](section, intent)


def _place(section: Steps, key: Path) -> Place:
    found = section.find(key)
    if found is None:
        raise Elsewhere
    return found


def _at(section: Steps, key: Path) -> Stamp | None:
    """Which resource has a path now."""
    return section.names.stamp(_place(section, key)) if key else None


def _move(section: Steps, intent: Intent) -> bool:
    there, here = _at(section, intent.target), _at(section, intent.source)
    if intent.moved.is_of(there):
        source, target = _place(section, intent.source), _place(section, intent.target)
        if intent.moved.is_of(here):
            section.rename_same(source, target)
        elif intent.replaced.is_of(here) and intent.aside:
            intent = section.put_aside(intent, source)
        return section.finish(intent)
    if _is_displaced(section, intent, intent.source):
        _bring(section, intent.source, intent.target)
        return section.finish(intent)
    return _drop(section, intent)


def _copy(section: Steps, intent: Intent) -> bool:
    if intent.moved.is_of(_at(section, intent.target)):
        return section.finish(intent)
    if _is_displaced(section, intent, intent.staged):
        _bring(section, intent.staged, intent.target)
        return section.finish(intent)
    return _drop(section, intent)


def _carry(section: Steps, intent: Intent) -> bool:
    if not intent.moved.is_of(_at(section, intent.target)):
        if not _is_displaced(section, intent, intent.staged):
            return _drop(section, intent)
        _bring(section, intent.staged, intent.target)
    if intent.left.is_of(_at(section, intent.source)):
        intent = section.leave(intent, _place(section, intent.source))
    return section.finish(intent)


def _remove(section: Steps, intent: Intent) -> bool:
    if intent.moved.is_of(_at(section, intent.source)):
        return _drop(section, intent)
    return section.finish(intent)


def _create(section: Steps, intent: Intent) -> bool:
    if intent.moved.is_of(_at(section, intent.target)):
        return section.finish(intent)
    section.writer.remove_locks(intent.target)
    return _drop(section, intent)


def _touch(section: Steps, intent: Intent) -> bool:
    """The rows that belong to the new time were not kept."""
    place = _place(section, intent.source)
    facts = place.share.tree.find(place.local)
    is_it = facts is not None and intent.moved.is_of(section.names.stamp(place))
    if is_it and facts is not None and facts.st_mtime_ns == intent.new_time:
        section.touch(place, intent.old_time)
    return _drop(section, intent)


def _walk(section: Steps, intent: Intent) -> bool:
    """Each member is where it is, with its rows; those of what has gone stay behind."""
    for top in filter(None, (intent.source, intent.target)):
        _place(section, top)
        for key in section.writer.stamps(top):
            if _at(section, key) is None:
                section.writer.remove_properties(key)
                section.writer.remove_locks(key)
    return _drop(section, intent)


def _stage(section: Steps, intent: Intent) -> bool:
    _place(section, intent.source)
    has_arrived = intent.moved.is_of(_at(section, intent.target))
    section.discard_later(intent.source)
    _drop(section, intent)
    return has_arrived


def _keep(section: Steps, intent: Intent) -> bool:
    """`Leftovers.tend` discards it."""
    del section, intent
    return False


def _is_displaced(section: Steps, intent: Intent, key: Path) -> bool:
    """Whether what was to be replaced is out of the way, and nothing else has happened."""
    return (
        bool(intent.displaced)
        and _at(section, intent.target) is None
        and intent.replaced.is_of(_at(section, intent.displaced))
        and intent.moved.is_of(_at(section, key))
    )


def _bring(section: Steps, key: Path, target: Path) -> None:
    section.names.rename(_place(section, key), _place(section, target))


def _drop(section: Steps, intent: Intent) -> bool:
    """Nothing has happened: what was built for it is needed no longer, nor are its rows. What was
    only displaced goes back.
    """
    if (
        intent.displaced
        and _at(section, intent.target) is None
        and intent.replaced.is_of(_at(section, intent.displaced))
    ):
        _bring(section, intent.displaced, intent.target)
    if intent.staged:
        section.writer.remove_properties(intent.staged)
        section.discard_later(intent.staged)
    section.writer.remove_intent(intent.id)
    return False


_RECOVER: dict[Operation, Callable[[Steps, Intent], bool]] = {
    Operation.MOVE: _move,
    Operation.COPY: _copy,
    Operation.CARRY: _carry,
    Operation.REMOVE: _remove,
    Operation.CREATE: _create,
    Operation.TOUCH: _touch,
    Operation.WALK: _walk,
    Operation.STAGE: _stage,
    Operation.DISCARD: _keep,
}

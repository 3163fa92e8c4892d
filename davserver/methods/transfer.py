"""What COPY and MOVE share: reading them, and settling whether they may be done."""

from dataclasses import dataclass

from davserver.methods.outcome import Failure
from davserver.protocol import conditions, faults, headers, plan, resources
from davserver.protocol.conditions import Guard
from davserver.protocol.messages import Request
from davserver.protocol.paths import Path, Target
from davserver.protocol.resources import Stat
from davserver.share import Place, View
from davserver.shares import Shares


@dataclass(frozen=True, slots=True)
class Transfer:
    """A COPY or MOVE as it was asked for."""

    source: Place
    target: Place
    from_url: Target
    to_url: Target
    overwrite: bool
    moves: bool
    guard: Guard

    @property
    def paths(self) -> tuple[Path, Path]:
        """The resources that the request itself names."""
        return self.source.path, self.target.path


@dataclass(frozen=True, slots=True)
class Settled:
    """What a transfer has met: the facts of its source, and of what it replaces. ``blocked`` are
    the members of the destination that keep it from being replaced.
    """

    facts: Stat
    replaced: Stat | None
    target_device: int
    blocked: tuple[Failure, ...] = ()

    @property
    def is_collection(self) -> bool:
        return resources.is_collection(self.facts)

    @property
    def has_tree(self) -> bool:
        """Whether anything below the source or the destination is about to change."""
        return self.is_collection or (
            self.replaced is not None and resources.is_collection(self.replaced)
        )


def read(request: Request, shares: Shares, *, moves: bool) -> Transfer:
    """Raises Fault 400, 403, 404, 409 or 502."""
    assert request.target is not None
    overwrite = headers.overwrite(request.headers)
    to_url = headers.destination(request.headers, shares.prefix)
    guard = conditions.read(request.headers, request.target.path, shares.prefix, request.principal)
    path = request.target.path
    if shares.is_above(path):
        raise faults.above_shares() if moves else faults.overlapping()
    source = shares.to_write(path) if moves else shares.to_read(path)
    if shares.resolve(to_url.path) is None and not shares.is_above(to_url.path):
        raise faults.foreign_destination()
    target = shares.to_write(to_url.path, creates=True)
    return Transfer(source, target, request.target, to_url, overwrite, moves, guard)


def settle(view: View, asked: Transfer) -> Settled:
    """May it be done? Raises Fault 403, 404, 409, 412 or 423, or OSError."""
    source = view.subject(asked.source, asked.from_url)
    target = view.subject(asked.target, asked.to_url)
    creates = plan.transfer(source, target, moves=asked.moves)
    assert source.facts is not None
    assert target.parent is not None
    _check_borders(asked, source, target)
    view.require(asked.guard, source.mapped)
    if not creates and not asked.overwrite:
        raise faults.destination_exists()
    if asked.moves:
        view.unlocked(asked.guard, asked.source, member=True)
    rebinds = creates or asked.moves or source.is_collection or target.is_collection
    view.unlocked(asked.guard, asked.target, member=rebinds)
    in_the_way = {lock.root: lock for lock in view.obstacles_below(asked.guard, asked.target)}
    if asked.moves and not creates:
        # Nothing is replaced by half a tree.
        for lock in view.obstacles_below(asked.guard, asked.source):
            in_the_way[lock.root] = lock
    blocked = tuple(Failure(root, view.locked([lock])) for root, lock in in_the_way.items())
    return Settled(source.facts, target.facts, target.parent.st_dev, blocked)


def _check_borders(asked: Transfer, source: plan.Subject, target: plan.Subject) -> None:
    """Directories of the server's own and mounted file systems neither move nor are replaced."""
    there = asked.target.share.tree
    if there.has_hidden_below(asked.target.local):
        raise faults.reserved_name()
    if target.is_collection and there.has_mount_below(asked.target.local):
        raise faults.another_file_system()
    here = asked.source.share.tree
    if asked.moves and source.is_collection and here.has_hidden_below(asked.source.local):
        raise faults.reserved_name()

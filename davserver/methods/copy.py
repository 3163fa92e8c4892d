"""COPY: a tree is built beside its destination under a reserved name, then renamed: nobody sees
half a copy (RFC 4918 section 9.8).
"""

from http import HTTPStatus

from davserver.methods import building, outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import faults, headers, resources
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.share import Section
from davserver.shares import Shares
from davserver.state import Operation

DEPTHS = frozenset({Depth.ZERO, Depth.INFINITY})

TRIES = 4
"""How often something is copied that others change all the while."""


class _Changed(Exception):
    """What is copied is no longer what it was when that began."""


def run(request: Request, shares: Shares) -> Answer:
    depth = headers.depth(request.headers, Depth.INFINITY, DEPTHS)
    asked = transfer.read(request, shares, moves=False)

    settled = transfer.settle(shares.view(), asked)

    failures = list(settled.blocked)
    if not failures:
        settled, failures = _copy(shares, asked, settled, deep=depth is Depth.INFINITY)

    done = HTTPStatus.CREATED if settled.replaced is None else HTTPStatus.NO_CONTENT
    return outcome.tell("COPY", done, asked.paths, failures, shares.view().href)


def _copy(
    shares: Shares, asked: Transfer, settled: Settled, *, deep: bool
) -> tuple[Settled, list[Failure]]:
    """Copy what is there, and again where others have changed it over that."""
    for _ in range(TRIES):
        try:
            if resources.is_file(settled.facts):
                return _copy_file(shares, asked, settled)
            return _copy_tree(shares, asked, settled, deep=deep)
        except _Changed:
            settled = transfer.settle(shares.view(), asked)
            if settled.blocked:
                return settled, list(settled.blocked)
    raise faults.busy()


def _copy_file(shares: Shares, asked: Transfer, settled: Settled) -> tuple[Settled, list[Failure]]:
    source, target = asked.source, asked.target
    with (
        source.directory() as old,
        old.open(source.name) as opened,
        shares.upload(target, opened.facts.st_mode & 0o777) as upload,
    ):
        upload.copy(opened)
        upload.finish(shares.tick())
        with shares.section(target, reads=[source], tree=settled.has_tree) as section:
            settled = _settle_again(section, asked, settled)
            if settled.blocked:
                return settled, list(settled.blocked)
            # Its properties are those of now: so has its content to be.
            if not resources.is_unchanged(opened.facts, settled.facts):
                raise _Changed
            if settled.replaced is not None and resources.is_file(settled.replaced):
                upload.resemble(section.names.at(target), target.name)
                upload.finish(shares.tick())
            section.copy_file(target, upload, source)
    shares.wake()
    return settled, []


def _copy_tree(
    shares: Shares, asked: Transfer, settled: Settled, *, deep: bool
) -> tuple[Settled, list[Failure]]:
    """Copy a collection or link."""
    source, target = asked.source, asked.target
    with shares.staging(Operation.COPY, source, target) as (claim, staged):
        noted = building.Noted(shares.state.read().with_properties(source.key))
        failures = building.build(shares, source, staged, deep=deep, noted=noted)
        if any(failure.path == source.path for failure in failures):
            return settled, failures
        with shares.section(target, reads=[source], tree=True, claim=claim) as section:
            settled = _settle_again(section, asked, settled)
            if settled.blocked:
                return settled, list(settled.blocked)
            # Their properties are those of now: so has their content to be.
            for key in section.writer.with_properties(source.key):
                if (deep or key == source.key) and not noted.is_unchanged(source, key):
                    raise _Changed
            section.put_in_place(claim, staged, target, deep=deep)
    return settled, failures


def _settle_again(section: Section, asked: Transfer, settled: Settled) -> Settled:
    """Raises _Changed where a tree is concerned that the section was not entered for."""
    again = transfer.settle(section, asked)
    if again.has_tree and not settled.has_tree:
        raise _Changed
    return again

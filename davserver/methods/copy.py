"""COPY: a tree is built beside its destination under a reserved name, then renamed: nobody sees
half a copy (RFC 4918 section 9.8).
"""

from http import HTTPStatus

from davserver.methods import building, outcome, transfer
from davserver.methods.outcome import Failure
from davserver.methods.transfer import Settled, Transfer
from davserver.protocol import headers, resources
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.shares import Shares
from davserver.state import Operation

DEPTHS = frozenset({Depth.ZERO, Depth.INFINITY})


def run(request: Request, shares: Shares) -> Answer:
    depth = headers.depth(request.headers, Depth.INFINITY, DEPTHS)
    asked = transfer.read(request, shares, moves=False)

    settled = transfer.settle(shares.view(), asked)

    failures = list(settled.blocked)
    if settled.blocked:
        pass
    elif resources.is_file(settled.facts):
        settled, failures = _copy_file(shares, asked, settled)
    else:
        settled, failures = _copy_tree(shares, asked, settled, deep=depth is Depth.INFINITY)

    done = HTTPStatus.CREATED if settled.replaced is None else HTTPStatus.NO_CONTENT
    return outcome.tell("COPY", done, asked.paths, failures, shares.view().href)


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
            settled = transfer.settle(section, asked)
            if settled.blocked:
                return settled, list(settled.blocked)
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
        failures = building.build(shares, source, staged, deep=deep)
        if any(failure.path == source.path for failure in failures):
            return settled, failures
        with shares.section(target, reads=[source], tree=True, claim=claim) as section:
            settled = transfer.settle(section, asked)
            if settled.blocked:
                return settled, list(settled.blocked)
            section.put_in_place(claim, staged, target, deep=deep)
    return settled, failures

"""The collections above the path that this server lives under. Windows and gvfs look at each of
them on the way to what they mount, and give up where one is not there.
"""

from davserver.methods import allow, get, options
from davserver.protocol import documents, faults, headers, messages, paths
from davserver.protocol.forms import Form, Setting
from davserver.protocol.headers import Depth
from davserver.protocol.messages import Answer, Request
from davserver.shares import Shares


def is_above(request: Request, shares: Shares) -> bool:
    """Whether a request, whose target is a whole path, is for one of them."""
    path = request.path
    return len(path) < len(shares.prefix) and shares.prefix[: len(path)] == path


def run(request: Request, shares: Shares) -> Answer:
    """Answer a request whose target is a whole path. Each of these collections has the next one as
    its only member, and nobody changes any. Raises Fault.
    """
    if request.method == "OPTIONS":
        found = options.run(Request("OPTIONS", None, {}, request.body), shares)
        heads = [(name, value) for name, value in found.headers if name != "Allow"]
        return found._replace(headers=(*heads, ("Allow", ", ".join(allow.READ))))
    if request.method == "PROPFIND":
        return _propfind(request, shares)
    if request.method in ("GET", "HEAD"):
        return get.listed(request, [(_next(request, shares), True)])
    if request.method in allow.KNOWN:
        raise faults.above_shares()
    if request.method in allow.OTHERS:
        raise faults.method_not_allowed(", ".join(allow.READ))
    raise faults.not_implemented()


def _propfind(request: Request, shares: Shares) -> Answer:
    """RFC 4918 section 9.1. Who wants all below is told to ask there."""
    depth = headers.depth(request.headers, Depth.INFINITY)
    form = Form(documents.propfind(request.body.all(documents.LARGEST_BODY)))
    if depth is Depth.INFINITY:
        raise faults.infinite_depth()
    path, facts = request.path, shares.facts_above()
    # As the collection above the shares, it has neither locks nor space.
    setting = Setting(paths.href(path[:-1], True) if path else "", "", "", ("0", "0"))
    lines = [*form.responses([(path[-1] if path else "", facts)], setting, [])]
    if depth is Depth.ONE:
        setting = Setting(paths.href(path, True), "", "", ("0", "0"))
        lines += form.responses([(_next(request, shares), facts)], setting, [])
    return messages.report(lines)


def _next(request: Request, shares: Shares) -> str:
    return shares.prefix[len(request.path)]

"""Trees and their state: the only room where a name and its rows change, and do so together.

A `View` answers what a request meets. A `Section` is the view inside the one write transaction of
the state, and what may be done there; `recovery` finishes what a section could not, by the same
`steps`, and `leftovers` knows what is needed no longer then. The same question is asked of view and
section: of a view early, to refuse cheaply, of the section where it counts.
"""

from davserver.share.place import Place, Resolve, Share, holding
from davserver.share.section import Section
from davserver.share.view import View

__all__ = ["Place", "Resolve", "Section", "Share", "View", "holding"]

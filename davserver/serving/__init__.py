"""Sockets: cheroot, with the parts subclassed that a file server cannot leave as they are.

Heads are read strictly and by events, so that a slow one holds no worker. A request target is taken
as it was sent, bodies are never held, an answer that comes before the whole body closes the
connection gently instead of reading gigabytes, and stopping never hangs on a client that does not
read.
"""

from davserver.serving.listeners import Listener, bind
from davserver.serving.server import DavServer

__all__ = ["DavServer", "Listener", "bind"]

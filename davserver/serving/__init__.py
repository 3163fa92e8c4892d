"""Sockets: cheroot, with the parts subclassed that a file server cannot leave as they are.

Heads are read strictly and by events, so that a slow one holds no worker. A request target is taken
as it was sent, bodies are never held, an answer that comes before the whole body closes the
connection gently instead of reading gigabytes, and stopping never hangs on a client that does not
read.
"""

from davserver.serving.listeners import CannotListen, Listener, bind, listen_at
from davserver.serving.pace import Floor
from davserver.serving.server import DavServer
from davserver.serving.tls import Tls

__all__ = ["CannotListen", "DavServer", "Floor", "Listener", "Tls", "bind", "listen_at"]

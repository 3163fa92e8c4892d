"""Raw sockets against a server of its own process: framing, limits, slow clients."""

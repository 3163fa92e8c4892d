"""The server against an independent model of it, over HTTP, in random sequences of requests."""

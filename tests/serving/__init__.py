"""The subclassed parts of the server, without a socket."""

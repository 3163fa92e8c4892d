"""Real clients, and the requests of those that cannot run here, against a server of its own."""

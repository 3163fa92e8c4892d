"""Storage that fails at every step of a request, one step at a time."""

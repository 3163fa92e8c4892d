"""Verbs where neither a script nor a fault at one step shows what matters."""

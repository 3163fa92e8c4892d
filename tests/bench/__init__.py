"""Measures our server beside others: ``python -m tests.bench``. Never a timed test."""

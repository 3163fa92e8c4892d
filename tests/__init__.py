"""The tests of davserver."""

"""Processes: the master and its workers."""

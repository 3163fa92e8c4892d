"""Processes: a master forks workers, watches them, and replaces them.

Nothing here knows what the workers do. The master has no threads, no application and no database:
all that can be carried over a fork is what it has. It talks to its workers by signals (SIGTERM:
finish and end, SIGHUP: read certificates again, SIGUSR1: open logs again); they answer by a pipe
and by memory that all share.
"""

from davserver.processes.crew import Job
from davserver.processes.master import Master, Renewal
from davserver.processes.notify import Notifier
from davserver.processes.reports import Refused
from davserver.processes.seat import Seat

__all__ = ["Job", "Master", "Notifier", "Refused", "Renewal", "Seat"]

"""The birth of a worker: a fork that neither outlives its master nor comes back."""

import ctypes
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

TOLD = frozenset({signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
"""What a master tells its workers by. They are blocked in a worker from its first moment: it waits
for them when it can.
"""
_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

log = logging.getLogger("davserver.processes")
_libc = ctypes.CDLL(None, use_errno=True)


def fork(work: Callable[[], int]) -> int:
    """Let a new process do some work and end with the exit code that it gives. Gives its number.
    The caller has one thread. Raises OSError.
    """
    master = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        if pid := os.fork():
            return pid
        _live(master, work)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    raise AssertionError("a worker has come back")


def _live(master: int, work: Callable[[], int]) -> None:
    """All that a worker is. What its master would do at its end, it must not do, too."""
    code = 1
    try:
        _libc.prctl(_DEATH_OF_PARENT, signal.SIGTERM)
        if os.getppid() != master:
            return
        signal.set_wakeup_fd(-1)
        for number in (*TOLD, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C reaches all processes of a terminal, and the master says what is to be done.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, TOLD)
        # Who is killed for standing still says where.
        with suppress(Exception):
            faulthandler.enable()
        code = work()
    except BaseException:
        log.exception("a worker has failed")
    finally:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)

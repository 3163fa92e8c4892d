"""What signals tell a worker process: to finish and end, to read certificates again, and so on."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial

from davserver.serving.server import DavServer

_ENDED = signal.SIGUSR2
"""What threads of this process wake the main one by."""

log = logging.getLogger("davserver.serving")


def serve(
    server: DavServer,
    drain: Callable[[Callable[[], bool]], object],
    hooks: Mapping[int, Callable[[], object]],
) -> bool:
    """Serve until SIGTERM comes; then ``drain`` is called, with what says whether all is to end at
    once: the master has sent SIGTERM again. ``hooks`` are called, by the main thread, when the
    signals come that are their keys. Gives whether SIGTERM came; without it the server has failed,
    and its log says why.

    The main thread waits for signals and does nothing else: a handler that ran wherever it happens
    to be would leave what it interrupts half changed. The server has no thread yet, so that all of
    them leave the signals to this one.
    """
    waited = {signal.SIGTERM, _ENDED, *hooks}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    main = threading.get_ident()
    threads: list[threading.Thread] = []
    ended: list[str] = []
    hurry = threading.Event()

    def begin(name: str, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException:
                log.exception("%s has failed", name)
            finally:
                ended.append(name)
                signal.pthread_kill(main, _ENDED)

        threads.append(threading.Thread(target=run, name=f"davserver {name}"))
        threads[-1].start()

    begin("serving", server.serve)
    was_told = False
    told_by_master, master = 0, os.getppid()
    while len(ended) < len(threads):
        came = signal.sigwaitinfo(waited)
        number = came.si_signo
        if number == signal.SIGTERM:
            # Whoever ends a group of processes tells all of them, and the master tells it again.
            told_by_master += came.si_pid == master
            if not was_told:
                begin("draining", partial(drain, hurry.is_set))
            elif told_by_master > 1:
                hurry.set()
            was_told = True
        elif number in hooks:
            try:
                hooks[number]()
            except Exception:
                log.exception("cannot do what %s tells", signal.Signals(number).name)
    server.stop()
    for thread in threads:
        thread.join()
    return was_told

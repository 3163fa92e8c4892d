"""What signals tell a worker process: to finish and end, to read certificates again, and so on."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial

from davserver.serving.server import DavServer

_ENDED = signal.SIGUSR2
"""What threads of this process wake the main one by."""

log = logging.getLogger("davserver.serving")


def serve(
    server: DavServer, drain_seconds: float, hooks: Mapping[int, Callable[[], object]]
) -> bool:
    """Serve until SIGTERM comes; then what is under way may be finished within ``drain_seconds``,
    or at once where SIGTERM comes again. ``hooks`` are called, by the main thread, when the signals
    come that are their keys. Gives whether SIGTERM came; without it the server has failed, and its
    log says why.

    The main thread waits for signals and does nothing else: a handler that ran wherever it happens
    to be would leave cheroot's queues half changed. The server has no thread yet, so that all of
    them leave the signals to this one.
    """
    waited = {signal.SIGTERM, _ENDED, *hooks}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    main = threading.get_ident()
    threads: list[threading.Thread] = []
    ended: list[str] = []

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
    while len(ended) < len(threads):
        number = signal.sigwait(waited)
        if number == signal.SIGTERM:
            begin("draining", partial(_drain, server, 0.0 if was_told else drain_seconds))
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


def _drain(server: DavServer, seconds: float) -> None:
    """Let what is under way be finished."""
    server.shutdown_timeout = seconds
    server.stop()

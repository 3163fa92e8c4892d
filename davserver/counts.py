"""What is counted while the server runs."""

import errno
import logging
from collections import Counter
from http import HTTPStatus

storage_errors: Counter[str] = Counter()
"""How often the storage has failed a request or a member of one since the start, by the name of the
error.
"""

log = logging.getLogger("davserver.errors")


def storage_failed(method: str, status: HTTPStatus, error: BaseException | None) -> None:
    """Count and log an error of the operating system that a client is told as ``status``, where
    that blames the server: what the client is told is not enough to mend it.
    """
    if isinstance(error, OSError) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        name = errno.errorcode.get(error.errno or 0, "unknown")
        storage_errors[name] += 1
        told = (method, error, name, storage_errors[name])
        log.error("%s: storage failed: %r (%s, number %d since the start)", *told)

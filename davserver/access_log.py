"""The access log: one line a request, in one of three forms. Never a secret, never a forged line.

What a client has sent is shown without what may be secret (queries, user information) and escaped,
and each line is one write of at most a page, so that several processes can share a file or pipe.
"""

import json
import logging
import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from davserver import counts

STANDARD_ERROR = "-"

log = logging.getLogger("davserver.access")

_OPEN = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_MODE = 0o640

_LONGEST_TARGET, _LONGEST_FIELD, _LONGEST_WORD = 2_000, 600, 100
"""Characters of parts of a line: all together are less than what a pipe takes in one piece."""
_ESCAPED = 6
"""The most that one of them becomes."""
_UNSAFE = re.compile(r'[^ -~]|["\\]')
_UNSAFE_WORD = re.compile(r'[^!-~]|["\\]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Behind a scheme or two slashes; a path that begins with one has none.
_USERINFO = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:[/\\]*|[/\\]{2,})?)(?![/\\])[^/\\]*@")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Entry(NamedTuple):
    """What a line tells. Texts are as an environ has them, one character a byte. ``user`` is empty
    where nobody has logged in; ``seconds`` is None where nobody knows.
    """

    remote: str
    user: str
    method: str
    target: str
    protocol: str
    status: str
    sent: int
    seconds: float | None
    referer: str
    agent: str


class AccessLog:
    """The log in ``file``, made if missing, or on the standard error where that is `-`. Raises
    OSError where it cannot be opened.

    What cannot be written is counted and lost: nobody is refused an answer for it, and nobody
    waits for whoever reads the other end of a pipe.
    """

    def __init__(self, file: str, form: str) -> None:
        self._file = "" if file == STANDARD_ERROR else file
        self._line = FORMS[form]
        self._poll: select.poll | None = None
        self._descriptor = os.open(self._file, _OPEN, _MODE) if self._file else _standard_error()
        if not self._file and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLOUT)
        self._is_torn = False
        self._is_failing = False

    def write(self, entry: Entry, now: float) -> None:
        """Write the line of a request that has been answered ``now``, in seconds since the epoch:
        it tells the time of the beginning.
        """
        line = self._line(entry, now - (entry.seconds or 0.0)).encode("ascii") + b"\n"
        try:
            if self._poll is not None and not self._poll.poll(0):
                raise BlockingIOError
            if self._is_torn:
                line = b"\n" + line
            self._is_torn = os.write(self._descriptor, line) < len(line)
            self._is_failing = False
        except OSError as error:
            counts.log_failed()
            # Where the standard error is full, this would wait for it.
            if self._file and not self._is_failing:
                log.error("the access log cannot be written: %s", error.strerror)
            self._is_failing = True

    def reopen(self) -> None:
        """Go on in a new file of the same name: somebody has renamed the present one. Raises
        OSError where there cannot be one; then all stays as it was.
        """
        if self._file:
            opened = os.open(self._file, _OPEN, _MODE)
            # In one step: another thread may be about to write.
            os.dup2(opened, self._descriptor, inheritable=False)
            os.close(opened)
            self._is_torn = False

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _standard_error() -> int:
    """A descriptor of the standard error. A pipe is opened anew, to never wait for its reader:
    what others do with theirs does not change by that.
    """
    if sys.stderr is None:
        # It was closed; its number may be that of any file by now.
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    if stat.S_ISFIFO(os.fstat(2).st_mode):
        try:
            return os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            pass
    return os.dup(2)


def public(target: str) -> str:
    """A target or Referer without what may be secret: its query, of which a `?` stays, its
    fragment, and a user's name and password.
    """
    if "?" in target or "#" in target:
        path, mark, _ = target.partition("#")[0].partition("?")
        target = path + mark
    return _USERINFO.sub(r"\1", target) if "@" in target else target


def _combined(entry: Entry, began: float) -> str:
    referer, agent = public(entry.referer) or "-", entry.agent or "-"
    if not _is_plain(referer + agent):
        referer, agent = _escaped(referer, _LONGEST_FIELD), _escaped(agent, _LONGEST_FIELD)
    return f'{_common(entry, began)} "{referer}" "{agent}"'


def _common(entry: Entry, began: float) -> str:
    """See LogFormat in the documentation of Apache httpd. Here no user has a blank in the name."""
    remote, user, method, target, protocol, *_ = entry
    remote, user, target = remote or "-", user or "-", public(target)
    if " " in user or not _is_plain(f"{remote}{user}{method}{target}{protocol}"):
        remote = _escaped(remote, _LONGEST_WORD, _UNSAFE_WORD)
        user = _escaped(user, _LONGEST_WORD, _UNSAFE_WORD)
        method = _escaped(method, _LONGEST_WORD, _UNSAFE_WORD)
        target = _escaped(target, _LONGEST_TARGET, _UNSAFE_WORD)
        protocol = _escaped(protocol, _LONGEST_WORD, _UNSAFE_WORD)
    return (
        f'{remote} - {user} [{_local(int(began))}] "{method} {target} {protocol}"'
        f" {entry.status} {entry.sent or '-'}"
    )


def _is_plain(text: str) -> bool:
    """Whether nothing of it needs to be escaped or cut: most lines are of this kind."""
    return (
        text.isascii()
        and text.isprintable()
        and '"' not in text
        and "\\" not in text
        and len(text) <= _LONGEST_FIELD
    )


def _json(entry: Entry, began: float) -> str:
    second = int(began)
    seconds = "null" if entry.seconds is None else f"{entry.seconds:.6f}"
    return (
        f'{{"time":"{_utc(second)}.{int((began - second) * 1000):03}Z"'
        f',"remote":{_quoted(entry.remote, _LONGEST_WORD)}'
        f',"user":{_quoted(entry.user, _LONGEST_WORD)}'
        f',"method":{_quoted(entry.method, _LONGEST_WORD)}'
        f',"target":{_quoted(public(entry.target), _LONGEST_TARGET)}'
        f',"protocol":{_quoted(entry.protocol, _LONGEST_WORD)}'
        f',"status":{entry.status}'
        f',"bytes":{entry.sent}'
        f',"seconds":{seconds}'
        f',"referer":{_quoted(public(entry.referer), _LONGEST_FIELD)}'
        f',"agent":{_quoted(entry.agent, _LONGEST_FIELD)}}}'
    )


FORMS: dict[str, Callable[[Entry, float], str]] = {
    "common": _common,
    "combined": _combined,
    "json": _json,
}


def _escaped(text: str, most: int, unsafe: re.Pattern[str] = _UNSAFE) -> str:
    """In the way of Apache: no quote, no line end, no byte beyond ASCII."""
    escaped = unsafe.sub(_escape, text)
    if len(escaped) > most:
        return unsafe.sub(_escape, text[: most // _ESCAPED]) + "..."
    return escaped


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT.get(character) or "".join(f"\\x{octet:02x}" for octet in _octets(character))


def _octets(text: str) -> bytes:
    """The bytes that a text stands for, one a character (PEP 3333); else it is text."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


_encode = json.JSONEncoder().encode


def _quoted(text: str, most: int) -> str:
    """As JSON; null for nothing."""
    if not text:
        return "null"
    if not text.isascii():
        text = _octets(text).decode("utf-8", "backslashreplace")
    quoted = _encode(text)
    return quoted if len(quoted) <= most else _encode(text[: most // _ESCAPED] + "...")


@lru_cache(maxsize=4)
def _local(second: int) -> str:
    """As in `10/Oct/2000:13:55:36 -0700`, whatever the locale."""
    at = time.localtime(second)
    hours, minutes = divmod(abs(at.tm_gmtoff) // 60, 60)
    sign = "-" if at.tm_gmtoff < 0 else "+"
    day = f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}"
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{day}:{clock} {sign}{hours:02}{minutes:02}"


@lru_cache(maxsize=4)
def _utc(second: int) -> str:
    """RFC 3339 up to the second."""
    at = time.gmtime(second)
    day = f"{at.tm_year:04}-{at.tm_mon:02}-{at.tm_mday:02}"
    return f"{day}T{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"

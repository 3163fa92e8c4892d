"""Values for the pure rooms: facts of files, names that a file system can hold, XML text."""

import stat
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from davserver.protocol.faults import Fault

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Facts:
    """A stat without a file."""

    st_mode: int = stat.S_IFREG | 0o644
    st_ino: int = 0xA1
    st_dev: int = 1
    st_size: int = 0x10
    st_mtime_ns: int = 1_000_000_000 * SECOND
    st_ctime_ns: int = 1_000_000_000 * SECOND


FILE = Facts()
FOLDER = Facts(st_mode=stat.S_IFDIR | 0o755)
LINK = Facts(st_mode=stat.S_IFLNK | 0o777)
PIPE = Facts(st_mode=stat.S_IFIFO | 0o644)

NAMES = (
    st.binary(min_size=1, max_size=255)
    .map(lambda octets: octets.replace(b"/", b"_").replace(b"\0", b"~"))
    .filter(lambda octets: octets not in (b".", b".."))
    .map(lambda octets: octets.decode("utf-8", "surrogateescape"))
) | st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
"""Every name that a Linux file system can hold, bytes that are not UTF-8 as surrogates."""

PATHS = st.lists(NAMES, max_size=5).map(tuple)

XML_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters=[chr(n) for n in range(32) if n not in (9, 10, 13)]
        + ["\ufffe", "\uffff"],
    ),
    max_size=12,
)
"""Text that an XML 1.0 document can hold (XML 1.0 section 2.2)."""

ANY_TEXT = st.text(st.characters(), max_size=80)
"""Any str, lone surrogates included."""


def refused(read: Callable[[], object]) -> bool:
    """Whether reading hostile input ends in a refusal that blames the client, or a 502. A value
    is as good; any other exception is a defect, and is passed on.
    """
    try:
        read()
    except Fault as fault:
        if not (400 <= fault.status < 500 or fault.status == 502):
            raise AssertionError(f"blames nobody: {fault}") from fault
        return True
    return False

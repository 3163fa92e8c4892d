"""What a probe is: bytes for a server, and which answers to them are right.

The tables stand in the modules `probes_*.py`, one a topic. They follow the public list of
Http11Probe, case by case and with its levels, written anew for a file server: where the list posts
to `/` and looks for an echo, a file is put at `/new` and looked for on disk, and what would be
smuggled is the PUT of another file. Its cases without a verdict, and those of no RFC's words, have
the level "none"; what it has not has the level "ours". Where it lets a server close without an
answer, ours has to answer.
"""

from dataclasses import dataclass
from typing import Literal

from tests.wire import talk

Level = Literal["must", "should", "may", "ought", "none", "ours"]
"""How binding the list holds its case to be, by RFC 2119."""

Outcome = int | Literal["closed"]
"""The status of an answer, or the end of the connection without any."""

After = Literal["closed", "kept", "either"]
"""What becomes of the connection, once everything of the probe is answered."""

CONTENT = b"what was there before"
ACCENTED = "é"
"""The name of a file beside `file`, with the same content."""

FILES = {"file": CONTENT, ACCENTED: CONTENT}
"""What is served before a probe, and after it unless it puts `new`."""

HELLO = b"hello"
CHUNKED = "Transfer-Encoding: chunked"
HELLO_IN_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def one_of(*outcomes: Outcome) -> frozenset[Outcome]:
    return frozenset(outcomes)


REFUSED = one_of(400)
OK = one_of(200)
CREATED = one_of(201)
EITHER = one_of(201, 400)
"""The list allows both; what is stored has to be right then."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A case: bytes that are sent as they are, and the outcomes that are allowed.

    The defaults are those of malformed bytes: 400, nothing changed, and the connection closed.
    """

    name: str
    level: Level
    rule: str
    """RFC and section; empty where no RFC has words for it."""
    shows: str
    sent: bytes
    expected: frozenset[Outcome] = REFUSED
    after: After = "closed"
    cut: bool = False
    """Whether the client ends its side at once: what it has sent is all that it will."""
    invited: bool = False
    """Whether a 100 may come first."""
    then: bytes = b""
    """Sent behind the answer; `{name}` stands for that header of it, `{name:bare}` for what is
    within its quotes.
    """
    then_expected: frozenset[Outcome] = frozenset()
    stored: bytes | None = None
    """What `new` holds after an answer of the class 2xx; None: it is not there."""
    body: bytes | None = None
    """The content of the last answer of the probe."""
    has: tuple[tuple[str, str], ...] = ()
    """Headers of that answer, and patterns that their values match as a whole."""
    lacks: tuple[str, ...] = ()
    """Headers that it has not."""
    reason: str = ""
    """Why we decide differently from the list."""


def get(*fields: str, path: str = "/file") -> bytes:
    return talk.request(f"GET {path}", *fields)


def put(*fields: str, body: bytes = b"") -> bytes:
    """A PUT of `new`, framed by its fields alone."""
    return talk.request("PUT /new", *fields) + body


def put_chunks(body: bytes) -> bytes:
    """A PUT of `new`, whose body is written as a chunked one."""
    return put(CHUNKED, body=body)


def in_http_1_0(data: bytes) -> bytes:
    return data.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)


FOLLOW_UP = get()
"""What is sent behind every probe: the answer to it shows that both sides count alike."""

SMUGGLED = talk.request("PUT /smuggled", body=b"x")
"""A request that no client has sent, within the body of another one."""

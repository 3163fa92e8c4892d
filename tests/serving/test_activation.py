"""Sockets that are handed over: which are taken, and what is left of their announcement."""

import os
import socket
from collections.abc import Iterator

import pytest

from davserver.serving.activation import VARIABLES, NotActivated, take

FIRST = 900
"""Where they lie here: the first descriptors are taken in a test."""


@pytest.fixture
def handed() -> Iterator[dict[str, str]]:
    """Two sockets that listen, and what announces them."""
    for place in range(2):
        with socket.create_server(("127.0.0.1", 0)) as made:
            os.dup2(made.fileno(), FIRST + place)
    yield {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "X": "1"}
    for place in range(2):
        if os.path.exists(f"/proc/self/fd/{FIRST + place}"):
            os.close(FIRST + place)


def test_all_are_taken_and_nothing_is_inherited(handed: dict[str, str]) -> None:
    os.set_inheritable(FIRST, True)
    found = take(handed, FIRST)
    assert [one.fileno() for one in found] == [FIRST, FIRST + 1]
    assert not any(one.get_inheritable() for one in found)
    assert handed == {"X": "1"}
    with pytest.raises(NotActivated, match="no sockets were handed over"):
        take(handed, FIRST)
    for one in found:
        one.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *[("LISTEN_PID", "", "another process"), ("LISTEN_PID", "1", "another process")],
        *[("LISTEN_FDS", "", "no sockets"), ("LISTEN_FDS", "x", "a number of sockets, not 'x'")],
        *[("LISTEN_FDS", "0", "a number"), ("LISTEN_FDS", "-1", "a number")],
        *[("LISTEN_FDS", "9" * 5000, "a number"), ("LISTEN_FDS", "3", "902 is no socket")],
    ],
)
def test_what_is_announced_has_to_be_there(
    handed: dict[str, str], name: str, value: str, said: str
) -> None:
    with pytest.raises(NotActivated, match=said):
        take({**handed, name: value}, FIRST)


def test_the_announcement_is_gone_even_where_it_is_wrong(handed: dict[str, str]) -> None:
    handed["LISTEN_PID"] = "1"
    with pytest.raises(NotActivated):
        take(handed, FIRST)
    assert not handed.keys() & set(VARIABLES)

"""What is read from a socket: nobody waits to learn whether something is there."""

import socket

from davserver.serving.streams import Reader, Writer


def test_what_was_received_and_not_read_is_known_without_waiting() -> None:
    near, far = socket.socketpair()
    with near, far, Reader(near, 4096) as reader:
        assert not reader.has_data()
        Writer(far).write(b"one\ntwo\n")
        assert not reader.has_data()
        assert reader.readline() == b"one\n"
        assert reader.has_data()
        assert reader.read(4) == b"two\n"
        assert not reader.has_data()


def test_the_end_is_no_data() -> None:
    near, far = socket.socketpair()
    with near, far, Reader(near, 4096) as reader:
        Writer(far).write(b"one")
        far.shutdown(socket.SHUT_WR)
        assert reader.readline() == b"one"
        assert reader.readline() == b""
        assert not reader.has_data()

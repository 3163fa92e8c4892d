"""What an Accept-Encoding header says of gzip, and the coding itself."""

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import codings
from davserver.protocol.codings import Gzip

HEADERS = {
    "absent": (None, Gzip.NO),
    "empty": ("", Gzip.NO),
    "gzip": ("gzip", Gzip.MAY),
    "capitals": ("GZip", Gzip.MAY),
    "the old name": ("x-gzip", Gzip.MAY),
    "what browsers send": ("gzip, deflate, br, zstd", Gzip.MAY),
    "what Cyberduck sends": ("gzip,deflate", Gzip.MAY),
    "the example of the RFC": ("gzip;q=1.0, identity; q=0.5, *;q=0", Gzip.MAY),
    "others alone": ("deflate, br", Gzip.NO),
    "a name that begins alike": ("gzipped", Gzip.NO),
    "anything": ("*", Gzip.MAY),
    "anything but gzip": ("*, gzip;q=0", Gzip.NO),
    "nothing but gzip": ("gzip, *;q=0", Gzip.MUST),
    "not as it is": ("gzip, identity;q=0", Gzip.MUST),
    "anything, but not as it is": ("*, identity;q=0", Gzip.MUST),
    "neither": ("identity;q=0", Gzip.NO),
    "nothing at all": ("*;q=0", Gzip.NO),
    "as it is, alone": ("identity", Gzip.NO),
    "gzip refused": ("gzip;q=0", Gzip.NO),
    "gzip refused at length": ("gzip;q=0.000", Gzip.NO),
    "a small weight": ("gzip;q=0.001", Gzip.MAY),
    "as it is, rather": ("gzip;q=0.5, identity;q=0.8", Gzip.NO),
    "anything else, rather": ("gzip;q=0.5, *;q=0.8", Gzip.NO),
    "gzip, rather": ("gzip;q=0.8, identity;q=0.5", Gzip.MAY),
    "equally": ("identity, gzip", Gzip.MAY),
    "spaces and tabs": (" \tgzip \t; \tq=0.5\t ,br", Gzip.MAY),
    "a capital Q": ("gzip;Q=0", Gzip.NO),
    "empty elements": (",, gzip ,,", Gzip.MAY),
    "a weight above one": ("gzip;q=9", Gzip.NO),
    "a weight of four digits": ("gzip;q=0.1234", Gzip.NO),
    "a negative weight": ("gzip;q=-1", Gzip.NO),
    "a weight in words": ("gzip;q=high", Gzip.NO),
    "a weight without a value": ("gzip;q=", Gzip.NO),
    "a parameter that there is none of": ("gzip;level=1", Gzip.NO),
    "digits of another script": ("gzip;q=0.५", Gzip.NO),
}


@pytest.mark.parametrize(("text", "expected"), HEADERS.values(), ids=HEADERS)
def test_what_a_client_wants(text: str | None, expected: Gzip) -> None:
    assert codings.gzip(text) is expected


@given(st.text())
def test_no_header_is_too_odd(text: str) -> None:
    assert codings.gzip(text) in Gzip


@given(st.lists(st.binary(max_size=2000)))
def test_what_is_coded_is_decoded_again(blocks: list[bytes]) -> None:
    assert gzip.decompress(b"".join(codings.stream(blocks))) == b"".join(blocks)
    assert gzip.decompress(codings.compressed(b"".join(blocks))) == b"".join(blocks)


def test_a_stream_is_coded_as_it_comes() -> None:
    """Whatever its length: what has come in goes out before more is asked for."""
    given: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(1000):
            given.append(number)
            yield b"%06d" % (number * 7919 % 1_000_003) * 10_000

    longest = 0
    for piece in codings.stream(blocks()):
        if longest == 0:
            assert len(given) == 1
        longest = max(longest, len(piece))
    assert len(given) == 1000
    assert longest < 1 << 16


def test_what_is_cut_short_does_not_look_whole() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError("no more")

    pieces: list[bytes] = []
    with pytest.raises(OSError, match="no more"):
        pieces.extend(codings.stream(blocks()))
    assert pieces
    decoder = zlib.decompressobj(31)
    decoder.decompress(b"".join(pieces))
    assert not decoder.eof

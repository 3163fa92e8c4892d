"""Every reader of XML takes any bytes: they are a value, or a refusal that blames the client."""

from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from davserver.protocol import documents, multistatus
from davserver.protocol.faults import Fault
from tests.protocol import values

PARSERS: list[Callable[[bytes], object]] = [
    documents.propfind,
    documents.propertyupdate,
    documents.lockinfo,
    documents.read,
    multistatus.parse,
]
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"<D:propfind xmlns:D='DAV:'>",
            b"<propertyupdate xmlns='DAV:'>",
            b"<D:lockinfo xmlns:D='DAV:'>",
            b"<D:multistatus xmlns:D='DAV:'>",
            *(f"<D:{n}>".encode() for n in ("prop", "set", "remove", "response", "propstat")),
            *(f"</D:{n}>".encode() for n in ("prop", "set", "remove", "response", "propfind")),
            *(f"<D:{n}/>".encode() for n in ("allprop", "include", "owner", "href", "lockscope")),
            b"<D:status>HTTP/1.1 999 x</D:status>",
            b"<D:status>HTTP/1.1 200 OK</D:status>",
            b"<D:error><x/></D:error>",
            b"</D:multistatus>",
            b"<!-- -->",
            b"<?a?>",
            b"&#0;",
            b"&lt;",
            b"<![CDATA[",
            b"]]>",
            b"<!DOCTYPE a>",
            b"\xff",
            b" ",
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PARSERS), FRAGMENTS | st.binary(max_size=120))
def test_any_bytes_are_a_value_or_refused(parse: Callable[[bytes], object], body: bytes) -> None:
    values.refused(lambda: parse(body))


def test_another_exception_would_be_seen() -> None:
    """The control."""

    def broken() -> None:
        raise KeyError("a defect")

    def wrongly_blamed() -> None:
        raise Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "the server")

    with pytest.raises(KeyError):
        values.refused(broken)
    with pytest.raises(AssertionError):
        values.refused(wrongly_blamed)

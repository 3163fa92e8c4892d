"""Requests that make no sense: always an answer, and never one that blames the server."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.inside import BODIES, METHODS, Inside

VALUES: dict[str, list[str]] = {
    "If": ["(<urn:a>)", '(["x"])', "</a> (Not <urn:a>)", "<", "([", "(Not"],
    "If-Match": ["*", '"a"', "W/"],
    "If-None-Match": ["*", '"a"', "JoplinIgnore-1"],
    "If-Range": ['"a"', "W/", "Sun, 06 Nov 1994 08:49:37 GMT"],
    "If-Modified-Since": ["Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"],
    "If-Unmodified-Since": ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"],
    "Range": ["bytes=0-", "bytes=-1,0-0,5-", "bytes=9-5", "bytes=" + "9" * 40 + "-"],
    "Depth": ["0", "1", "infinity", "1,noroot", "-1"],
    "Destination": ["/b", "/a/b", "/dir/", "http://h/b", "//b", "/", "/é", "ftp://x", "/dir/a/b"],
    "Overwrite": ["T", "F", "X"],
    "Timeout": ["Infinite", "Second-1", "Second-99999999999999999999"],
    "Lock-Token": ["<urn:a>", "urn:a", "<>"],
    "Content-Type": ["text/xml", "application/json; charset=\xff", "x"],
    "Content-Encoding": ["gzip", "identity", ","],
    "Content-Range": ["bytes 0-1/2", "x"],
    "Transfer-Encoding": ["chunked", "gzip"],
    "Authorization": ["Basic YTpi", "Basic !!", "Digest x", "Basic"],
    "Host": ["localhost:1", "[::1]"],
    "X-Expected-Entity-Length": ["5", "-1"],
    "Accept-Encoding": ["gzip;q=9", "*"],
}
LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
FIELDS = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: (st.sampled_from(VALUES[name]) | LATIN).map(lambda value: f"{name}: {value}")
    ),
    max_size=4,
)
PIECES = [
    "/",
    "a",
    "b",
    "dir",
    "new",
    "%2e",
    "%C3%A9",
    "%FF",
    "%00",
    "%",
    "?",
    "é",
    "..",
    ";",
    "//",
]
TARGETS = st.lists(st.sampled_from(PIECES), max_size=4).map(lambda found: "/" + "".join(found))
DATE = "<getlastmodified>Fri, 31 Dec 9999 23:59:59 GMT</getlastmodified>"
SENT = [
    b"",
    b"<",
    b"<propfind xmlns='DAV:'><propname/></propfind>",
    b"<propfind xmlns='DAV:'><prop><getetag/><x xmlns='%s'/></prop></propfind>",
    b"<propertyupdate xmlns='DAV:'><remove><prop><x xmlns='u'/></prop></remove></propertyupdate>",
    f"<propertyupdate xmlns='DAV:'><set><prop>{DATE}</prop></set></propertyupdate>".encode(),
    *BODIES.values(),
]


def test_any_request_gets_an_answer(tmp_path: Path) -> None:
    root = tmp_path / "root"
    ask = Inside(tmp_path / "state.db", {"": _planted(root)})

    @settings(max_examples=1500, deadline=None)
    @given(
        st.sampled_from(METHODS),
        TARGETS | LATIN,
        FIELDS,
        st.sampled_from(SENT) | st.binary(max_size=30),
    )
    def answered(method: str, target: str, fields: list[str], body: bytes) -> None:
        _planted(root)
        answer = ask(method, target, *fields, body=body)
        assert answer.status < 500 or answer.status in (501, 502)
        if method == "HEAD" or answer.status in (204, 304):
            assert answer.body == b""
        elif answer.status >= 400:
            assert answer.body
        if answer.status == 405:
            assert "allow" in answer.headers

    answered()
    ask.close()


def _planted(root: Path) -> Path:
    """What the requests may meet, put back after each."""
    (root / "dir").mkdir(parents=True, exist_ok=True)
    for name in ("a", "b", "dir/a"):
        path = root / name
        if not path.exists():
            path.write_bytes(b"content")
    return root

"""URL paths become names, and names become hrefs."""

import pytest
from hypothesis import given, settings

from davserver.protocol import paths
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path, Target
from tests.protocol import values

READ = {
    "the root": ("/", (), True),
    "a file": ("/a", ("a",), False),
    "a collection": ("/a/b/", ("a", "b"), True),
    "empty segments collapse": ("//a///b//", ("a", "b"), True),
    "a query is no part of it": ("/a?b/c", ("a",), False),
    "an escape is decoded once": ("/a%2520b", ("a%20b",), False),
    "an escaped question mark is part of the name": ("/a%3Fb", ("a?b",), False),
    "an escaped number sign is part of the name": ("/a%23b", ("a#b",), False),
    "a semicolon is part of the name": ("/a;v=1", ("a;v=1",), False),
    "a plus is a plus": ("/a+b", ("a+b",), False),
    "a backslash is part of the name": ("/a%5C..%5Cb", ("a\\..\\b",), False),
    "lower-case escapes": ("/%c3%a9", ("é",), False),
    "characters beyond ASCII": ("/é", ("é",), False),
    "bytes that are not UTF-8": ("/%FF%C0", ("\udcff\udcc0",), False),
    "an overlong slash is only bytes": ("/%c0%af", ("\udcc0\udcaf",), False),
    "an absolute URI": ("http://h:1/a", ("a",), False),
    "an absolute URI with user information": ("http://u:p@h/a/", ("a",), True),
    "an absolute URI without a path": ("http://h", (), True),
    "names of dots that are no dot segments": ("/.../..a/.b", ("...", "..a", ".b"), False),
    "a colon in the first segment": ("/a:b", ("a:b",), False),
    "a line feed": ("/%0D%0A", ("\r\n",), False),
}

WRONG = {
    "nothing": "",
    "a relative path": "a",
    "the parent": "/..",
    "the parent, escaped": "/%2e%2E/a",
    "the parent, half escaped": "/a/.%2e",
    "the same directory": "/a/./b",
    "the same directory, escaped": "/%2e",
    "a slash within a name": "/a%2Fb",
    "a slash within a name, lower case": "/a%2fb",
    "a null byte": "/a%00",
    "a raw null byte": "/a\0",
    "half an escape": "/a%4",
    "a percent sign alone": "/100%",
    "letters that are no escape": "/%zz",
    "a fragment": "/a#b",
    "a scheme without an authority": "mailto:a",
    "an absolute URI with a query and no path": "http://h?a",
}


@pytest.mark.parametrize(("text", "path", "slash"), READ.values(), ids=READ)
def test_a_target_is_read(text: str, path: Path, slash: bool) -> None:
    assert paths.parse(text) == Target(path, slash)


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_malformed_target_is_400(text: str) -> None:
    with pytest.raises(Fault) as refused:
        paths.parse(text)
    assert refused.value.status == 400


@given(values.ANY_TEXT)
def test_any_text_is_a_target_or_refused(text: str) -> None:
    values.refused(lambda: paths.parse(text))
    values.refused(lambda: paths.parse("/" + text))


@settings(max_examples=300)
@given(values.PATHS)
def test_every_name_comes_back_from_its_href(path: Path) -> None:
    for collection in (False, True):
        written = paths.href(path, collection)
        assert paths.parse(written) == Target(path, collection or not path)
        assert written.isascii()
        assert written.startswith("/")


@given(values.PATHS, values.PATHS)
def test_a_prefix_comes_and_goes(path: Path, prefix: Path) -> None:
    written = paths.href(path, False, prefix)
    assert paths.parse(written, prefix).path == path
    assert paths.parse(written).path == prefix + path


def test_what_is_not_below_the_prefix_is_not_here() -> None:
    for text in ("/", "/dav2", "/da", "/DAV/a"):
        with pytest.raises(Fault) as refused:
            paths.parse(text, ("dav",))
        assert refused.value.status == 404


def test_all_that_is_not_unreserved_is_escaped() -> None:
    assert paths.escape("aZ09-._~") == "aZ09-._~"
    assert paths.escape("a|b c'(é)") == "a%7Cb%20c%27%28%C3%A9%29"


def test_names_of_our_own_are_known_at_any_depth() -> None:
    assert paths.reserved((".~dav-x",))
    assert paths.reserved(("a", ".~dav-", "b"))
    assert not paths.reserved(("a.~dav-", ".~da", "~dav-"))


def test_below_is_by_names_and_not_by_letters() -> None:
    assert paths.is_below(("a", "b"), ("a",))
    assert paths.is_below(("a",), ())
    assert not paths.is_below(("a",), ("a",))
    assert not paths.is_below(("ab",), ("a",))

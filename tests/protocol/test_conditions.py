"""What a request demands: RFC 9110 section 13, and the If header of RFC 4918 section 10.4."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.protocol import conditions, faults, resources
from davserver.protocol.conditions import Guard, State
from davserver.protocol.faults import Fault
from davserver.protocol.paths import Path
from tests.protocol import values
from tests.protocol.values import FILE, FOLDER, Facts

ONE = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"
TWO = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092"

ME: Path = ("specs", "rfc2518.doc")
HELD: dict[Path, State] = {
    ME: State('"I am an ETag"', frozenset({ONE})),
    ("resource1",): State('"strong ETag"', frozenset()),
    ("resource2",): State('"A weak ETag"', frozenset({ONE})),
    ("specs",): State(None, frozenset({ONE})),
}


def state_of(path: Path) -> State:
    return HELD.get(path, State(None, frozenset()))


def holds(text: str, path: Path = ME, prefix: Path = ()) -> bool:
    """Whether the If header of a request for ``path`` lets it go on."""
    guard = conditions.read({"if": text}, path, prefix, "")
    try:
        conditions.require(guard, None, state_of)
    except Fault as fault:
        if fault.status is not HTTPStatus.PRECONDITION_FAILED:
            raise
        return False
    return True


IF = {
    "10.4.6: the token and the tag": (f'(<{ONE}> ["I am an ETag"]) (["I am another ETag"])', True),
    "10.4.6: the second list": (f'(<{TWO}> ["I am an ETag"]) (["I am an ETag"])', True),
    "10.4.6: neither list": (f'(<{TWO}> ["I am an ETag"]) (["I am another ETag"])', False),
    "10.4.7: Not one token, but another": (f"(Not <{ONE}> <{TWO}>)", False),
    "10.4.7: Not the other token, but the one": (f"(Not <{TWO}> <{ONE}>)", True),
    "10.4.8: no lock ever has this token": (f"(<{TWO}>) (Not <DAV:no-lock>)", True),
    "10.4.8: nor does it hold without Not": ("(<DAV:no-lock>)", False),
    "10.4.9: the first list of the tag": (
        f'</resource2> (<{ONE}> [W/"A weak ETag"]) (["strong ETag"])',
        True,
    ),
    "10.4.9: the second list of the tag": (
        f'</resource1> (<{ONE}> [W/"A weak ETag"]) (["strong ETag"])',
        True,
    ),
    "10.4.9: no list of the tag": (
        f'</other> (<{ONE}> [W/"A weak ETag"]) (["strong ETag"])',
        False,
    ),
    "10.4.9: lists of two tags": (f'</other> (<{ONE}>) </resource1> (["strong ETag"])', True),
    "10.4.10: the token of a collection": (f"<http://www.example.com/specs/> (<{ONE}>)", True),
    "10.4.11: no tag matches an unmapped URL": ('</none> (["4217"])', False),
    "10.4.11: Not a tag on an unmapped URL": ('</none> (Not ["4217"])', True),
    "a tag by its path alone": (f"</specs> (<{ONE}>)", True),
    "a tag with another host, whose path is ours": (f"<https://h:1/resource2> (<{ONE}>)", True),
    "a tag is decoded": (f"<http://h/%72esource2> (<{ONE}>)", True),
    "a wrong condition under a tag is no free pass": ('</specs/rfc2518.doc> (["no"])', False),
    "a weak tag in the header": ('([W/"I am an ETag"])', True),
    "no white space anywhere": (f'(<{ONE}>["I am an ETag"])(Not["x"])', True),
    "Not in any case": (f"(not <{TWO}>)", True),
    "all conditions of a list have to hold": (f'(<{ONE}> ["no"])', False),
    "a tag with a bracket in it": ('(["I ] am"])', False),
    "a resource locked with another token": (f"(<{TWO}>)", False),
}


@pytest.mark.parametrize(("text", "expected"), IF.values(), ids=IF)
def test_the_if_header(text: str, expected: bool) -> None:
    assert holds(text) is expected


MALFORMED = {
    "nothing": "",
    "a list without conditions": "()",
    "an open list": f"(<{ONE}>",
    "a closed list that was not open": f"<{ONE}>)",
    "a token without a list": f"<{ONE}>",
    "a tag without a list": "</a>",
    "a tag after which another follows": f"</a> </b> (<{ONE}>)",
    "a tag at the end": f"(<{ONE}>) </a>",
    "untagged lists before tagged ones": f"(<{ONE}>) </a> (<{TWO}>)",
    "Not without a condition": "(Not)",
    "Not twice": f"(Not Not <{ONE}>)",
    "Not before a list": f"Not (<{ONE}>)",
    "an entity tag without quotes": "([abc])",
    "a bare word": "abc",
    "a comma": f"(<{ONE}>), (<{TWO}>)",
    "a state token that is no URI": "(<token>)",
    "lists within lists": f"((<{ONE}>))",
    "a tag with a dot segment": f"</a/../b> (<{ONE}>)",
    "a tag with an encoded slash": f"</a%2fb> (<{ONE}>)",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_if_header_is_400(text: str) -> None:
    with pytest.raises(Fault) as refused:
        conditions.read({"if": text}, ME, (), "")
    assert refused.value.status == 400


def test_every_token_of_the_header_is_submitted() -> None:
    guard = conditions.read({"if": f"</a> (<{ONE}>) </b> (Not <{TWO}>)"}, ME, (), "me")
    assert guard.tokens == {ONE, TWO}
    assert guard.principal == "me"


def test_a_tag_beside_the_prefix_is_another_servers() -> None:
    assert holds(f"</dav/resource2> (<{ONE}>)", prefix=("dav",))
    assert not holds(f"</resource2> (<{ONE}>)", prefix=("dav",))
    assert holds(f"</resource2> (Not <{ONE}>)", prefix=("dav",))


ETAG = resources.etag(FILE) or ""
THEN = datetime.fromtimestamp(resources.modified(FILE), UTC)
LATER, EARLIER = THEN + timedelta(seconds=1), THEN - timedelta(seconds=1)
PASSES, STALE, FAILS = None, 304, 412


def read(**values: str) -> Guard:
    return conditions.read({k.replace("_", "-"): v for k, v in values.items()}, ME, (), "")


def http(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


CONDITIONS: dict[str, tuple[dict[str, str], Facts | None, int | None, int | None]] = {
    "no condition": ({}, FILE, PASSES, PASSES),
    "If-Match of the tag": ({"if_match": ETAG}, FILE, PASSES, PASSES),
    "If-Match of several": ({"if_match": f'"x", {ETAG}'}, FILE, PASSES, PASSES),
    "If-Match of another": ({"if_match": '"x"'}, FILE, FAILS, FAILS),
    "If-Match compares strongly": ({"if_match": f"W/{ETAG}"}, FILE, FAILS, FAILS),
    "If-Match of anything": ({"if_match": "*"}, FILE, PASSES, PASSES),
    "If-Match of anything, where nothing is": ({"if_match": "*"}, None, FAILS, FAILS),
    "If-Match of a tag, where nothing is": ({"if_match": ETAG}, None, FAILS, FAILS),
    "If-Match of anything is a collection": ({"if_match": "*"}, FOLDER, PASSES, PASSES),
    "If-Match of a tag is no collection": ({"if_match": ETAG}, FOLDER, FAILS, FAILS),
    "If-Match that cannot be read": ({"if_match": "x"}, FILE, FAILS, FAILS),
    "If-None-Match of the tag": ({"if_none_match": ETAG}, FILE, STALE, FAILS),
    "If-None-Match compares weakly": ({"if_none_match": f"W/{ETAG}"}, FILE, STALE, FAILS),
    "If-None-Match of another": ({"if_none_match": '"x"'}, FILE, PASSES, PASSES),
    "If-None-Match of anything": ({"if_none_match": "*"}, FILE, STALE, FAILS),
    "If-None-Match of anything, where nothing is": ({"if_none_match": "*"}, None, PASSES, PASSES),
    "If-None-Match as Joplin sends it": (
        {"if_none_match": "JoplinIgnore-123"},
        FILE,
        PASSES,
        PASSES,
    ),
    "If-Modified-Since the same second": ({"if_modified_since": http(THEN)}, FILE, STALE, PASSES),
    "If-Modified-Since before": ({"if_modified_since": http(EARLIER)}, FILE, PASSES, PASSES),
    "If-Modified-Since later": ({"if_modified_since": http(LATER)}, FILE, STALE, PASSES),
    "If-Modified-Since no date": ({"if_modified_since": "soon"}, FILE, PASSES, PASSES),
    "If-None-Match counts instead of the date": (
        {"if_none_match": '"x"', "if_modified_since": http(LATER)},
        FILE,
        PASSES,
        PASSES,
    ),
    "If-Unmodified-Since the same second": (
        {"if_unmodified_since": http(THEN)},
        FILE,
        PASSES,
        PASSES,
    ),
    "If-Unmodified-Since before": ({"if_unmodified_since": http(EARLIER)}, FILE, FAILS, FAILS),
    "If-Match counts instead of the date": (
        {"if_match": ETAG, "if_unmodified_since": http(EARLIER)},
        FILE,
        PASSES,
        PASSES,
    ),
    "a failed If-Match comes before a 304": (
        {"if_match": '"x"', "if_none_match": ETAG},
        FILE,
        FAILS,
        FAILS,
    ),
    "a 304 comes before If": ({"if_none_match": ETAG, "if": '(["no"])'}, FILE, STALE, FAILS),
    "If after all others have passed": ({"if_match": ETAG, "if": '(["no"])'}, FILE, FAILS, FAILS),
}


@pytest.mark.parametrize(
    ("sent", "facts", "reading", "writing"), CONDITIONS.values(), ids=CONDITIONS
)
def test_conditions(
    sent: dict[str, str], facts: Facts | None, reading: int | None, writing: int | None
) -> None:
    def not_modified(_: resources.Stat) -> Fault:
        return faults.not_modified(())

    for expected, makes in ((reading, not_modified), (writing, None)):
        status = None
        try:
            conditions.require(read(**sent), facts, state_of, makes)
        except Fault as fault:
            status = int(fault.status)
        assert status == expected


@given(values.ANY_TEXT | st.text('()<>[]" NotW/*,urn:', max_size=40))
def test_any_text_is_a_guard_or_refused(text: str) -> None:
    names = ("if", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    for name in names:
        # mypy infers no types for the default that binds the lambda to its turn.
        values.refused(lambda name=name: conditions.read({name: text}, ME, ("p",), ""))  # type: ignore[misc]


def test_strong_comparison() -> None:
    assert conditions.same_strong('"a"', '"a"')
    assert not conditions.same_strong('W/"a"', 'W/"a"')
    assert not conditions.same_strong('"a"', None)

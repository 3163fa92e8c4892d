"""Header strings become values."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from davserver.protocol import headers
from davserver.protocol.faults import Fault
from davserver.protocol.headers import Depth
from davserver.protocol.paths import Target
from tests.protocol import values

ANY_DEPTH = frozenset(Depth)
COPY_DEPTH = frozenset({Depth.ZERO, Depth.INFINITY})

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
DATES = {
    "IMF-fixdate": ("Sun, 06 Nov 1994 08:49:37 GMT", MOMENT),
    "RFC 850": ("Sunday, 06-Nov-94 08:49:37 GMT", MOMENT),
    "asctime": ("Sun Nov  6 08:49:37 1994", MOMENT),
    "spaces around": (" Sun, 06 Nov 1994 08:49:37 GMT ", MOMENT),
    "no date": ("yesterday", None),
    "nothing": ("", None),
    "a day that no month has": ("Sun, 31 Feb 1994 08:49:37 GMT", None),
    "an hour that no day has": ("Sun, 06 Nov 1994 28:49:37 GMT", None),
    "absent": (None, None),
}


@pytest.mark.parametrize(("text", "moment"), DATES.values(), ids=DATES)
def test_a_date_is_read_in_all_its_forms(text: str | None, moment: datetime | None) -> None:
    assert headers.date(text) == moment


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2068, 12, 31)))
def test_the_three_forms_of_a_date_say_the_same(moment: datetime) -> None:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    day, month = days[moment.weekday()], months[moment.month - 1]
    clock = f"{moment:%H:%M:%S}"
    expected = moment.replace(microsecond=0, tzinfo=UTC)
    forms = (
        f"{day[:3]}, {moment.day:02} {month} {moment.year} {clock} GMT",
        f"{day}, {moment.day:02}-{month}-{moment.year % 100:02} {clock} GMT",
        f"{day[:3]} {month} {moment.day:2} {clock} {moment.year}",
    )
    assert [headers.date(form) for form in forms] == [expected] * 3


DEPTHS = {
    "absent": (None, ANY_DEPTH, Depth.INFINITY),
    "zero": ("0", ANY_DEPTH, Depth.ZERO),
    "one": ("1", ANY_DEPTH, Depth.ONE),
    "infinity in any case": (" Infinity ", ANY_DEPTH, Depth.INFINITY),
    "one where it is not allowed": ("1", COPY_DEPTH, None),
    "a number that is no depth": ("2", ANY_DEPTH, None),
    "nothing": ("", ANY_DEPTH, None),
    "the extension of Microsoft": ("1,noroot", ANY_DEPTH, None),
}


@pytest.mark.parametrize(("text", "allowed", "depth"), DEPTHS.values(), ids=DEPTHS)
def test_depth(text: str | None, allowed: frozenset[Depth], depth: Depth | None) -> None:
    given_headers = {} if text is None else {"depth": text}
    if depth is None:
        with pytest.raises(Fault, match="400"):
            headers.depth(given_headers, Depth.INFINITY, allowed)
    else:
        assert headers.depth(given_headers, Depth.INFINITY, allowed) is depth


def test_overwrite_is_true_unless_it_is_said_to_be_false() -> None:
    assert headers.overwrite({})
    assert headers.overwrite({"overwrite": " t "})
    assert not headers.overwrite({"overwrite": "F"})
    for text in ("", "yes", "TF", "0"):
        with pytest.raises(Fault, match="400"):
            headers.overwrite({"overwrite": text})


DESTINATIONS: dict[str, tuple[str, Target | int]] = {
    "an absolute path": ("/a/b", Target(("a", "b"), False)),
    "an absolute URI": ("http://localhost:8080/a/", Target(("a",), True)),
    "another host and scheme: a proxy may have changed them": (
        "HTTPS://example.net:444/a",
        Target(("a",), False),
    ),
    "a user and a password": ("http://me:secret@h/a", Target(("a",), False)),
    "a colon within the path": ("/a:b", Target(("a:b",), False)),
    "escaped delimiters are part of the name": ("/%3F%23%25;", Target(("?#%;",), False)),
    "nothing": ("", 400),
    "a relative path": ("a/b", 400),
    "a dot segment": ("/a/../b", 400),
    "an encoded slash": ("http://h/a%2Fb", 400),
    "a null byte": ("/%00", 400),
    "a malformed escape": ("/%", 400),
    "no scheme before the colon": ("1:2", 400),
    "another scheme": ("ftp://h/a", 502),
    "a scheme without an authority": ("mailto:a", 502),
    "the scheme alone": ("http:", 400),
    "64 kB": ("/" + "a" * 65536, Target(("a" * 65536,), False)),
}


@pytest.mark.parametrize(("text", "expected"), DESTINATIONS.values(), ids=DESTINATIONS)
def test_destination(text: str, expected: Target | int) -> None:
    if isinstance(expected, int):
        with pytest.raises(Fault) as refused:
            headers.destination({"destination": text}, ())
        assert refused.value.status == expected
    else:
        assert headers.destination({"destination": text}, ()) == expected


@pytest.mark.parametrize("text", ["/", "/da", "/davs/a", "http://h/x/dav"])
def test_a_destination_that_is_not_below_the_prefix_is_elsewhere(text: str) -> None:
    with pytest.raises(Fault) as refused:
        headers.destination({"destination": text}, ("dav",))
    assert refused.value.status == 502


TIMEOUTS = {
    "absent": (None, 3600),
    "seconds": ("Second-60", 60),
    "none at all still lives a second": ("Second-0", 1),
    "more than allowed": ("Second-4100000000", 86_400),
    "for ever": ("Infinite", 86_400),
    "the first that is understood": ("Extend, Second-7, Infinite", 7),
    "not understood": ("soon", 3600),
    "more digits than any number needs": ("Second-" + "9" * 9000, 86_400),
    "zeros before it": ("Second-" + "0" * 9000 + "5", 5),
    "digits that are not ASCII": ("Second-٣", 3600),
}


@pytest.mark.parametrize(("text", "seconds"), TIMEOUTS.values(), ids=TIMEOUTS)
def test_timeout(text: str | None, seconds: int) -> None:
    assert headers.timeout({} if text is None else {"timeout": text}, 86_400) == seconds


def test_a_lock_token_is_understood_without_its_brackets() -> None:
    for text in ("<urn:uuid:a>", "urn:uuid:a", " <urn:uuid:a> "):
        assert headers.lock_token({"lock-token": text}) == "urn:uuid:a"
    for text in ("", "<>", "token", "<a b:c>", "<<urn:a>>"):
        with pytest.raises(Fault, match="400"):
            headers.lock_token({"lock-token": text})


def test_only_identity_is_no_coding() -> None:
    assert not headers.content_is_coded({})
    assert not headers.content_is_coded({"content-encoding": "Identity, identity"})
    assert headers.content_is_coded({"content-encoding": "identity,gzip"})


PARSERS: dict[str, Callable[[dict[str, str]], object]] = {
    "depth": lambda found: headers.depth(found, Depth.ZERO, ANY_DEPTH),
    "overwrite": headers.overwrite,
    "destination": lambda found: headers.destination(found, ("p",)),
    "timeout": lambda found: headers.timeout(found, 60),
    "lock-token": headers.lock_token,
    "content-encoding": headers.content_is_coded,
}


@given(st.sampled_from(sorted(PARSERS)), values.ANY_TEXT)
def test_any_text_is_a_value_or_refused(name: str, text: str) -> None:
    values.refused(lambda: PARSERS[name]({name: text}))


@given(
    values.ANY_TEXT
    | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT)")
)
@example("Fri, 31 Dec 9999 23:59:59 -0100")
@example("Sun, 06 Nov 1994 08:49:37 +9999")
@example("Mon, 01 Jan 0000 00:00:00 GMT")
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = headers.date(text)
    assert found is None or found.tzinfo is UTC

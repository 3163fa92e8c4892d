"""Probes of cookies, which nothing here reads: they change no answer, and hide nothing."""

from tests.wire.probes import CONTENT, OK, Probe, get, one_of


def served(name: str, rule: str, shows: str, *cookies: str) -> Probe:
    """Cookies with which a file is served as without."""
    return Probe(
        name,
        "none",
        rule,
        shows,
        get(*(f"Cookie: {cookie}" for cookie in cookies)),
        OK,
        after="kept",
        body=CONTENT,
        lacks=("set-cookie",),
    )


PROBES = (
    served("cookie", "RFC 6265 5.4", "a cookie is passed over", "foo=bar"),
    Probe(
        "cookie-for-a-collection",
        "none",
        "RFC 6265 4.1.1",
        "a cookie is passed over where a list is made",
        get("Cookie: foo=bar", path="/"),
        OK,
        after="kept",
        lacks=("set-cookie",),
    ),
    served(
        "cookie-of-three-pairs", "RFC 6265 4.2.1", "a cookie may have three pairs", "a=1; b=2; c=3"
    ),
    served("cookie-without-value", "RFC 6265 4.1.1", "a pair may lack its value", "foo="),
    served(
        "cookie-of-spaces-and-signs",
        "RFC 6265 4.1.1",
        "a value may hold what parts pairs elsewhere",
        "a=hello world; b=x=y",
    ),
    served("empty-cookie", "RFC 6265 4.2", "a cookie may be empty", ""),
    served("cookie-of-signs-alone", "RFC 6265 4.1.1", "a cookie may have no pair", "===;;;"),
    served("two-cookies", "RFC 6265 5.4", "this field may come twice", "a=1", "b=2"),
    served(
        "cookie-of-a-thousand-pairs",
        "RFC 6265 6.1",
        "a head of 12 KB is not too large",
        "; ".join(f"k{number}=v{number}" for number in range(1000)),
    ),
    Probe(
        "cookie-of-64-kilobytes",
        "none",
        "RFC 6265 6.1",
        "a cookie may be too large, as any field",
        get("Cookie: big=" + "A" * 65_536),
        one_of(200, 400, 431),
        after="either",
    ),
    Probe(
        "null-byte-in-cookie",
        "none",
        "RFC 9110 5.5",
        "a cookie is a value as any: without a null byte",
        get("Cookie: foo=\0bar"),
    ),
    Probe(
        "control-characters-in-cookie",
        "none",
        "RFC 6265 4.1.1",
        "a cookie is a value as any: without control characters",
        get("Cookie: foo=\x01\x02\x03"),
    ),
)

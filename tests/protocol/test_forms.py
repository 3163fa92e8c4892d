"""How members are written: for anything that may be asked, what RFC 4918 section 9.1 says."""

from http import HTTPStatus

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from davserver.protocol import dates, documents, forms, mediatypes, multistatus, paths
from davserver.protocol.documents import Propfind
from davserver.protocol.forms import Form, Setting
from davserver.protocol.locks import Lock
from davserver.protocol.multistatus import Response
from davserver.protocol.properties import LIVE, SUPPORTEDLOCK, Stored
from davserver.protocol.resources import etag
from davserver.share.written import Written
from tests.protocol import values
from tests.protocol.values import FILE, FOLDER, Facts

DEAD = ("{urn:x}a", "{http://h/%25s?a&b}b", "c", "{DAV:}getcontentlanguage", "{DAV:}displayname")
ASKED = st.lists(st.sampled_from([*LIVE, *DEAD, "{DAV:}acl"]), max_size=6, unique=True).map(tuple)
FORMS = st.one_of(
    st.just(Propfind("propname")),
    ASKED.map(lambda names: Propfind("allprop", names)),
    ASKED.map(lambda names: Propfind("prop", names)),
)
STORED = st.lists(st.sampled_from(DEAD), max_size=3, unique=True).map(
    lambda names: Stored({name: multistatus.element(name, "1 &amp; %s") for name in names})
)
FACTS = st.builds(
    Facts,
    st.sampled_from([FILE.st_mode, FOLDER.st_mode]),
    st.integers(1, 2**63),
    st.just(1),
    st.integers(0, 2**63),
    st.integers(-(2**62), 2**62),
    st.integers(-(2**62), 2**62),
)
ONLY_FILES = {"{DAV:}getcontentlength", "{DAV:}getcontenttype", "{DAV:}getetag"}
ONLY_COLLECTIONS = {"{DAV:}quota-available-bytes", "{DAV:}quota-used-bytes"}


def available(facts: Facts, stored: Stored) -> set[str]:
    """Every property that a member has."""
    collection = facts.st_mode == FOLDER.st_mode
    without = (ONLY_FILES if collection else ONLY_COLLECTIONS) | {"{DAV:}getcontentlanguage"}
    return (set(LIVE) - without) | set(stored)


def expected(asked: Propfind, facts: Facts, stored: Stored) -> tuple[set[str], set[str]]:
    """The properties to be told, and those to be said to be missing."""
    there = available(facts, stored)
    if asked.kind == "prop":
        return set(asked.names) & there, set(asked.names) - there
    if asked.kind == "propname":
        return there, set()
    return (there - ONLY_COLLECTIONS) | (set(asked.names) & there), set(asked.names) - there


def written(asked: Propfind, name: str, facts: Facts, stored: Stored, locks: str = "") -> Response:
    setting = Setting(
        "/base/",
        locks,
        SUPPORTEDLOCK,
        ("1", "2"),
        {name: stored} if stored else {},
    )
    entered: list[str] = []
    lines = list(Form(asked).responses([(name, facts)], setting, entered))
    assert entered == ([name] if facts.st_mode == FOLDER.st_mode else [])
    (found,) = multistatus.parse(b"".join(multistatus.stream(lines)))
    return found


def read(xml: str) -> documents.Element:
    return documents.read(f"{multistatus.HEAD}{xml}{multistatus.TAIL}".encode())[0]


@settings(max_examples=300, deadline=None)
@given(FORMS, values.NAMES, FACTS, STORED)
def test_a_member_is_told_as_it_was_asked(
    asked: Propfind, name: str, facts: Facts, stored: Stored
) -> None:
    found = written(asked, name, facts, stored)
    assert paths.parse(found.href).path == ("base", name)
    assert found.href.endswith("/") is (facts.st_mode == FOLDER.st_mode)
    told = {one.status: [read(xml) for xml in one.properties] for one in found.propstats}
    names = {status: [str(one.tag) for one in elements] for status, elements in told.items()}
    there, missing = expected(asked, facts, stored)
    assert sorted(names.get(HTTPStatus.OK, [])) == sorted(there)
    assert sorted(names.get(HTTPStatus.NOT_FOUND, [])) == sorted(missing)
    assert set(names) <= {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
    assert names
    content = {str(one.tag): one for one in told.get(HTTPStatus.OK, [])}
    if asked.kind == "propname":
        assert all(len(one) == 0 and not one.text for one in content.values())
        return
    texts = {
        "{DAV:}displayname": multistatus.clean(name),
        "{DAV:}getcontentlength": str(facts.st_size),
        "{DAV:}getcontenttype": mediatypes.of(name),
        "{DAV:}getetag": etag(facts),
        "{DAV:}getlastmodified": dates.http(facts.st_mtime_ns // values.SECOND),
        "{DAV:}creationdate": dates.iso(min(facts.st_mtime_ns, facts.st_ctime_ns) // values.SECOND),
        "{DAV:}quota-available-bytes": "1",
        "{DAV:}quota-used-bytes": "2",
    } | dict.fromkeys(stored, "1 & %s")
    for prop, element in content.items():
        if prop in texts:
            assert (element.text or "") == texts[prop], prop
    if "{DAV:}resourcetype" in content:
        kinds = [one.tag for one in content["{DAV:}resourcetype"]]
        assert kinds == (["{DAV:}collection"] if facts.st_mode == FOLDER.st_mode else [])


@settings(max_examples=100, deadline=None)
@given(FORMS, st.lists(st.tuples(values.NAMES, FACTS), max_size=4), STORED)
def test_what_is_remembered_is_what_would_be_written(
    asked: Propfind, members: list[tuple[str, Facts]], stored: Stored
) -> None:
    """However often it is asked, with other facts and properties in between."""
    form, memory = Form(asked), Written(3000)
    some = {name: stored for name, _ in members[:1] if stored}
    changed = [(name, FOLDER) for name, _ in members]
    for given_members, properties in (
        (members, {}),
        (members, {}),
        (changed, {}),
        (members, some),
        (members, {}),
        (members[::-1], some),
    ):
        setting = Setting("/base/", "", SUPPORTEDLOCK, ("1", "2"), properties)
        entered: list[str] = []
        again: list[str] = []
        fresh = "".join(form.responses(given_members, setting, entered))
        assert "".join(form.remembered(given_members, setting, again, memory)) == fresh
        assert again == entered


def test_what_is_remembered_is_bounded() -> None:
    form, memory = Form(Propfind("allprop")), Written(20_000)
    members = [(f"{number}", FILE) for number in range(30)]
    for folder in range(20):
        setting = Setting(f"/{folder}/", "", SUPPORTEDLOCK)
        assert "".join(form.remembered(members, setting, [], memory)).count("<D:response>") == 30
    held = memory._collections.values()
    assert sum(len(text) for entries, _ in held for _, _, text in entries.values()) <= 20_000
    assert len(held) < 20


def test_locks_are_told() -> None:
    now = 1000.0
    given = [
        Lock("urn:a&b", ("x",), True, True, "<D:owner>me</D:owner>", "me", 60, now + 60.4),
        Lock("urn:c", ("x", "y"), False, False, "", "me", 60, now - 5),
    ]
    content = forms.lockdiscovery(given, now, lambda lock: paths.href(lock.root, True))
    found = etree.fromstring(f"<D:l xmlns:D='DAV:'>{content}</D:l>")
    first, second = found
    assert first.findtext("{DAV:}locktoken/{DAV:}href") == "urn:a&b"
    assert first.findtext("{DAV:}lockroot/{DAV:}href") == "/x/"
    assert first.findtext("{DAV:}depth") == "infinity"
    assert first.findtext("{DAV:}timeout") == "Second-60"
    assert first.findtext("{DAV:}owner") == "me"
    assert first.find("{DAV:}lockscope/{DAV:}exclusive") is not None
    assert second.find("{DAV:}lockscope/{DAV:}shared") is not None
    assert second.findtext("{DAV:}depth") == "0"
    assert second.findtext("{DAV:}timeout") == "Second-0"
    assert first.find("{DAV:}locktype/{DAV:}write") is not None


def test_the_lockdiscovery_of_a_member_is_its_own_or_what_is_inherited() -> None:
    asked = Propfind("prop", ("{DAV:}lockdiscovery",))
    setting = Setting("/", "<D:a/>", "", locked={"own": "<D:b/>"})
    lines = Form(asked).responses([("own", FILE), ("other", FILE)], setting, [])
    own, other = multistatus.parse(b"".join(multistatus.stream(lines)))
    assert read(own.propstats[0].properties[0])[0].tag == "{DAV:}b"
    assert read(other.propstats[0].properties[0])[0].tag == "{DAV:}a"


def test_only_what_is_needed_is_asked_for() -> None:
    assert Form(Propfind("allprop")).wants_locks
    assert Form(Propfind("allprop")).wants_stored
    assert not Form(Propfind("allprop")).wants_quota
    assert not Form(Propfind("prop", ("{DAV:}getetag",))).wants_stored
    assert not Form(Propfind("prop", ("{DAV:}getetag",))).wants_locks
    assert Form(Propfind("prop", ("{DAV:}displayname",))).wants_stored
    assert Form(Propfind("allprop", ("{DAV:}quota-used-bytes",))).wants_quota

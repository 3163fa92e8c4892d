"""`davserver export` and `import`: locks and properties as lines of JSON."""

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from davserver import cli
from davserver.protocol import documents
from davserver.protocol.locks import Lock
from davserver.state.sqlite import SqliteState
from tests.commands.ground import COMMAND, NEVER, Ground, digest, xml
from tests.running import Running, run
from tests.wire import talk


@pytest.fixture
def put(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import some text."""

    def take(text: str | bytes, *arguments: str) -> Any:
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return ground.run("import", *arguments)

    return take


def test_an_export_says_all_and_changes_nothing(ground: Ground) -> None:
    ground.give("a", "folder/é \n", "\udcff")
    before = digest(ground.root, ground.file.parent)
    said = ground.run("export")
    assert (said.code, said.err) == (0, "")
    assert digest(ground.root, ground.file.parent) == before
    head, *lines = map(json.loads, said.out.splitlines())
    assert (head["davserver"], head["form"], head["schema"]) == ("export", 1, 2)
    assert [line["path"] for line in lines] == ["/a", "/folder/%C3%A9%20%0A", "/%FF"]
    stamp = ground.stamp("a")
    assert lines[0] == {
        "share": "",
        "path": "/a",
        "kind": "file",
        "inode": stamp.inode,
        "born": stamp.born,
        "properties": {"{urn:x}p": xml("a")},
        "locks": [
            {
                "token": "urn:uuid:61",
                "deep": False,
                "exclusive": True,
                "owner": "",
                "principal": "",
                "timeout": 9,
                "expires": NEVER,
                "kind": "file",
                "inode": stamp.inode,
                "born": stamp.born,
            }
        ],
    }


def test_an_import_restores_what_was_lost(ground: Ground, put: Any) -> None:
    ground.give("a", "folder/b")
    before, text = ground.rows(), ground.run("export").out
    for path in ground.file.parent.iterdir():
        if path.is_file():
            path.unlink()
    said = put(text)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"2 resources are imported into {ground.file}\n"
    assert ground.rows() == before
    assert ground.run("check").code == 0


def test_an_import_replaces_the_rows_of_what_it_names_alone(ground: Ground, put: Any) -> None:
    ground.give("a", "b")
    text = ground.run("export").out
    state = SqliteState(ground.file)
    with state.write() as writer:
        for name in ("a", "b"):
            writer.set_property(ground.key(name), "{urn:x}p", xml("new"))
            writer.set_property(ground.key(name), "{urn:x}q", "<q xmlns='urn:x'/>")
            writer.remove_lock(f"urn:uuid:{name.encode().hex()}")
    state.close()
    lines = text.splitlines(keepends=True)
    assert put("".join(lines[:2])).code == 0
    properties, locks = ground.rows()
    assert properties == {"a": xml("a"), "b": xml("new")}
    assert set(locks) == {"a"}
    assert "{urn:x}q" not in ground.run("export").out.splitlines()[1]


def test_what_is_not_there_is_skipped_and_told(ground: Ground, put: Any) -> None:
    ground.give("a", "b", "c", "d")
    text = ground.run("export").out.replace('"share":""', '"share":"other"', 1)
    state = SqliteState(ground.file)
    with state.write() as writer:
        writer.remove_properties(ground.key(""))
        writer.remove_locks(ground.key(""))
    state.close()
    (ground.root / "b").unlink()
    (ground.root / "c").unlink()
    (ground.root / "c").mkdir()
    said = put(text)
    assert said.code == 1
    assert said.err.splitlines() == [
        "davserver: skipped: other/a: there is no such share",
        "davserver: skipped: /b: it is not there",
        "davserver: skipped: /c: another kind of resource is there",
    ]
    assert set(ground.rows()[0]) == {"d"}


def test_rows_of_a_share_that_is_read_only_stay(ground: Ground, put: Any) -> None:
    ground.give("a")
    text = ground.run("export").out
    (ground.root / "b").touch()
    state = SqliteState(ground.file)
    with state.write() as writer:
        writer.set_property(ground.key("a"), "{urn:x}p", xml("new"))
        writer.remove_locks(ground.key(""))
    state.close()
    before = ground.rows()
    said = put(text, "--read-only")
    assert said.code == 1
    assert said.err == "davserver: skipped: /a: its share is read-only\n"
    assert said.out == f"0 resources are imported into {ground.file}\n"
    assert ground.rows() == before


def test_one_share_of_several_is_read_only(
    ground: Ground,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor does a lock leave it for another share."""
    ground.give("fixed/a", "open/b")
    (ground.root / "open" / "c").touch()
    config = tmp_path / "c.toml"
    config.write_text(
        f"state = '{ground.file}'\n"
        f"[shares.fixed]\npath = '{ground.root}/fixed'\nread_only = true\n"
        f"[shares.open]\npath = '{ground.root}/open'\n"
    )
    taken = lock(token=f"urn:uuid:{b'fixed/a'.hex()}")
    text = (
        GOOD
        + line(share="fixed", path="/a")
        + line(share="open", path="/b")
        + line(share="open", path="/c", locks=[taken])
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(("import", "--config", str(config))) == 1
    assert capsys.readouterr().err.splitlines() == [
        "davserver: skipped: fixed/a: its share is read-only",
        "davserver: skipped: open/c: a lock of its own is held in a share that is read-only",
    ]
    assert ground.rows() == (
        {"fixed/a": xml("fixed/a"), "open/b": xml("x")},
        {"fixed/a": taken["token"], "open/b": "urn:uuid:1"},
    )


def test_locks_that_conflict_are_not_imported(ground: Ground, put: Any) -> None:
    ground.give("folder/a", "folder/b")
    text = ground.run("export").out
    state = SqliteState(ground.file)
    with state.write() as writer:
        writer.remove_locks(ground.key(""))
        root = ground.key("folder")
        writer.add_lock(Lock("urn:uuid:deep", root, True, True, "", "", 9, NEVER))
        writer.remove_properties(ground.key("folder/b"))
    state.close()
    said = put(text)
    assert said.code == 1
    assert "a lock is in the way" in said.err
    assert ground.rows()[1] == {"folder": "urn:uuid:deep"}


GOOD = '{"davserver":"export","form":1,"schema":2,"when":"2026-01-01T00:00:00+00:00"}\n'


def line(**changed: Any) -> str:
    """A line that is right but for what is changed; None takes a key away."""
    told: dict[str, Any] = {
        "share": "",
        "path": "/a",
        "kind": "file",
        "inode": 1,
        "born": 2,
        "properties": {"{urn:x}p": xml("x")},
        "locks": [lock()],
    } | changed
    return json.dumps({key: value for key, value in told.items() if value is not None}) + "\n"


def lock(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "token": "urn:uuid:1",
        "deep": False,
        "exclusive": True,
        "owner": "<D:owner>me</D:owner>",
        "principal": "",
        "timeout": 9,
        "expires": NEVER,
        "kind": "file",
        "inode": 1,
        "born": 2,
    } | changed
    return {key: value for key, value in told.items() if value is not None}


WRONG: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "is empty"),
    "no JSON": ("x\n", "line 1: this is no JSON"),
    "no header": (line(), "line 1: this is nothing that davserver export has written"),
    "a later form": (GOOD.replace('"form":1', '"form":2'), "line 1: the form of the lines is 2"),
    "no text": (GOOD.encode() + b"\xff\n", "no UTF-8"),
    "no JSON later": (GOOD + line() + "{\n", "line 3: this is no JSON"),
    "an empty line": (GOOD + line() + "\n", "line 3: this is no JSON"),
    "deep JSON": (GOOD + "[" * 100_000 + "\n", "line 2: this is no JSON"),
    "no object": (GOOD + "[]\n", "line 2: this is no JSON object"),
    "a missing key": (GOOD + line(path=None), "line 2: path is missing"),
    "an unknown key": (GOOD + line(x=1), "line 2: unknown key 'x'"),
    "a path that leads out": (GOOD + line(path="/../x"), "line 2: path: "),
    "an encoded slash": (GOOD + line(path="/a%2fb"), "line 2: path: "),
    "a reserved name": (GOOD + line(path="/.~dav-x"), "line 2: path: "),
    "a path that is no text": (GOOD + line(path=1), "line 2: path: must be a text"),
    "a kind that nobody knows": (GOOD + line(kind="pipe"), "line 2: kind: must be one of"),
    "a number that is none": (GOOD + line(inode=True), "line 2: inode: must be a whole number"),
    "a number that is too large": (GOOD + line(born=1 << 63), "line 2: born: must be a whole"),
    "properties that are none": (GOOD + line(properties=[]), "line 2: properties: must be an obj"),
    "a property that is no XML": (GOOD + line(properties={"{urn:x}p": "<x"}), "element as XML"),
    "a property that breaks out": (
        GOOD + line(properties={"{urn:x}p": "</D:value><D:value>"}),
        "element as XML",
    ),
    "two elements": (GOOD + line(properties={"{urn:x}p": xml("a") * 2}), "element as XML"),
    "an element and text": (GOOD + line(properties={"{urn:x}p": xml("a") + "x"}), "element as XML"),
    "another element": (GOOD + line(properties={"{urn:x}q": xml("a")}), "element as XML"),
    "a surrogate": (GOOD + line(properties={"{urn:x}p": xml("") + "\udcff"}), "element as XML"),
    "a property that is protected": (
        GOOD + line(properties={"{DAV:}getetag": "<D:getetag/>"}),
        "line 2: properties: '{DAV:}getetag': ",
    ),
    "locks that are none": (GOOD + line(locks={}), "line 2: locks: must be a list"),
    "a lock that is none": (GOOD + line(locks=[1]), "line 2: locks: each is an object"),
    "a lock without a token": (GOOD + line(locks=[lock(token=None)]), "token is missing"),
    "a token that is none": (GOOD + line(locks=[lock(token="<x>")]), "token: must be a URI"),
    "an owner that is no XML": (GOOD + line(locks=[lock(owner="me")]), "owner: must be an owner"),
    "a lock without an end": (GOOD + line(locks=[lock(expires=None)]), "expires is missing"),
    "an end that is none": (
        GOOD + line(locks=[lock(expires=float("inf"))]),
        "expires: must be seconds",
    ),
    "an end beyond all numbers": (
        GOOD + line(locks=[lock(expires=10**400)]),
        "line 2: expires: must be seconds",
    ),
    "a negative timeout": (
        GOOD + line(locks=[lock(timeout=-1)]),
        "line 2: timeout: must not be negative",
    ),
    "half a pair in a principal": (
        GOOD + line(locks=[lock(principal="\ud800")]),
        "line 2: principal: has half of a surrogate pair",
    ),
    "a byte in a principal": (
        GOOD + line(locks=[lock(principal="\udcff")]),
        "line 2: principal: has half of a surrogate pair",
    ),
    "half a pair in an owner": (
        GOOD + line(locks=[lock(owner="<D:owner>\ud800</D:owner>")]),
        "line 2: owner: must be an owner",
    ),
    "half a pair in a token": (
        GOOD + line(locks=[lock(token="urn:uuid:\ud800")]),
        "line 2: token: must be a URI",
    ),
    "half a pair in a property": (
        GOOD + line(properties={"{urn:x}p": xml("").replace("><", ">\ud800<")}),
        "element as XML",
    ),
    "half a pair in the name of a property": (
        GOOD + line(properties={"{urn:x}\ud800": xml("")}),
        "element as XML",
    ),
    "a property without a name": (GOOD + line(properties={"": "x"}), "element as XML"),
    "a name of two lines": (GOOD + line(properties={"a\nb": xml("")}), "element as XML"),
    "half a pair in a path": (GOOD + line(path="/\ud800"), "line 2: path: "),
    "half a pair in a share": (
        GOOD + line(share="\ud800"),
        "line 2: share: has half of a surrogate pair",
    ),
    "a depth that is none": (GOOD + line(locks=[lock(deep=1)]), "deep: must be true or false"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_malformed_line_changes_nothing(
    ground: Ground, put: Any, text: str | bytes, said: str
) -> None:
    ground.give("a")
    before = ground.rows()
    ended = put(text)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert "nothing is imported" in ended.err
    assert ground.rows() == before


@pytest.mark.parametrize("kind", ["closed", "write-only"])
def test_an_input_that_cannot_be_read_is_one_sentence(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ground.give("a")
    before = ground.rows()
    with open(os.open(tmp_path / "written", os.O_CREAT | os.O_WRONLY)) as written:
        monkeypatch.setattr("sys.stdin", None if kind == "closed" else written)
        said = ground.run("import")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("davserver: The standard input ")
    assert said.err.endswith(": nothing is imported.\n")
    assert ground.rows() == before


def test_bytes_that_are_no_text_are_names_all_the_same(ground: Ground, put: Any) -> None:
    """Of a file, written as one and as an escape; of a share, where none has it."""
    ground.give("\udcff")
    for path in ("/\udcff", "/%FF"):
        assert put(GOOD + line(path=path)).code == 0
        assert ground.rows()[0] == {"\udcff": xml("x")}
    said = put(GOOD + line(share="\udcff"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "there is no such share" in said.err


def test_the_line_that_others_are_made_of_is_right(ground: Ground, put: Any) -> None:
    """The control."""
    ground.give("a")
    assert put(GOOD + line()).code == 0
    assert ground.rows()[0] == {"a": xml("x")}


def test_an_import_is_all_or_nothing(
    ground: Ground, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails at the last of many resources."""
    ground.give("a", "b", "c")
    text = ground.run("export").out.replace("&amp;", "").replace(xml("a"), xml("z"))
    before = ground.rows()
    from davserver.state.changes import WritableRows

    real = WritableRows.set_property

    def set_property(self: WritableRows, path: Any, *rest: Any) -> None:
        if path[-1] == "c":
            raise OSError(28, "No space left on device")
        real(self, path, *rest)

    monkeypatch.setattr(WritableRows, "set_property", set_property)
    said = put(text)
    assert said.code == 1
    assert said.err == "davserver: nothing is imported: No space left on device\n"
    assert ground.rows() == before


def test_without_a_state_there_is_nothing_to_export(ground: Ground, tmp_path: Path) -> None:
    for command, *arguments in (("export",), ("backup", "--output", str(tmp_path / "new"))):
        said = ground.run(command, *arguments)
        assert (said.code, said.out) == (2, "")
        assert "there are no locks and properties yet" in said.err
        assert not list(ground.file.parent.iterdir())


def test_an_export_of_nothing_says_so(ground: Ground) -> None:
    SqliteState(ground.file).close()
    said = ground.run("export")
    assert (said.code, said.out.count("\n")) == (0, 1)
    assert said.err == f"davserver: {ground.file}: there are no locks and properties in it.\n"


def test_an_export_of_another_directory_says_whose_rows_there_are(
    ground: Ground, tmp_path: Path
) -> None:
    ground.give("folder/a", "folder/b\udcff")
    known, ground.root = ground.root, tmp_path / "other"
    ground.root.mkdir()
    said = ground.run("export")
    assert (said.code, said.out.count("\n")) == (0, 1)
    assert f"what is below {os.path.realpath(known)}/folder in it, and none" in said.err
    assert said.err.count("\n") == 1


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and not name.startswith(".~dav-"))
ODD_NAMES = st.one_of(NAMES, NAMES.map(lambda name: name[:10] + "\udcfe")).filter(
    lambda name: len(name.encode("utf-8", "surrogateescape")) < 250
)
TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs", "Cn"), exclude_characters="\ufffe"),
    max_size=30,
)
ELEMENTS = st.dictionaries(
    st.sampled_from(["{urn:x}a", "{urn:y}b", "none", "{http://x/?a&b}c", "{DAV:}displayname"]),
    TEXTS,
    max_size=4,
)
LOCKS = st.lists(
    st.tuples(st.booleans(), TEXTS, st.text(max_size=10), st.integers(1, 10**9)), max_size=2
)
ROWS = st.dictionaries(ODD_NAMES, st.tuples(st.booleans(), ELEMENTS, LOCKS), max_size=5)


def element(name: str, text: str) -> str:
    namespace, local = documents.split(name)
    return (
        f'<{local} xmlns="{documents.escape(namespace)}">{documents.escape(text)}</{local}>'
        if namespace
        else f"<{local}>{documents.escape(text)}</{local}>"
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=ROWS)
def test_what_is_exported_and_imported_is_exported_again(
    ground: Ground, put: Any, rows: dict[str, Any]
) -> None:
    for path in ground.file.parent.iterdir():
        if path.is_file():
            path.unlink()
    state = SqliteState(ground.file)
    with state.write() as writer:
        for number, (name, (is_folder, stored, locks)) in enumerate(rows.items()):
            real = ground.root / name
            if not real.exists():
                if is_folder:
                    real.mkdir()
                else:
                    real.touch()
            stamp = ground.stamp(name)
            key = ground.key(name)
            for prop, text in stored.items():
                writer.set_property(key, prop, element(prop, text), stamp)
            for count, (deep, owner, principal, timeout) in enumerate(locks):
                xml_owner = f"<D:owner>{documents.escape(owner)}</D:owner>" if owner else ""
                writer.add_lock(
                    Lock(
                        f"urn:uuid:{number}-{count}",
                        key,
                        deep,
                        False,
                        xml_owner,
                        principal,
                        timeout,
                        NEVER + timeout / 7,
                        stamp,
                    )
                )
    state.close()
    first = ground.run("export")
    assert first.code == 0
    count = sum(bool(stored or locks) for _, stored, locks in rows.values())
    assert len(first.out.splitlines()) == count + 1
    assert put(first.out).code == 0
    again = ground.run("export").out
    assert again.splitlines()[1:] == first.out.splitlines()[1:]
    for path in ground.file.parent.iterdir():
        if path.is_file():
            path.unlink()
    assert put(first.out).code == 0
    assert ground.run("export").out.splitlines()[1:] == first.out.splitlines()[1:]
    kinds = {json.loads(one)["kind"] for one in again.splitlines()[1:]}
    assert kinds <= {"file", "collection"}


def test_both_work_while_a_server_runs(ground: Ground, tmp_path: Path) -> None:
    """As real processes, with real pipes, and with two shares."""
    (tmp_path / "second").mkdir()
    shares = (f"one={ground.root}", f"two={tmp_path}/second")
    file = tmp_path / "both.db"
    with Running(*shares, state=file) as server:
        over = threading.Event()

        def load() -> None:
            number = 0
            while not over.is_set():
                number = (number + 1) % 20
                talk.ask(server.port, f"PUT /two/{number}", body=b"x")
                talk.ask(server.port, f"DELETE /two/{(number + 10) % 20}")

        thread = threading.Thread(target=load)
        thread.start()
        try:
            body = f"<propertyupdate xmlns='DAV:'><set><prop>{xml('v')}</prop></set>"
            body += "</propertyupdate>"
            for path in ("/one/a", "/two/a"):
                assert talk.ask(server.port, f"PUT {path}", body=b"x").status == 201
                assert talk.ask(server.port, f"PROPPATCH {path}", body=body.encode()).status == 207
            exported = run([*COMMAND, "export", *shares, "--state", file])
            assert exported.returncode == 0, exported.stderr
            assert len(exported.stdout.splitlines()) == 3
            for path in ("/one/a", "/two/a"):
                removal = body.replace("set>", "remove>").encode()
                assert talk.ask(server.port, f"PROPPATCH {path}", body=removal).status == 207
            assert b">v<" not in talk.ask(server.port, "PROPFIND /two/a", "Depth: 0").body
            took = run([*COMMAND, "import", *shares, "--state", file], text=exported.stdout)
            assert (took.returncode, took.stderr) == (0, "")
            assert b">v<" in talk.ask(server.port, "PROPFIND /two/a", "Depth: 0").body
            assert b">v<" in talk.ask(server.port, "PROPFIND /one/a", "Depth: 0").body
        finally:
            over.set()
            thread.join()

"""curl: transfers, trees, locks and names, with the digests compared on disk and through GET."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.clients import digests, names
from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import program, run

LOCK = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner>curl</D:owner></D:lockinfo>"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What one call of curl brought: the last status, its headers, the file with the body."""

    status: int
    headers: dict[str, str]
    body: Path
    trace: str


class Curl:
    """curl with its files in one folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def __call__(
        self, target: str, *arguments: str | Path, text: str = "", into: Path | None = None
    ) -> Done:
        """Call it for one target, `/` being the server's root."""
        body = into or self.folder / "body"
        if not into:
            body.unlink(missing_ok=True)
        head = self.folder / "head"
        done = run(
            [
                program("curl"),
                "--silent",
                "--show-error",
                "--verbose",
                "--globoff",
                "--path-as-is",
                "--noproxy",
                "*",
                "--dump-header",
                head,
                "--output",
                body,
                *arguments,
                self.url + target,
            ],
            text=text,
        )
        assert done.returncode == 0, done.stderr
        last = head.read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1]
        line, *fields = last.split("\r\n")
        headers = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
        return Done(int(line.split(" ")[1]), headers, body, done.stderr)

    def hrefs(self, target: str, depth: str = "1") -> set[str]:
        """The hrefs that PROPFIND lists."""
        done = self(target, "--request", "PROPFIND", "--header", f"Depth: {depth}")
        assert done.status == 207
        found = ElementTree.parse(done.body).iter("{DAV:}href")
        return {element.text or "" for element in found}


@pytest.fixture
def curl(served: Served, tmp_path: Path) -> Curl:
    return Curl(tmp_path, served.url)


def test_a_file_goes_up_and_comes_down(curl: Curl, served: Served, tmp_path: Path) -> None:
    first = digests.written(tmp_path / "first", 300_000, 1)
    second = digests.written(tmp_path / "second", 4_000, 2)

    created = curl("/file.bin", "--upload-file", first)
    assert created.status == 201
    assert digests.of(served.root / "file.bin") == digests.of(first)

    got = curl("/file.bin")
    assert (got.status, got.headers["content-length"]) == (200, "300000")
    assert digests.of(got.body) == digests.of(first)
    assert got.headers["etag"] == created.headers["etag"]

    asked = curl("/file.bin", "--head")
    assert asked.status == 200
    for name in ("etag", "last-modified", "content-length", "content-type", "accept-ranges"):
        assert asked.headers[name] == got.headers[name], name

    replaced = curl("/file.bin", "--upload-file", second)
    assert replaced.status == 204
    assert replaced.headers["etag"] != created.headers["etag"]
    assert digests.of(served.root / "file.bin") == digests.of(second)


def test_parts_of_a_file(curl: Curl, served: Served, tmp_path: Path) -> None:
    content = digests.written(served.root / "file.bin", 10_000).read_bytes()

    part = curl("/file.bin", "--range", "100-199")
    assert (part.status, part.headers["content-range"]) == (206, "bytes 100-199/10000")
    assert part.body.read_bytes() == content[100:200]

    assert curl("/file.bin", "--range", "-5").body.read_bytes() == content[-5:]
    assert curl("/file.bin", "--range", "9990-").body.read_bytes() == content[9990:]

    several = curl("/file.bin", "--range", "0-9,500-509")
    assert several.status == 206
    assert several.headers["content-type"].startswith("multipart/byteranges")
    assert content[:10] in several.body.read_bytes()
    assert content[500:510] in several.body.read_bytes()

    beyond = curl("/file.bin", "--range", "10000-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */10000")


def test_a_download_is_resumed(curl: Curl, served: Served, tmp_path: Path) -> None:
    source = digests.written(served.root / "file.bin", 500_000)
    torso = tmp_path / "torso"
    torso.write_bytes(source.read_bytes()[:123_456])

    done = curl("/file.bin", "--continue-at", "-", into=torso)

    assert done.status == 206
    assert digests.of(torso) == digests.of(source)


def test_what_has_not_changed_is_not_sent_again(curl: Curl, served: Served, tmp_path: Path) -> None:
    (served.root / "file.txt").write_text("one")
    saved = tmp_path / "etag"

    assert curl("/file.txt", "--etag-save", saved).status == 200
    assert curl("/file.txt", "--etag-compare", saved).status == 304

    (served.root / "file.txt").write_text("another")
    assert curl("/file.txt", "--etag-compare", saved).status == 200


def test_a_large_file_waits_for_the_word_to_continue(
    curl: Curl, served: Served, tmp_path: Path
) -> None:
    source = digests.written(tmp_path / "large", 3_000_000)

    done = curl("/large.bin", "--upload-file", source, "--expect100-timeout", "20")

    assert done.status == 201
    assert "> Expect: 100-continue" in done.trace
    assert "< HTTP/1.1 100" in done.trace
    assert digests.of(served.root / "large.bin") == digests.of(source)


def test_a_refused_file_is_never_sent(curl: Curl, served: Served, tmp_path: Path) -> None:
    source = digests.written(tmp_path / "large", 3_000_000)

    done = curl("/none/large.bin", "--upload-file", source, "--expect100-timeout", "20")

    assert done.status == 409
    assert "< HTTP/1.1 100" not in done.trace


def test_a_file_without_a_login_is_never_sent(guarded: Served, tmp_path: Path) -> None:
    curl = Curl(tmp_path, guarded.url)
    source = digests.written(tmp_path / "large", 3_000_000)
    up = ("--upload-file", source, "--expect100-timeout", "20")

    refused = curl("/large.bin", *up)
    assert refused.status == 401
    assert "< HTTP/1.1 100" not in refused.trace

    # It asks first, and sends the file once.
    done = curl("/large.bin", *up, "--anyauth", "--user", f"{USER}:{PASSWORD}")
    assert done.status == 201
    assert done.trace.count("< HTTP/1.1 100") == 1
    assert digests.of(guarded.root / "large.bin") == digests.of(source)


def test_a_stream_of_unknown_length(curl: Curl, served: Served) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))

    done = curl("/stream.txt", "--upload-file", "-", text=text)

    assert done.status == 201
    assert "> Transfer-Encoding: chunked" in done.trace
    assert (served.root / "stream.txt").read_text() == text


def test_a_tree_is_made_copied_moved_and_removed(
    curl: Curl, served: Served, tmp_path: Path
) -> None:
    source = digests.written(tmp_path / "source", 50_000)

    assert curl("/a", "--request", "MKCOL").status == 201
    assert curl("/a", "--request", "MKCOL").status == 405
    assert curl("/x/y", "--request", "MKCOL").status == 409
    assert curl("/a/b", "--request", "MKCOL").status == 201
    assert curl("/a/b/file.bin", "--upload-file", source).status == 201

    there = ("--header", f"Destination: {served.url}/copy")
    assert curl("/a", "--request", "COPY", *there).status == 201
    assert curl("/a", "--request", "COPY", *there).status == 204
    assert curl("/a", "--request", "COPY", *there, "--header", "Overwrite: F").status == 412
    assert curl("/a", "--request", "MOVE", "--header", "Destination: /moved").status == 201

    expected = {"b": digests.FOLDER, "b/file.bin": digests.of(source)}
    assert digests.tree(served.root / "copy") == expected
    assert digests.tree(served.root / "moved") == expected
    assert curl.hrefs("/", "infinity") == {
        "/",
        *("/copy/", "/copy/b/", "/copy/b/file.bin"),
        *("/moved/", "/moved/b/", "/moved/b/file.bin"),
    }

    assert curl("/copy", "--request", "DELETE").status == 204
    assert curl("/moved", "--request", "DELETE").status == 204
    assert digests.tree(served.root) == {}


def test_a_lock_keeps_others_out(curl: Curl, served: Served, tmp_path: Path) -> None:
    mine = digests.written(tmp_path / "mine", 1_000, 1)
    (served.root / "file.bin").write_bytes(b"before")

    locked = curl("/file.bin", "--request", "LOCK", "--data", LOCK)
    assert locked.status == 200
    token = locked.headers["lock-token"]
    assert re.fullmatch(r"<[a-z]+:\S+>", token)

    assert curl("/file.bin", "--upload-file", mine).status == 423
    assert curl("/file.bin", "--request", "DELETE").status == 423
    assert (served.root / "file.bin").read_bytes() == b"before"

    with_token = ("--header", f"If: ({token})")
    assert curl("/file.bin", "--upload-file", mine, *with_token).status == 204
    assert digests.of(served.root / "file.bin") == digests.of(mine)

    unlock = ("--request", "UNLOCK", "--header", f"Lock-Token: {token}")
    assert curl("/file.bin", *unlock).status == 204
    assert curl("/file.bin", *unlock).status == 409
    assert curl("/file.bin", "--request", "DELETE").status == 204


@pytest.mark.parametrize("name", names.ODD.values(), ids=names.ODD.keys())
def test_a_name_comes_back_as_it_went(
    name: str, curl: Curl, served: Served, tmp_path: Path
) -> None:
    source = digests.written(tmp_path / "source", 100)
    href = "/" + quote(name, safe="")

    assert curl(href, "--upload-file", source).status == 201
    assert list(digests.tree(served.root)) == [name]
    (listed,) = curl.hrefs("/") - {"/"}
    assert listed == href
    assert digests.of(curl(listed).body) == digests.of(source)

    (served.root / "folder").mkdir()
    moved = curl(listed, "--request", "MOVE", "--header", f"Destination: /folder{listed}")
    assert moved.status == 201
    assert digests.tree(served.root / "folder") == {name: digests.of(source)}
    assert curl(f"/folder{href}", "--request", "DELETE").status == 204
    assert digests.tree(served.root) == {"folder": digests.FOLDER}


def test_a_password_is_asked_for_and_taken(guarded: Served, tmp_path: Path) -> None:
    curl = Curl(tmp_path, guarded.url)
    source = digests.written(tmp_path / "source", 100_000)
    up = ("--upload-file", source)

    refused = curl("/file.bin", *up)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert curl("/file.bin", *up, "--user", f"{USER}:wrong").status == 401
    assert digests.tree(guarded.root) == {}

    assert curl("/file.bin", *up, "--user", f"{USER}:{PASSWORD}").status == 201
    assert curl("/file.bin", *up, "--user", f"{USER}:{PASSWORD}", "--anyauth").status == 204
    assert digests.of(guarded.root / "file.bin") == digests.of(source)

"""cadaver: sessions typed into it line by line, compared by digest."""

import re
from pathlib import Path

import pytest

from tests.clients import digests
from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import program, run

REFUSED = re.compile(r"(?m)^.*\b(?:failed|Could not|unknown|denied)\b.*(?:\n.*)?")


class Cadaver:
    """cadaver with its home and its files in one folder."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.url = url

    def __call__(self, *commands: str) -> str:
        """Type commands into it and give what it said."""
        done = run(
            [program("cadaver"), f"{self.url}/"],
            text="\n".join([*commands, "quit", ""]),
            cwd=self.folder,
            environment={"HOME": str(self.folder)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def cadaver(served: Served, tmp_path: Path) -> Cadaver:
    return Cadaver(tmp_path / "cadaver", served.url)


def refusals(said: str) -> list[str]:
    return [match[0] for match in REFUSED.finditer(said)]


def test_files_go_up_and_come_down(cadaver: Cadaver, served: Served) -> None:
    sources = [
        digests.written(cadaver.folder / name, size, size)
        for name, size in {"one.bin": 70_000, "two.bin": 5, "three four.bin": 1_000_000}.items()
    ]
    (cadaver.folder / "empty.bin").touch()

    said = cadaver(
        "put one.bin",
        "put one.bin renamed.bin",
        "mput two.bin empty.bin",
        'put "three four.bin"',
        "get one.bin down.bin",
        'get "three four.bin" down-too.bin',
        "ls",
    )

    assert refusals(said) == []
    one, two, three = map(digests.of, sources)
    assert digests.tree(served.root) == {
        "one.bin": one,
        "renamed.bin": one,
        "two.bin": two,
        "empty.bin": digests.of(cadaver.folder / "empty.bin"),
        "three four.bin": three,
    }
    assert digests.of(cadaver.folder / "down.bin") == one
    assert digests.of(cadaver.folder / "down-too.bin") == three
    assert re.search(r"three four\.bin +1000000 ", said)


def test_a_tree_is_made_copied_moved_and_removed(cadaver: Cadaver, served: Served) -> None:
    source = digests.of(digests.written(cadaver.folder / "file.bin", 3_000))

    said = cadaver(
        "mkcol album",
        "put file.bin album/file.bin",
        "copy album second",
        "move second third",
        "copy album/file.bin third/copy.bin",
        "move third/file.bin third/moved.bin",
        "cd third",
        "ls",
    )

    assert refusals(said) == []
    assert digests.tree(served.root) == {
        "album": digests.FOLDER,
        "album/file.bin": source,
        "third": digests.FOLDER,
        "third/copy.bin": source,
        "third/moved.bin": source,
    }
    assert refusals(cadaver("delete third/copy.bin", "rmcol album", "rmcol third")) == []
    assert digests.tree(served.root) == {}


def test_a_lock_is_taken_used_and_given_back(cadaver: Cadaver, served: Served) -> None:
    digests.written(cadaver.folder / "one.bin", 3_000, 1)
    two = digests.of(digests.written(cadaver.folder / "two.bin", 3_000, 2))

    said = cadaver(
        "put one.bin",
        "lock one.bin",
        "discover one.bin",
        "showlocks",
        "put two.bin one.bin",
        "propset one.bin colour blue",
        "unlock one.bin",
        "discover one.bin",
        "put two.bin",
    )

    assert refusals(said) == []
    assert said.count("Scope: exclusive  Type: write") == 2
    assert "no locks found" in said
    assert digests.tree(served.root) == {"one.bin": two, "two.bin": two}


def test_a_lock_of_one_session_stops_another(cadaver: Cadaver, served: Served) -> None:
    one = digests.of(digests.written(cadaver.folder / "one.bin", 3_000, 1))
    digests.written(cadaver.folder / "two.bin", 3_000, 2)

    assert refusals(cadaver("put one.bin", "lock one.bin")) == []

    said = cadaver("put two.bin one.bin", "delete one.bin")
    assert said.count("423 Locked") == 2, said
    assert digests.tree(served.root) == {"one.bin": one}

    assert refusals(cadaver("steal one.bin", "put two.bin one.bin", "unlock one.bin")) == []
    assert digests.tree(served.root) == {"one.bin": digests.of(cadaver.folder / "two.bin")}


def test_properties_stay(cadaver: Cadaver) -> None:
    digests.written(cadaver.folder / "one.bin", 10)

    assert refusals(cadaver("put one.bin", "propset one.bin colour 'sea green'")) == []

    said = cadaver("propget one.bin colour", "propnames one.bin", "copy one.bin two.bin")
    assert refusals(said) == []
    assert "Value of colour is: sea green" in said
    assert "http://webdav.org/cadaver/custom-properties/ colour" in said
    assert "DAV: getetag" in said
    assert "Value of colour is: sea green" in cadaver("propget two.bin colour")


def test_a_login_from_its_netrc(guarded: Served, tmp_path: Path) -> None:
    cadaver = Cadaver(tmp_path / "cadaver", guarded.url)
    source = digests.of(digests.written(cadaver.folder / "one.bin", 3_000))
    netrc = cadaver.folder / ".netrc"
    netrc.write_text(f'machine 127.0.0.1\nlogin {USER}\npassword "{PASSWORD}"\n')
    netrc.chmod(0o600)

    assert refusals(cadaver("put one.bin")) == []
    assert digests.tree(guarded.root) == {"one.bin": source}


def test_what_the_server_refuses_is_seen(cadaver: Cadaver) -> None:
    digests.written(cadaver.folder / "one.bin", 10)

    said = cadaver("delete nothing.bin", "put one.bin none/one.bin", "mkcol none/folder")

    assert len(refusals(said)) == 3, said
    assert "404 Not Found" in said
    assert said.count("409 Conflict") == 2

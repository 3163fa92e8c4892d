"""Symbolic links, and the races that swap them in: no way out of the share."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from davserver.tree import confined
from tests.running import lacking
from tests.security.inside import BODIES, METHODS, Inside, digest

SECRET = b"a secret outside of the share"
MINE = b"served"
EXCHANGE = 2

LINKS = {
    "a file outside": "../outside/secret.txt",
    "a directory outside": "../outside",
    "an absolute path outside": "{outside}/secret.txt",
    "the root of the machine": "/",
    "the root by way of the process": "/proc/self/root",
    "the working directory by way of the process": "/proc/self/cwd",
    "a link to a link": "hop",
    "a file inside, absolutely": "{root}/mine.txt",
    "nothing": "none",
    "something outside that is not there": "../outside/new.txt",
    "itself": "link",
}


class Stage:
    def __init__(self, top: Path) -> None:
        self.root, self.outside = top / "root", top / "outside"
        for folder in (self.root, self.outside, self.root / "docs"):
            folder.mkdir(parents=True)
        (self.outside / "secret.txt").write_bytes(SECRET)
        (self.root / "mine.txt").write_bytes(MINE)
        (self.root / "hop").symlink_to("../outside")

    def link(self, name: str, to: str) -> None:
        (self.root / name).symlink_to(to.format(outside=self.outside, root=self.root))

    def untouched(self) -> bool:
        return {path.name: path.read_bytes() for path in self.outside.iterdir()} == {
            "secret.txt": SECRET
        }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


WAYS = {
    "openat2": {"opener": confined.openat2},
    "the walk": {"opener": confined.walk},
    "openat2, following": {"opener": confined.openat2, "follow": True},
    "the walk, following": {"opener": confined.walk, "follow": True},
}


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def ask(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> Iterator[Inside]:
    if request.param["opener"] is confined.openat2 and not confined.has_openat2():
        lacking("this kernel has no openat2")
    inside = Inside(tmp_path / "state.db", {"": stage.root}, **request.param)
    yield inside
    inside.close()


@pytest.mark.parametrize("to", LINKS.values(), ids=LINKS)
def test_a_link_leads_nowhere(ask: Inside, stage: Stage, to: str) -> None:
    stage.link("link", to)
    for method in METHODS:
        for target in ("/link", "/link/", "/link/secret.txt", "/link/docs/x", "/link/etc/passwd"):
            answer = ask(
                method, target, "Destination: /docs/got", "Depth: 0", body=BODIES.get(method, b"")
            )
            assert answer.status < 500 or answer.status == 501, (method, target)
            assert SECRET not in answer.body
            assert b"root:x:" not in answer.body
        for target in ("/link", "/link/new", "/hop/new"):
            if method in ("COPY", "MOVE"):
                assert ask(method, "/mine.txt", f"Destination: {target}").status in (403, 409)
    assert stage.untouched()
    assert (stage.root / "mine.txt").read_bytes() == MINE
    got = stage.root / "docs" / "got"
    assert got.is_symlink() or not got.exists()


@pytest.mark.parametrize("name", ["new", "deep/new"])
def test_nothing_is_written_through_a_link(ask: Inside, stage: Stage, name: str) -> None:
    """Not even where it stays in the share, and is followed for reading."""
    stage.link("folder", "docs")
    (stage.root / "docs" / "deep").mkdir()
    (stage.root / "docs" / "deep" / "old").write_bytes(b"old")
    before = digest(stage.root)
    for method in ("PUT", "MKCOL", "LOCK"):
        assert ask(method, f"/folder/{name}", body=BODIES.get(method, b"")).status in (403, 409)
    for method in ("COPY", "MOVE"):
        there = f"Destination: /folder/{name}"
        assert ask(method, "/mine.txt", there).status in (403, 409)
    for method in ("PUT", "DELETE", "PROPPATCH", "LOCK"):
        body = BODIES.get(method, b"")
        assert ask(method, "/folder/deep/old", body=body).status in (403, 404, 409)
    ask.rest()
    assert digest(stage.root) == before


def test_links_are_invisible_unless_they_are_followed(stage: Stage, tmp_path: Path) -> None:
    stage.link("link", "mine.txt")
    stage.link("folder", "docs")
    ask = Inside(tmp_path / "state.db", {"": stage.root})
    assert ask("GET", "/link").status == 404
    assert b"link" not in ask("PROPFIND", "/", "Depth: infinity").body
    assert ask("PUT", "/link", body=b"x").status == 403
    assert ask("PUT", "/folder/x", body=b"x").status in (403, 409)
    assert ask("DELETE", "/link").status == 404
    assert ask("MKCOL", "/link").status == 403
    assert (stage.root / "link").is_symlink()
    ask.close()


def test_followed_links_stay_in_the_share(stage: Stage, tmp_path: Path) -> None:
    if not confined.has_openat2():
        lacking("this kernel has no openat2")
    stage.link("link", "mine.txt")
    stage.link("folder", "docs")
    stage.link("out", "../outside/secret.txt")
    (stage.root / "docs" / "deep.txt").write_bytes(b"deep")
    ask = Inside(tmp_path / "state.db", {"": stage.root}, follow=True)
    assert ask("GET", "/link").body == MINE
    assert ask("GET", "/folder/deep.txt").body == b"deep"
    assert ask("GET", "/out").status == 404
    listed = ask("PROPFIND", "/", "Depth: 1").body
    assert b"<D:href>/link</D:href>" in listed
    assert b"<D:href>/folder/</D:href>" in listed
    assert b"/out" not in listed
    assert ask("PUT", "/link", body=b"x").status == 403
    assert ask("DELETE", "/link").status == 204
    assert not (stage.root / "link").is_symlink()
    assert (stage.root / "mine.txt").read_bytes() == MINE
    ask.close()


class Swapper:
    """Exchanges two entries of a directory as fast as it can; a context manager that stops."""

    def __init__(self, folder: Path, one: str, other: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._names = (os.fsencode(one), os.fsencode(other))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._swap)
        self.swaps = 0

    def _swap(self) -> None:
        one, other = self._names
        while not self._stopped.is_set():
            if self._libc.renameat2(self._fd, one, self._fd, other, EXCHANGE):
                return
            self.swaps += 1

    def __enter__(self) -> "Swapper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        os.close(self._fd)


def naive(root: Path, name: str) -> bytes:
    """What many servers do: look where a path leads, then open it."""
    path = root / name
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            return b""
        return path.read_bytes()
    except OSError:
        return b""


def race(stage: Stage, turn: Callable[[], None], turns: int) -> int:
    """Take turns while a directory and a link out of the share change places."""
    (stage.root / "dir").mkdir()
    (stage.root / "dir" / "secret.txt").write_bytes(MINE)
    (stage.root / "swap").symlink_to("../outside")
    with Swapper(stage.root, "dir", "swap") as swapper:
        for _ in range(turns):
            turn()
    return swapper.swaps


TURNS = 1200


def test_the_race_is_won_against_a_check_before_the_open(stage: Stage) -> None:
    """The control: the swapper is fast enough to deceive."""
    leaks = []

    def turn() -> None:
        leaks.append(naive(stage.root, "dir/secret.txt") == SECRET)

    swaps = race(stage, turn, 20 * TURNS)
    assert swaps > 1000
    assert any(leaks)


@pytest.mark.parametrize(
    "way", [{"opener": confined.openat2}, {"opener": confined.walk}], ids=["openat2", "the walk"]
)
@pytest.mark.parametrize("follow", [False, True], ids=["hidden links", "followed links"])
def test_no_race_leads_out(
    stage: Stage, tmp_path: Path, way: dict[str, Callable[..., int]], follow: bool
) -> None:
    if way["opener"] is confined.openat2 and not confined.has_openat2():
        lacking("this kernel has no openat2")
    ask = Inside(tmp_path / "state.db", {"": stage.root}, follow=follow, **way)
    seen: set[int] = set()

    def turn() -> None:
        read = ask("GET", "/dir/secret.txt")
        assert read.status in (200, 404)
        assert read.body == MINE if read.status == 200 else SECRET not in read.body
        listed = ask("PROPFIND", "/dir/", "Depth: 1")
        assert b"outside-only" not in listed.body
        written = ask("PUT", "/dir/written", body=b"x")
        made = ask("MKCOL", "/dir/made")
        gone = ask("DELETE", "/dir/made")
        copied = ask("COPY", "/dir/secret.txt", "Destination: /docs/copied")
        for answer in (listed, written, made, gone, copied):
            assert answer.status < 500, answer
        seen.add(read.status)

    (stage.outside / "outside-only").write_bytes(SECRET)
    swaps = race(stage, turn, TURNS)
    assert swaps > 100
    assert 200 in seen
    assert sorted(path.name for path in stage.outside.iterdir()) == ["outside-only", "secret.txt"]
    assert (stage.outside / "secret.txt").read_bytes() == SECRET
    copied = stage.root / "docs" / "copied"
    assert not copied.exists() or copied.read_bytes() == MINE
    ask.close()


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a socket": lambda path: os.mknod(path, 0o140644),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_special_files_are_not_served(
    ask: Inside, stage: Stage, make: Callable[[Path], None]
) -> None:
    make(stage.root / "docs" / "special")
    assert ask("GET", "/docs/special").status == 404
    assert ask("HEAD", "/docs/special").status == 404
    assert ask("PROPFIND", "/docs/special", "Depth: 0").status == 404
    assert b"special" not in ask("PROPFIND", "/", "Depth: infinity").body
    assert ask("PUT", "/docs/special", body=b"x").status == 403
    assert ask("LOCK", "/docs/special", body=BODIES["LOCK"]).status == 403
    assert ask("COPY", "/docs/", "Destination: /copy/").status == 201
    assert not (stage.root / "copy" / "special").exists()
    assert ask("MOVE", "/mine.txt", "Destination: /docs/special").status == 403

"""gvfs, the file access of GNOME: gio on a session bus of its own."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import digests, names
from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import entries, missing, program, run

BACKEND = Path("/usr/share/gvfs/mounts/dav.mount")


class Desktop:
    """A session without windows: gio, its bus, and the folder that is its home."""

    def __init__(self, home: Path, bus: str) -> None:
        self.environment = {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "XDG_CONFIG_HOME": str(home),
            "XDG_CACHE_HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "DBUS_SESSION_BUS_ADDRESS": bus,
            "GVFS_DISABLE_FUSE": "1",
            "GIO_USE_VOLUME_MONITOR": "unix",
            "LC_ALL": "C.UTF-8",
        }

    def try_gio(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        return run(
            [program("gio", "libglib2.0-bin"), *arguments], text=text, environment=self.environment
        )

    def gio(self, *arguments: str | Path, text: str = "") -> str:
        done = self.try_gio(*arguments, text=text)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def names(self, uri: str) -> set[str]:
        return set(self.gio("list", "--hidden", uri).splitlines())


@contextmanager
def session() -> Iterator[Desktop]:
    """A bus for as long as it is needed. Its services end with it."""
    daemon = program("dbus-daemon", "dbus-daemon")
    program("gio", "libglib2.0-bin")
    if not BACKEND.exists():
        missing("gvfs has no WebDAV backend (Debian packages gvfs-daemons, gvfs-backends)")
    # The path of a socket is short: pytest's own folders have longer names.
    with tempfile.TemporaryDirectory(prefix="gvfs-", ignore_cleanup_errors=True) as name:
        bus = subprocess.Popen(
            [daemon, "--session", "--nofork", "--print-address=1", f"--address=unix:dir={name}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **Desktop(Path(name), "").environment},
            text=True,
        )
        assert bus.stdout is not None
        try:
            yield Desktop(Path(name), bus.stdout.readline().strip())
        finally:
            bus.terminate()
            bus.wait(timeout=30)
            bus.stdout.close()


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with session() as desktop:
        yield desktop


@pytest.fixture
def place(desktop: Desktop, served: Served) -> Iterator[str]:
    """The share's URI, mounted."""
    uri = f"dav://127.0.0.1:{served.server.port}/"
    desktop.gio("mount", uri)
    yield uri
    desktop.gio("mount", "--unmount", uri)


def test_files_go_up_and_come_down(
    desktop: Desktop, place: str, served: Served, tmp_path: Path
) -> None:
    source = digests.written(tmp_path / "source.bin", 2_000_000, 1)
    (tmp_path / "empty").touch()

    desktop.gio("copy", source, f"{place}up.bin")
    desktop.gio("copy", tmp_path / "empty", f"{place}empty")
    assert digests.of(served.root / "up.bin") == digests.of(source)
    assert (served.root / "empty").read_bytes() == b""

    desktop.gio("copy", f"{place}up.bin", tmp_path / "down.bin")
    assert digests.of(tmp_path / "down.bin") == digests.of(source)
    assert desktop.names(place) == {"up.bin", "empty"}

    info = desktop.gio("info", f"{place}up.bin")
    assert "size:  2000000" in info
    assert "standard::content-type: application/octet-stream" in info
    assert 'etag::value: "' in info


def test_a_file_is_saved_over_an_older_one(desktop: Desktop, place: str, served: Served) -> None:
    (served.root / "note.txt").write_text("one")

    assert desktop.gio("cat", f"{place}note.txt") == "one"
    desktop.gio("save", f"{place}note.txt", text="another")
    assert desktop.gio("cat", f"{place}note.txt") == "another"
    desktop.gio("save", "--create", f"{place}new.txt", text="new")

    assert desktop.try_gio("save", "--create", f"{place}new.txt", text="x").returncode != 0
    assert {path.name: path.read_text() for path in entries(served.root)} == {
        "note.txt": "another",
        "new.txt": "new",
    }


def test_a_tree_is_made_renamed_and_removed(desktop: Desktop, place: str, served: Served) -> None:
    source = digests.of(digests.written(served.root / "file.bin", 3_000))

    desktop.gio("mkdir", f"{place}album")
    desktop.gio("rename", f"{place}file.bin", "renamed.bin")
    desktop.gio("move", f"{place}renamed.bin", f"{place}album/moved.bin")
    desktop.gio("copy", f"{place}album/moved.bin", f"{place}album/copied.bin")
    desktop.gio("rename", f"{place}album", "second album")
    assert digests.tree(served.root) == {
        "second album": digests.FOLDER,
        "second album/moved.bin": source,
        "second album/copied.bin": source,
    }
    assert desktop.names(f"{place}second%20album") == {"moved.bin", "copied.bin"}

    taken = desktop.try_gio("rename", f"{place}second%20album/moved.bin", "copied.bin")
    assert taken.returncode != 0
    assert len(digests.tree(served.root)) == 3

    desktop.gio("remove", f"{place}second%20album/moved.bin")
    desktop.gio("remove", f"{place}second%20album/copied.bin")
    desktop.gio("remove", f"{place}second%20album")
    assert digests.tree(served.root) == {}


def test_odd_names(desktop: Desktop, place: str, served: Served, tmp_path: Path) -> None:
    expected = set(names.ODD.values())
    for name in expected:
        (served.root / name).write_text(name)

    assert desktop.names(place) == expected

    uris = desktop.gio("list", "--hidden", "--print-uris", place).splitlines()
    down = tmp_path / "down"
    down.mkdir()
    desktop.gio("copy", *uris, down)
    assert {path.name: path.read_text() for path in down.iterdir()} == {
        name: name for name in expected
    }


def test_the_free_space_is_that_of_the_disk(desktop: Desktop, place: str, served: Served) -> None:
    disk = os.statvfs(served.root)

    info = desktop.gio("info", "--filesystem", place)

    (free,) = (line.split()[-1] for line in info.splitlines() if "filesystem::free:" in line)
    difference = abs(json.loads(free) - disk.f_bavail * disk.f_frsize)
    assert difference < disk.f_blocks * disk.f_frsize / 100


def test_a_folder_is_mounted_and_its_parents_are_asked_too(
    desktop: Desktop, served: Served
) -> None:
    (served.root / "a" / "b").mkdir(parents=True)
    (served.root / "a" / "b" / "file.txt").write_text("deep")
    uri = f"dav://127.0.0.1:{served.server.port}/a/b/"

    desktop.gio("mount", uri)

    assert desktop.gio("cat", f"{uri}file.txt") == "deep"


def test_a_login_typed_in(desktop: Desktop, guarded: Served) -> None:
    uri = f"dav://{USER}@127.0.0.1:{guarded.server.port}/"

    desktop.gio("mount", uri, text=f"{PASSWORD}\n")
    desktop.gio("save", f"{uri}file.txt", text="mine")

    assert (guarded.root / "file.txt").read_text() == "mine"


def test_what_the_server_refuses_is_seen(desktop: Desktop, place: str) -> None:
    assert desktop.try_gio("remove", f"{place}nothing").returncode != 0
    assert desktop.try_gio("save", f"{place}none/file", text="x").returncode != 0
    assert desktop.try_gio("mkdir", f"{place}none/folder").returncode != 0

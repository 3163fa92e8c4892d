"""davfs2: the share mounted as a directory and used by ordinary system calls.

Nothing outside of a temporary folder is changed: configuration, secrets and cache are its own.
"""

import http.client
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import digests, names
from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import entries, program, run

# davfs2's own buffer of 16 KiB is too small for readdir since Linux 6.16.
LOST = ".lost"
CONFIGURATION = """\
ask_auth 0
use_locks 1
delay_upload 0
dir_refresh 1
gui_optimize 0
buf_size 64
secrets {secrets}
cache_dir {cache}
backup_dir {lost}
"""


def may_mount() -> str:
    """Why this machine cannot mount at all, or nothing. No server could change it."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse"
    if run([program("unshare", "util-linux"), "--mount", "true"]).returncode != 0:
        return "this user may not mount"
    return ""


@contextmanager
def mounted(served: Served, user: str = "", password: str = "") -> Iterator[Path]:
    """Mount a share, and unmount it whatever happens: leaving it waits for every upload."""
    mount = program("mount.davfs", "davfs2")
    if why := may_mount():
        # The kernel's right to mount is nothing that a package could give, with CI=true either.
        pytest.skip(why)
    # pytest's own folders are closed to everyone else, and the daemon runs as the user davfs2.
    with tempfile.TemporaryDirectory(prefix="davfs2-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        place, cache, secrets = folder / "mount", folder / "cache", folder / "secrets"
        place.mkdir()
        cache.mkdir()
        shutil.chown(cache, group="davfs2")
        cache.chmod(0o775)
        secrets.write_text(f'"{served.url}/" "{user}" "{password}"\n')
        secrets.chmod(0o600)
        conf = folder / "davfs2.conf"
        conf.write_text(CONFIGURATION.format(secrets=secrets, cache=cache, lost=LOST))

        done = run([mount, "-o", f"conf={conf}", f"{served.url}/", place])
        assert done.returncode == 0, done.stderr
        assert os.path.ismount(place)
        try:
            yield place
        finally:
            unmount(place)


def unmount(place: Path) -> None:
    try:
        done = run([program("umount", "mount"), place], seconds=60)
        assert done.returncode == 0, done.stderr
    except subprocess.TimeoutExpired:
        run([program("umount", "mount"), "--lazy", "--force", place])
        raise
    finally:
        assert not os.path.ismount(place)


def test_files_are_written_read_and_appended_to(served: Served) -> None:
    content = digests.content(100_000)

    with mounted(served) as place:
        (place / "new.bin").write_bytes(content)
        assert (place / "new.bin").read_bytes() == content

        with (place / "new.bin").open("ab") as file:
            file.write(b"more")
        with (place / "new.bin").open("r+b") as file:
            file.seek(10)
            file.write(b"inside")
        (place / "empty").touch()

    expected = content[:10] + b"inside" + content[16:] + b"more"
    assert (served.root / "new.bin").read_bytes() == expected
    assert (served.root / "empty").read_bytes() == b""
    assert len(list(entries(served.root))) == 2


def test_what_one_mount_wrote_the_next_one_reads(served: Served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    for number, folder in enumerate((source, source / "a", source / "a" / "b")):
        digests.written(folder / "file.bin", 10_000 * number + 1, number)

    with mounted(served) as place:
        shutil.copytree(source, place / "tree")
    assert digests.tree(served.root / "tree") == digests.tree(source)

    with mounted(served) as place:
        assert digests.tree(place / "tree") == digests.tree(source)
        assert (place / "tree" / "a" / "file.bin").stat().st_size == 10_001


def test_folders_and_files_are_renamed_and_removed(served: Served, tmp_path: Path) -> None:
    one = digests.of(digests.written(served.root / "one.bin", 1_000, 1))
    two = digests.of(digests.written(served.root / "two.bin", 1_000, 2))
    (served.root / "gone").mkdir()

    with mounted(served) as place:
        (place / "folder").mkdir()
        (place / "one.bin").rename(place / "folder" / "moved.bin")
        (place / "folder").rename(place / "renamed")
        (place / "gone").rmdir()
        digests.written(place / "draft", 500, 3)
        (place / "draft").rename(place / "two.bin")
        (place / "renamed" / "short-lived").touch()
        (place / "renamed" / "short-lived").unlink()

    three = digests.of(digests.written(tmp_path / "draft", 500, 3))
    assert two != three
    assert digests.tree(served.root) == {
        "renamed": digests.FOLDER,
        "renamed/moved.bin": one,
        "two.bin": three,
    }


def test_a_big_file(served: Served, tmp_path: Path) -> None:
    source = digests.written(tmp_path / "big.bin", 20_000_000)

    with mounted(served) as place:
        shutil.copyfile(source, place / "big.bin")
    assert digests.of(served.root / "big.bin") == digests.of(source)

    with mounted(served) as place:
        assert digests.of(place / "big.bin") == digests.of(source)


def test_odd_names(served: Served) -> None:
    # The names of davfs2's cache files are seven bytes longer than those of the files.
    expected = {name for name in names.ODD.values() if len(os.fsencode(name)) <= 248}

    with mounted(served) as place:
        for name in expected:
            (place / name).write_text(name)
        # davfs2 adds a folder of its own, for what it could not upload.
        assert {path.name for path in place.iterdir()} - {LOST} == expected

    assert {path.name: path.read_text() for path in entries(served.root)} == {
        name: name for name in expected
    }


def test_a_file_that_is_being_written_is_locked(served: Served) -> None:
    (served.root / "file.txt").write_text("before")

    with mounted(served) as place:
        with (place / "file.txt").open("a") as file:
            file.write(", after")
            assert put(served, "/file.txt", b"between") == 423
        assert (place / "file.txt").read_text() == "before, after"

    assert (served.root / "file.txt").read_text() == "before, after"
    assert put(served, "/file.txt", b"later") == 204


def put(served: Served, target: str, body: bytes) -> int:
    """PUT as someone else would."""
    connection = http.client.HTTPConnection("127.0.0.1", served.server.port, timeout=30)
    try:
        connection.request("PUT", target, body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_free_space_is_that_of_the_disk(served: Served) -> None:
    disk = os.statvfs(served.root)

    with mounted(served) as place:
        shown = os.statvfs(place)

    total = disk.f_blocks * disk.f_frsize
    free = disk.f_bavail * disk.f_frsize
    assert abs(shown.f_bavail * shown.f_frsize - free) < total / 100


def test_a_login_from_its_secrets(guarded: Served) -> None:
    with mounted(guarded, USER, PASSWORD) as place:
        (place / "file.txt").write_text("mine")

    assert (guarded.root / "file.txt").read_text() == "mine"

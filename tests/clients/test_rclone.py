"""rclone with its WebDAV backend (vendor `other`): trees copied, checked, synced and purged."""

import json
import os
from pathlib import Path

import pytest

from tests.clients import digests, names
from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import program, run


class Rclone:
    """rclone with one remote, `dav:`, and a configuration of its own that stays empty."""

    def __init__(self, folder: Path, url: str, **options: str) -> None:
        settings = {"type": "webdav", "url": f"{url}/", "vendor": "other", **options}
        self.environment = {
            "RCLONE_CONFIG": str(folder / "rclone.conf"),
            "RCLONE_CACHE_DIR": str(folder / "rclone-cache"),
            # Else it takes NFC and NFD for one name and leaves one of them out.
            "RCLONE_NO_UNICODE_NORMALIZATION": "true",
            "RCLONE_RETRIES": "1",
            "RCLONE_LOW_LEVEL_RETRIES": "1",
            **{f"RCLONE_CONFIG_DAV_{name.upper()}": value for name, value in settings.items()},
        }

    def code(self, *arguments: str | Path) -> int:
        return run([program("rclone"), *arguments], environment=self.environment).returncode

    def __call__(self, *arguments: str | Path, text: str = "") -> str:
        done = run([program("rclone"), *arguments], text=text, environment=self.environment)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout


@pytest.fixture
def rclone(served: Served, tmp_path: Path) -> Rclone:
    return Rclone(tmp_path, served.url)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with odd names, empty files, an empty folder and a file of 5 MB."""
    root = tmp_path / "source"
    (root / "deep" / "deeper").mkdir(parents=True)
    (root / "hollow").mkdir()
    (root / "empty").touch()
    digests.written(root / "deep" / "big.bin", 5_000_000)
    for seed, name in enumerate(names.ODD.values()):
        digests.written(root / "deep" / "deeper" / name, 1_000 + seed, seed)
    return root


def test_a_tree_goes_up_and_comes_down(
    rclone: Rclone, source: Path, served: Served, tmp_path: Path
) -> None:
    rclone("copy", "--create-empty-src-dirs", source, "dav:tree")
    assert digests.tree(served.root / "tree") == digests.tree(source)
    rclone("check", "--download", source, "dav:tree")

    rclone("copy", "--create-empty-src-dirs", "dav:tree", tmp_path / "down")
    assert digests.tree(tmp_path / "down") == digests.tree(source)

    listed = set(rclone("lsf", "--recursive", "--files-only", "dav:tree").splitlines())
    assert listed == {
        name for name, digest in digests.tree(source).items() if digest != digests.FOLDER
    }


def test_a_difference_is_found(rclone: Rclone, source: Path, served: Served) -> None:
    rclone("copy", source, "dav:")
    big = served.root / "deep" / "big.bin"
    big.write_bytes(b"x" + big.read_bytes()[1:])

    assert rclone.code("check", "--download", source, "dav:") == 1


def test_a_tree_is_kept_in_sync(rclone: Rclone, source: Path, served: Served) -> None:
    rclone("sync", "--create-empty-src-dirs", source, "dav:")
    (source / "empty").unlink()
    (source / "hollow").rmdir()
    digests.written(source / "deep" / "big.bin", 4_000_000, 2)
    digests.written(source / "new", 10)

    rclone("sync", "--create-empty-src-dirs", source, "dav:")

    assert digests.tree(served.root) == digests.tree(source)


def test_files_and_folders_are_copied_moved_and_removed_there(
    rclone: Rclone, source: Path, served: Served
) -> None:
    rclone("copy", "--create-empty-src-dirs", source, "dav:one")

    rclone("copyto", "dav:one/deep/big.bin", "dav:two/big copy.bin")
    rclone("moveto", "dav:one/deep", "dav:two/moved")
    rclone("moveto", "dav:two/moved/big.bin", "dav:two/big.bin")
    rclone("deletefile", "dav:one/empty")
    rclone("rmdir", "dav:one/hollow")
    rclone("mkdir", "dav:two/made/deep")

    big = digests.of(source / "deep" / "big.bin")
    assert (served.root / "two" / "made" / "deep").is_dir()
    assert digests.of(served.root / "two" / "big.bin") == big
    assert digests.of(served.root / "two" / "big copy.bin") == big
    assert digests.tree(served.root / "two" / "moved" / "deeper") == digests.tree(
        source / "deep" / "deeper"
    )
    assert not (served.root / "two" / "moved" / "big.bin").exists()

    rclone("purge", "dav:two")
    assert not (served.root / "two").exists()
    assert rclone.code("purge", "dav:two") != 0


def test_parts_and_streams(rclone: Rclone, served: Served) -> None:
    text = "".join(f"line {number}\n" for number in range(100_000))

    rclone("rcat", "dav:stream.txt", text=text)

    assert (served.root / "stream.txt").read_text() == text
    assert rclone("cat", "dav:stream.txt", "--offset", "700", "--count", "20") == text[700:720]
    assert rclone("cat", "dav:stream.txt", "--tail", "12") == text[-12:]
    size = json.loads(rclone("size", "--json", "dav:"))
    assert (size["count"], size["bytes"]) == (1, len(text))


def test_the_free_space_is_that_of_the_disk(rclone: Rclone, served: Served) -> None:
    disk = os.statvfs(served.root)

    free = json.loads(rclone("about", "--json", "dav:"))["free"]

    assert abs(free - disk.f_bavail * disk.f_frsize) < disk.f_blocks * disk.f_frsize / 100


def test_a_login_from_its_configuration(guarded: Served, source: Path, tmp_path: Path) -> None:
    obscured = run([program("rclone"), "obscure", PASSWORD]).stdout.strip()
    rclone = Rclone(tmp_path, guarded.url, user=USER, **{"pass": obscured})

    rclone("copy", source, "dav:")
    rclone("check", "--download", source, "dav:")
    assert Rclone(tmp_path, guarded.url).code("lsf", "dav:") != 0

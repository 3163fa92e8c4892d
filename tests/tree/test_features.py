"""What file systems can do, found by trying; and which cannot keep what `sync` promises."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from pathlib import PurePath

import pytest

from davserver.tree import features, mounts, promise
from davserver.tree.directory import Directory, own_name
from davserver.tree.features import Features
from davserver.tree.mounts import Mount
from tests.running import lacking, program, run

Mounted = Callable[..., FilePath]


@pytest.fixture
def mounted(tmp_path: FilePath) -> Iterator[Mounted]:
    """Mounts a new file system on a loop device, or one that needs none."""
    points: list[FilePath] = []

    def mount(kind: str, *make: str, options: str = "") -> FilePath:
        if os.geteuid():
            lacking("only root may mount")
        point = tmp_path / f"mounted{len(points)}"
        point.mkdir()
        what = kind
        if make:
            what = str(tmp_path / f"image{len(points)}")
            with open(what, "wb") as image:
                image.truncate(300 << 20)
            made = run([*make, what])
            assert made.returncode == 0, made.stderr
        given = ",".join(filter(None, ("loop" if make else "", options)))
        done = run(["mount", "-t", kind, *(("-o", given) if given else ()), what, point])
        if done.returncode:
            lacking(f"{kind} cannot be mounted here: {done.stderr}")
        points.append(point)
        return point

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", str(point)], check=True)


def breach(point: FilePath) -> str:
    where = mounts.holding(PurePath(os.path.realpath(point)))
    return promise.breach(where, features.probe(str(point)))


def test_probing_leaves_nothing(tmp_path: FilePath) -> None:
    os.utime(tmp_path, ns=(1, 2))
    found = features.probe(str(tmp_path))
    assert not found.denied
    assert found.links
    assert found.syncs_directories
    assert not list(tmp_path.iterdir())
    assert tmp_path.stat().st_mtime_ns == 2


def test_ext4(mounted: Mounted) -> None:
    point = mounted("ext4", program("mkfs.ext4", "e2fsprogs"), "-q")
    found = features.probe(str(point))
    assert found == Features(
        *(True, True, True, False, True, True, True, True, True, True),
    )
    assert found.words(False) == "reflinks"
    assert "unnamed files" in found.words(True)
    assert found.strategy().startswith("uploads: unnamed files; copies: copied blocks")
    assert breach(point) == ""


def test_ext4_without_a_journal(mounted: Mounted) -> None:
    point = mounted("ext4", program("mkfs.ext4", "e2fsprogs"), "-q", "-O", "^has_journal")
    assert "no journal" in breach(point)


def test_ext4_without_barriers(mounted: Mounted) -> None:
    point = mounted("ext4", program("mkfs.ext4", "e2fsprogs"), "-q", options="barrier=0")
    assert "cache is never flushed" in breach(point)


def test_ext4_that_folds_cases(mounted: Mounted) -> None:
    make = (program("mkfs.ext4", "e2fsprogs"), "-q", "-O", "casefold")
    point = mounted("ext4", *make)
    (point / "folds").mkdir()
    changed = run(["chattr", "+F", point / "folds"])
    if changed.returncode:
        lacking("this kernel folds no cases")
    found = features.probe(str(point / "folds"))
    assert not found.tells_cases
    assert not found.tells_forms
    assert features.probe(str(point)).tells_cases


def test_xfs_and_btrfs_have_reflinks(mounted: Mounted) -> None:
    for kind, package in (("xfs", "xfsprogs"), ("btrfs", "btrfs-progs")):
        point = mounted(kind, program(f"mkfs.{kind}", package), "-q")
        found = features.probe(str(point))
        assert found.reflinks
        assert found.births
        assert "shared blocks" in found.strategy()
        assert breach(point) == ""


def test_memory_forgets(mounted: Mounted) -> None:
    assert "memory" in breach(mounted("tmpfs"))


def test_an_overlay_is_as_good_as_its_upper_layer(mounted: Mounted, tmp_path: FilePath) -> None:
    memory = mounted("tmpfs")
    for folder in ("upper", "work"):
        (memory / folder).mkdir()
    (tmp_path / "lower").mkdir()
    given = f"lowerdir={tmp_path}/lower,upperdir={memory}/upper,workdir={memory}/work"
    assert "upper layer lies on tmpfs" in breach(mounted("overlay", options=given))


def test_a_mount_that_cannot_be_written_to_is_told(mounted: Mounted) -> None:
    point = mounted("tmpfs", options="ro")
    assert features.probe(str(point)) == Features(denied="Read-only file system")


def test_what_is_no_directory_is_told(tmp_path: FilePath) -> None:
    assert features.probe(str(tmp_path / "none")).denied == "No such file or directory"


OTHERS = {
    "FAT has no journal": (Mount(PurePath("/x"), "vfat"), "no journal"),
    "a share of Windows": (Mount(PurePath("/x"), "cifs"), "another program"),
    "FUSE": (Mount(PurePath("/x"), "fuse.sshfs"), "another program"),
    "an overlay that is never synced": (
        Mount(PurePath("/x"), "overlay", ("rw", "volatile")),
        "nothing is ever synced",
    ),
    "an overlay whose layers cannot be seen": (
        Mount(PurePath("/x"), "overlay", ("rw", "upperdir=/none")),
        "",
    ),
    "NFS syncs on its server": (Mount(PurePath("/x"), "nfs4"), ""),
    "an ext4 of which nothing is known": (Mount(PurePath("/x"), "ext4", (), "999:999"), ""),
}


@pytest.mark.parametrize(("mount", "said"), OTHERS.values(), ids=OTHERS)
def test_types_that_are_known_without_trying(mount: Mount, said: str) -> None:
    reason = promise.breach(mount)
    assert said in reason
    assert bool(reason) is bool(said)


def test_where_directories_cannot_be_synced() -> None:
    mount = Mount(PurePath("/x"), "newfs")
    assert promise.breach(mount, Features(syncs_directories=True)) == ""
    assert "fsync a directory" in promise.breach(mount, Features())
    assert promise.breach(mount, Features(denied="Read-only file system")) == ""


def test_a_probe_that_is_under_way_is_no_leftover(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def look(place: Directory) -> bool:
        with Directory(os.open(tmp_path, os.O_RDONLY)) as top:
            (name,) = os.listdir(tmp_path)
            seen.append(features.is_being_tried(top, name))
        del place
        return True

    monkeypatch.setitem(features._WAYS, "links", look)
    features.probe(str(tmp_path))
    assert seen == [True]
    left = own_name(features.MARK)
    (tmp_path / left).mkdir()
    with Directory(os.open(tmp_path, os.O_RDONLY)) as top:
        assert not features.is_being_tried(top, left)
        assert not features.is_being_tried(top, "none")


def test_what_a_killed_probe_has_left_is_tidied_up_at_a_start(
    tmp_path: FilePath,
) -> None:
    left = tmp_path / own_name(features.MARK)
    left.mkdir()
    (left / "file").write_bytes(b"")
    others = own_name()
    (tmp_path / others).mkdir()
    features.probe(str(tmp_path))
    assert left.exists()
    features.probe(str(tmp_path), tidy=True)
    assert [path.name for path in tmp_path.iterdir()] == [others]

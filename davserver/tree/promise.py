"""Which file systems cannot keep what `durability = "sync"` promises, and why."""

import os
from pathlib import Path, PurePath

from davserver.tree import mounts
from davserver.tree.features import Features
from davserver.tree.mounts import Mount

_MEMORY = ("tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs")
_UNJOURNALED = ("ext2", "vfat", "msdos", "exfat", "minix", "hfs", "hfsplus", "udf", "ufs", "affs")
_FOREIGN = ("cifs", "smb3", "smbfs", "9p", "afs", "vboxsf", "vmhgfs", "prl_fs", "fuseblk", "fuse")
# NFS, Ceph and virtiofs are not among them: their fsync asks the other side to do the same, and
# their names are there for good when the answer comes.
_UNFLUSHED = ("nobarrier", "barrier=0")


def breach(mount: Mount, features: Features | None = None) -> str:
    """Why a file system cannot let an answered change survive a loss of power, or empty. Without
    ``features`` nothing has been tried there.
    """
    if mount.type in _MEMORY:
        return "it keeps everything in memory"
    if mount.type in _UNJOURNALED:
        return "it has no journal: a loss of power may damage what was there before"
    if mount.type in _FOREIGN or mount.type.startswith("fuse."):
        return "what it keeps is up to another program, which may not have it on a disk yet"
    if mount.type == "overlay":
        return _beneath(mount)
    if mount.type == "ext4" and not _has_journal(mount):
        return "it has no journal: a loss of power may damage what was there before"
    if set(_UNFLUSHED) & set(mount.options):
        return "it is mounted so that the disk's own cache is never flushed"
    if features is not None and not features.denied and not features.syncs_directories:
        return "it cannot fsync a directory: new names may be forgotten"
    return ""


def _beneath(mount: Mount) -> str:
    """An overlay is as good as the file system that its upper layer lies on."""
    if "volatile" in mount.options:
        return "it is mounted so that nothing is ever synced (volatile)"
    for option in mount.options:
        name, _, value = option.partition("=")
        if name == "upperdir" and Path(value).is_dir():
            upper = mounts.holding(PurePath(os.path.realpath(value)))
            reason = breach(upper) if upper.type != "overlay" else ""
            return f"its upper layer lies on {upper.type}, and {reason}" if reason else ""
    return ""


def _has_journal(mount: Mount) -> bool:
    """Whether an ext4 has one, as far as the kernel tells; else it is taken for granted."""
    device = Path("/sys/dev/block", mount.device)
    try:
        name = os.path.basename(os.readlink(device))
        if not Path("/proc/fs/ext4", name).is_dir():
            return True
        return any(Path("/proc/fs/jbd2").glob(f"{name}-*"))
    except OSError:
        return True

"""What the file system below a directory can do, found by trying it there."""

import fcntl
import os
import shutil
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from davserver.protocol.paths import RESERVED_PREFIX
from davserver.tree import content, identity
from davserver.tree.directory import Directory, own_name
from davserver.tree.upload import Upload

MARK = "p"
"""What marks the directory in which features are tried; whoever does that holds its flock."""


@dataclass(frozen=True, slots=True)
class Features:
    """What a file system can do. ``denied`` says why nothing could be tried, or is empty."""

    unnamed: bool = False
    no_replace: bool = False
    exchange: bool = False
    reflinks: bool = False
    syncs_directories: bool = False
    attributes: bool = False
    births: bool = False
    links: bool = False
    tells_cases: bool = False
    tells_forms: bool = False
    denied: str = ""

    def words(self, there: bool) -> str:
        """The features that are there, or those that are not, in words."""
        return ", ".join(words for name, words in WORDS.items() if getattr(self, name) is there)

    def strategy(self) -> str:
        """What that makes of the server's work, in words."""
        return "; ".join(
            (
                f"uploads: {'unnamed files' if self.unnamed else 'named temporary files'}",
                f"copies: {'shared blocks' if self.reflinks else 'copied blocks'}",
                f"replaced collections: {'one exchange' if self.exchange else 'two renames'}",
                f"free names: {'kept by the kernel' if self.no_replace else 'looked for first'}",
                f"moved files: {'found by inode and birth' if self.births else 'not found again'}",
            )
        )


WORDS = {
    "unnamed": "unnamed files",
    "no_replace": "renames that replace nothing",
    "exchange": "exchange of names",
    "reflinks": "reflinks",
    "syncs_directories": "fsync of directories",
    "attributes": "extended attributes",
    "births": "times of birth",
    "links": "hard links",
    "tells_cases": "case of names",
    "tells_forms": "Unicode forms of names",
}
"""The features, and what an operator calls them."""


def probe(path: str, *, tidy: bool = False) -> Features:
    """Try everything in a new directory below a directory. Nothing stays there, and if nobody
    else changes the directory meanwhile, its times stay what they were. With ``tidy`` what was
    left there by somebody who was killed over it is removed.
    """
    try:
        top = Directory(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return Features(denied=_reason(error))
    with top:
        if tidy:
            _tidy(top)
        try:
            return _try_in(top)
        except FileNotFoundError:
            # Somebody has tidied up in just that moment.
            with suppress(OSError):
                return _try_in(top)
            return Features(denied="somebody else has changed the directory")
        except OSError as error:
            return Features(denied=_reason(error))


def _try_in(top: Directory) -> Features:
    before = top.facts()
    name = own_name(MARK)
    os.mkdir(name, 0o700, dir_fd=top.fd)
    changed = top.facts().st_mtime_ns
    try:
        return _probe(top, name)
    finally:
        with suppress(OSError):
            is_alone = top.facts().st_mtime_ns == changed
            shutil.rmtree(name, dir_fd=top.fd)
            if is_alone:
                os.utime(top.fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _tidy(top: Directory) -> None:
    with suppress(OSError):
        for name, is_directory in top.kinds():
            is_own = name.startswith(RESERVED_PREFIX + MARK)
            if is_own and is_directory and not is_being_tried(top, name):
                with suppress(OSError):
                    shutil.rmtree(name, dir_fd=top.fd)


def is_being_tried(directory: Directory, name: str) -> bool:
    """Whether an entry is a directory in which somebody is trying features right now."""
    try:
        with _below(directory, name) as place:
            fcntl.flock(place.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _probe(top: Directory, name: str) -> Features:
    with _below(top, name) as place:
        fcntl.flock(place.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(_new(place, "file"))
        found: dict[str, Any] = {name: _can(way, place) for name, way in _WAYS.items()}
        return Features(**found)


def _can(way: Callable[[Directory], bool], place: Directory) -> bool:
    try:
        return way(place)
    except OSError:
        return False


def _unnamed(place: Directory) -> bool:
    with Upload(place) as upload:
        if upload.name is not None:
            return False
        upload.publish(place, "linked")
        return True


def _no_replace(place: Directory) -> bool:
    os.close(_new(place, "from"))
    place.rename_strictly("from", place, "to")
    return True


def _exchange(place: Directory) -> bool:
    os.close(_new(place, "one"))
    os.close(_new(place, "other"))
    place.exchange("one", place, "other")
    return True


def _reflinks(place: Directory) -> bool:
    source = _new(place, "source")
    target = _new(place, "target")
    try:
        os.write(source, b"x" * 4096)
        content.clone(source, target)
        return True
    finally:
        os.close(source)
        os.close(target)


def _syncs_directories(place: Directory) -> bool:
    place.sync()
    return True


def _attributes(place: Directory) -> bool:
    os.setxattr(f"/proc/self/fd/{place.fd}/file", "user.davserver", b"x", follow_symlinks=False)
    return True


def _births(place: Directory) -> bool:
    return bool(identity.stamp(place.fd, "file").born)


def _links(place: Directory) -> bool:
    os.link("file", "link", src_dir_fd=place.fd, dst_dir_fd=place.fd)
    return True


def _tells_cases(place: Directory) -> bool:
    return _tells(place, "a", "A")


def _tells_forms(place: Directory) -> bool:
    return _tells(place, unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"))


def _tells(place: Directory, name: str, other: str) -> bool:
    """Whether two names are two files."""
    os.close(_new(place, name))
    return place.stamp(other) is None


def _new(place: Directory, name: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=place.fd)


def _below(directory: Directory, name: str) -> Directory:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return Directory(os.open(name, flags, dir_fd=directory.fd))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


_WAYS: dict[str, Callable[[Directory], bool]] = {
    "unnamed": _unnamed,
    "no_replace": _no_replace,
    "exchange": _exchange,
    "reflinks": _reflinks,
    "syncs_directories": _syncs_directories,
    "attributes": _attributes,
    "births": _births,
    "links": _links,
    "tells_cases": _tells_cases,
    "tells_forms": _tells_forms,
}

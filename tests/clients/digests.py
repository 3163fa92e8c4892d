"""What a file or a tree holds, in a form that two sides can be compared by."""

import hashlib
import random
from pathlib import Path

from davserver.tree import TRASH
from tests.running import below

FOLDER = "folder"


def of(path: Path) -> str:
    """The digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree(root: Path) -> dict[str, str]:
    """Everything below a directory: relative path to digest, or ``FOLDER`` for a directory."""
    return {
        str(path.relative_to(root)): FOLDER if path.is_dir() else of(path)
        for path in below(root)
        if TRASH not in path.parts
    }


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that no two seeds share and that no compression can shorten."""
    return random.Random(seed).randbytes(size)


def written(path: Path, size: int, seed: int = 0) -> Path:
    """A file of such bytes."""
    path.write_bytes(content(size, seed))
    return path

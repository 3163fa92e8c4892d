"""The files of one share: everything that calls the operating system about them.

A `Tree` is a directory descriptor that nothing leads out of. Paths are resolved by the kernel
beneath it (`confined`), and everything that happens to a name happens in an open `Directory`, as
(descriptor, name). No path is ever checked as text.
"""

from davserver.tree.directory import Directory, own_name
from davserver.tree.opened import Opened
from davserver.tree.trash import NAME as TRASH
from davserver.tree.trash import Halted
from davserver.tree.tree import Cursor, Modes, Tree
from davserver.tree.upload import Upload

__all__ = [
    "TRASH",
    "Cursor",
    "Directory",
    "Halted",
    "Modes",
    "Opened",
    "Tree",
    "Upload",
    "own_name",
]

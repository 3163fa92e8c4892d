"""Content on its way into a directory, and what it leaves there under a reserved name."""

from collections.abc import Callable

from davserver.share.place import Place
from davserver.state import Intent, Operation
from davserver.tree import Upload


class Uploading:
    """A context manager around the content of a file, in the directory of a place.

    A reserved name that it needs from the beginning is claimed, by ``claim``, until the end, when
    that is given to ``release``. Raises OSError, or Fault as they do.

    A class, because every PUT passes here: a generator takes several times as long.
    """

    __slots__ = ("_claim", "_directory", "_mode", "_place", "_release", "_staged", "_upload")

    def __init__(
        self,
        place: Place,
        mode: int,
        claim: Callable[[Intent], Intent],
        release: Callable[[Intent], object],
    ) -> None:
        self._place = place
        self._mode = mode
        self._claim = claim
        self._release = release
        self._staged: list[Intent] = []

    def __enter__(self) -> Upload:
        self._directory = self._place.directory()
        try:
            tree = self._place.share.tree
            self._upload = tree.upload(self._directory, self._mode, self._stage)
        except BaseException:
            self._end()
            raise
        return self._upload

    def __exit__(self, *raised: object) -> None:
        upload = self._upload
        # It knows `_stage`: a circle would be left for the garbage collector to find.
        del self._upload
        try:
            upload.close()
        finally:
            self._end()

    def _stage(self, name: str) -> None:
        beside = Place(self._place.share, (*self._place.path[:-1], name))
        self._staged.append(self._claim(Intent(Operation.STAGE, beside.key, lasts=True)))

    def _end(self) -> None:
        self._directory.close()
        for intent in self._staged:
            self._release(intent)

"""The exchange of links in the size of CI, and a server that opens what a path leads to."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from davserver.tree import confined
from tests.bench.peers import Server
from tests.faults import links
from tests.faults.__main__ import parsed
from tests.faults.altered import Altered
from tests.faults.links import CANARY, Stage
from tests.faults.swapper import Pair, Swapper
from tests.running import lacking

BY_PATH = """
import os
from davserver.tree import confined
def by_path(root, names, flags, **ways):
    return os.open("/".join(names) or ".", flags, dir_fd=root)
confined.openat2 = by_path
"""


def test_no_exchange_leads_out() -> None:
    report = links.run(parsed(["links"]))
    assert report.violations == ()
    assert int(report.figures["swaps"]) > 10_000
    assert int(report.figures["done"]) > 100
    assert int(report.figures["trees"]) > 3


def test_no_exchange_leads_out_where_links_are_followed() -> None:
    if not confined.has_openat2():
        lacking("this kernel has no openat2")
    report = links.run(parsed(["links", "--seconds", "6", "--options=--follow-symlinks"]))
    assert report.violations == ()
    assert int(report.figures["done"]) > 20


@contextmanager
def by_path(place: Path) -> Iterator[Server]:
    with Altered(place / "root", state=place / "state.db", change=BY_PATH) as running:
        yield Server("davserver", running.port, running.process.pid, place / "root")


def test_a_server_that_opens_by_path_is_found_guilty() -> None:
    found: Counter[str] = Counter()
    for _ in range(5):
        # How soon it is caught is a matter of what else the machine does.
        found.update(links.raced(by_path, parsed(["links", "--seconds", "6"])).counts)
        if found["read_outside"] and found["changed_outside"]:
            break
    assert found["read_outside"] > 0
    assert found["changed_outside"] > 0


def test_the_exchange_ends_with_its_names(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    (tmp_path / "other").touch()
    with Swapper(Pair(tmp_path, "one", "other")) as swapper:
        pass
    assert swapper.lasted
    with Swapper(Pair(tmp_path, "one", "none")) as swapper:
        swapper.wait()
    assert (swapper.lasted, swapper.swaps) == (False, 0)


def test_every_change_outside_is_seen(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.is_untouched()
    secret = stage.outside / "secret.txt"
    secret.touch()
    assert not stage.is_untouched()
    stage = Stage(tmp_path / "another")
    (stage.outside / "made").touch()
    assert not stage.is_untouched()


def test_what_was_carried_inside_is_seen(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.kept() == []
    file = stage.root / "copies" / "file"
    file.write_bytes(b"x" + CANARY)
    assert stage.kept() == [file]

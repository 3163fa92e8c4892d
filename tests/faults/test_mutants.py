"""Every seeded bug is caught, and the proof can fail."""

import builtins
import symtable
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import mutants
from tests.faults.seeded import MUTANTS, Mutant

ETAG = next(mutant for mutant in MUTANTS if mutant.name == "etag-in-seconds")
ANOTHER = "tests/protocol/test_values.py::test_conflicts"
"""A test that has nothing to do with it."""


def test_there_are_fifteen_at_least_and_each_is_another() -> None:
    assert len(MUTANTS) >= 15
    assert set(Counter(mutant.name for mutant in MUTANTS).values()) == {1}
    assert set(Counter((mutant.file, mutant.new) for mutant in MUTANTS).values()) == {1}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_fits(mutant: Mutant, tmp_path: Path) -> None:
    """What it changes is there once, and its test by its name's function."""
    server = tmp_path / "davserver" / mutant.file
    server.parent.mkdir(parents=True)
    before = (mutants.ROOT / "davserver" / mutant.file).read_text()
    server.write_text(before)
    assert mutants.seed(mutant, tmp_path) == ""
    assert server.read_text() != before
    assert unknown_names(server.read_text()) == unknown_names(before) == set()
    file, _, function = mutant.test.partition("::")
    assert f"def {function.partition('[')[0]}(" in (mutants.ROOT / file).read_text()


def unknown_names(source: str) -> set[str]:
    """The names that nothing gives a value: any call at all would find such a bug."""
    module = symtable.symtable(source, "module", "exec")
    known = {one.get_name() for one in module.get_symbols() if one.is_assigned()}
    known |= {one.get_name() for one in module.get_symbols() if one.is_imported()}
    known |= {*dir(builtins), "__name__", "__file__", "__doc__"}
    unknown = set()
    waiting = [module]
    while waiting:
        scope = waiting.pop()
        waiting += scope.get_children()
        for one in scope.get_symbols():
            if one.is_global() and one.is_referenced():
                unknown |= {one.get_name()} - known
    return unknown


def test_a_name_that_nothing_gives_a_value_is_told() -> None:
    """The control of `unknown_names`."""
    source = "import os\nA = 1\ndef f(x):\n    y = x\n    def g():\n        return y + z\n"
    assert unknown_names(source) == {"z"}


def test_what_escapes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The control, with all that can be wrong with a mutant beside one that is caught."""
    wrong = {
        "passes": replace(ETAG, test=ANOTHER),
        "harmless": replace(ETAG, new=ETAG.old.replace("st_size:x", "st_size:0x")),
        "no import": replace(
            ETAG,
            file="protocol/resources.py",
            old="import stat\n",
            new="import nothing_of_that_name\n",
        ),
        "no test": replace(ETAG, test=f"{ETAG.test}_of_something_else"),
        "gone": replace(ETAG, old="what is not there"),
        "twice": replace(ETAG, old="return"),
        "no Python": replace(ETAG, new="}{"),
    }
    some = [replace(one, name=name, bug=name) for name, one in wrong.items()]
    escaped = {mutant.name: why for mutant, why in mutants.tried([ETAG, *some])}
    assert set(escaped) == set(wrong)
    for name in ("passes", "harmless"):
        assert escaped[name] == "its test passes all the same"
    assert "has not failed" in escaped["no import"]
    assert "does not pass without it" in escaped["no test"]
    assert "0 times" in escaped["gone"]
    assert "no Python" in escaped["no Python"]
    assert "fits no longer" in escaped["twice"]
    assert "caught etag-in-seconds" in capsys.readouterr().out


def test_every_seeded_bug_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    report = mutants.run(Namespace(server="davserver", seed=1, only=None, at_once=2))
    assert report.violations == ()
    assert f"{len(MUTANTS)} of {len(MUTANTS)} caught" in capsys.readouterr().out


def test_bugs_are_seeded_in_no_other_server() -> None:
    report = mutants.run(Namespace(server="apache", seed=1, only=None, at_once=2))
    assert report.skipped

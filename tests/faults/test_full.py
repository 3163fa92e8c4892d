"""A disk that takes no more: nothing is damaged, and everything works again."""

import pytest

from tests.faults import full
from tests.faults.__main__ import main
from tests.faults.disks import NotMounted
from tests.faults.ledger import Ledger
from tests.running import lacking, missing

SEED, ROUNDS = 1, 24


def carried_out(case: full.Case) -> Ledger:
    try:
        return full.carried_out(case, SEED, ROUNDS)
    except NotMounted as error:
        if "is not installed" in str(error):
            missing(str(error))
        lacking(str(error))


@pytest.mark.parametrize("name", full.CASES)
def test_what_is_not_taken_is_refused_as_a_whole(name: str) -> None:
    ledger = carried_out(full.CASES[name])
    assert not ledger.violations
    assert ledger.counts["damaged"] == 0
    assert ledger.counts["recovered"] > 0, "nothing was tried after it"
    met = {"trash": "asked while the trash was full", "descriptors": "connections that had to wait"}
    assert ledger.counts[met.get(name, "refused")] > 0, "the limit was never met"


def test_control_another_server_is_seen_to_damage_files(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["full", "--server", "wsgidav"])
    said = capsys.readouterr().out
    if code == 3:
        lacking(said)
    assert code == 1
    assert "VIOLATION space: PUT" in said

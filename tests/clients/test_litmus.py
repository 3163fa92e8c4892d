"""litmus, the WebDAV conformance suite: every suite passes, without a warning.

A suite that is cut short, a test that is left out and a warning all count as failures here,
although litmus itself ends with 0 for the last two.
"""

import re
from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, USER, Served
from tests.running import Running, program, run

SUITES = ("basic", "copymove", "props", "locks", "http")
SUMMARY = re.compile(r"<- summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed")
COMPLAINT = re.compile(r".*\b(?:WARNING|FAIL|SKIPPED|warnings? w(?:as|ere) issued|skipped)\b.*")


def litmus(folder: Path, url: str, *credentials: str) -> str:
    """Run every suite to its end, whatever fails in between, and give what litmus printed."""
    done = run([program("litmus"), "--keep-going", f"{url}/", *credentials], cwd=folder)
    return done.stdout + done.stderr


def complaints(said: str) -> list[str]:
    """Every reason in litmus's output not to call it a pass."""
    found = [match[0].strip() for match in COMPLAINT.finditer(said)]
    summaries = {name: counts for name, *counts in SUMMARY.findall(said)}
    for suite in SUITES:
        match summaries.get(suite):
            case None:
                found.append(f"{suite}: no summary")
            case [tests, passed, failed] if failed != "0" or tests != passed or tests == "0":
                found.append(f"{suite}: {passed} of {tests} passed, {failed} failed")
    return found


def test_every_suite_passes(served: Served, tmp_path: Path) -> None:
    assert complaints(litmus(tmp_path, served.url)) == []


def test_every_suite_passes_with_a_password(guarded: Served, tmp_path: Path) -> None:
    assert complaints(litmus(tmp_path, guarded.url, USER, PASSWORD)) == []


def test_a_server_that_refuses_writes_is_seen_to_fail(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()

    with Running(root, "--read-only", state=tmp_path / "state.db") as server:
        found = complaints(litmus(tmp_path, server.url))

    assert any("FAIL" in complaint for complaint in found)
    assert any(complaint.startswith("locks: ") for complaint in found)


def test_a_wrong_password_is_seen_to_fail(guarded: Served, tmp_path: Path) -> None:
    assert complaints(litmus(tmp_path, guarded.url, USER, "a wrong one"))


def clean() -> str:
    return "".join(
        f"-> running `{suite}':\n 0. init.................. pass\n"
        f"<- summary for `{suite}': of 1 tests run: 1 passed, 0 failed. 100.0%\n"
        for suite in SUITES
    )


def test_a_clean_run_has_no_complaints() -> None:
    assert complaints(clean()) == []


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        pytest.param(
            "0. init.................. pass",
            "18. cond_put_corrupt_token WARNING: PUT failed with 400 not 423\n"
            "    ...................... pass (with 1 warning)",
            id="a warning inside a test that passes",
        ),
        pytest.param(
            "0. init.................. pass",
            " 7. propget............... SKIPPED",
            id="a test that is left out",
        ),
        pytest.param(
            "of 1 tests run: 1 passed, 0 failed.",
            "of 2 tests run: 1 passed, 1 failed.",
            id="a summary with a failure",
        ),
        pytest.param(
            "<- summary for `locks': of 1 tests run: 1 passed, 0 failed. 100.0%\n",
            "",
            id="a suite that never ended",
        ),
        pytest.param(
            "-> running `http':",
            "-> 2 warnings were issued.\n-> running `http':",
            id="a count of warnings",
        ),
    ],
)
def test_whatever_is_not_a_pass_is_a_complaint(line: str, changed: str) -> None:
    said = clean()

    assert line in said
    assert complaints(said.replace(line, changed, 1))

"""The access log: its three forms, and what becomes of it where it cannot be written."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver import access_log, counts
from davserver.access_log import FORMS, AccessLog, Entry, public

NOW = 1_800_000_000.25

COMMON = (
    r"[!-~]+ - [!-~]+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
    r'"(?:[^"\\]|\\.)* (?:[^"\\]|\\.)* (?:[^"\\]|\\.)*" \d{3} (?:\d+|-)'
)
LINES = {
    "common": re.compile(COMMON),
    "combined": re.compile(COMMON + r' "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'),
}
PLAIN = Entry("127.0.0.1", "me", "GET", "/a%20b", "HTTP/1.1", "200", 12, 0.25, "", "curl/8")


def failures() -> float:
    return counts.Totals().of(counts.LOG_FAILURES)[""]


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local times are those of one place."""
    monkeypatch.setenv("TZ", "UTC+3:30")
    time.tzset()
    access_log._local.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    access_log._local.cache_clear()


def line(form: str, entry: Entry) -> str:
    return FORMS[form](entry, NOW)


def test_the_forms() -> None:
    common = '127.0.0.1 - me [15/Jan/2027:04:30:00 -0330] "GET /a%20b HTTP/1.1" 200 12'
    assert line("common", PLAIN) == common
    assert line("combined", PLAIN) == f'{common} "-" "curl/8"'
    assert json.loads(line("json", PLAIN)) == {
        "time": "2027-01-15T08:00:00.250Z",
        "remote": "127.0.0.1",
        "user": "me",
        "method": "GET",
        "target": "/a%20b",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 12,
        "seconds": 0.25,
        "referer": None,
        "agent": "curl/8",
    }


def test_what_nobody_knows_is_a_dash_or_null() -> None:
    nothing = Entry("", "", "GET", "/", "HTTP/1.1", "204", 0, None, "", "")
    assert line("combined", nothing).startswith("- - - [")
    assert line("combined", nothing).endswith('"GET / HTTP/1.1" 204 - "-" "-"')
    found = json.loads(line("json", nothing))
    assert [found[key] for key in ("remote", "user", "seconds", "agent")] == [None] * 4
    assert found["bytes"] == 0


def test_nothing_forges_a_line() -> None:
    evil = 'x" 200 1\n127.0.0.1 - root [\\"\r\t\x00\x7f\xe9'
    for name in ("remote", "user", "method", "target", "protocol", "referer", "agent"):
        entry = Entry(**{**PLAIN._asdict(), name: evil})
        for form, expected in LINES.items():
            assert expected.fullmatch(line(form, entry)), line(form, entry)
        found = json.loads(line("json", entry))
        assert "\n" not in line("json", entry)
        assert found["status"] == 200
    shown = line("common", PLAIN._replace(target=evil))
    assert r"x\"\x20200\x201\n127" in shown
    assert r"\\\"\r\t\x00\x7f\xe9" in shown


@given(*[st.text(max_size=3000)] * 5)
def test_any_text_is_one_line_that_fits_into_a_pipe(
    user: str, method: str, target: str, referer: str, agent: str
) -> None:
    entry = PLAIN._replace(
        user=user, method=method, target=target, referer=referer, agent=agent, remote=user
    )
    for form in FORMS:
        found = line(form, entry)
        assert found.isascii()
        assert found.isprintable()
        assert len(found) < 4096
        if form in LINES:
            assert LINES[form].fullmatch(found)
        else:
            assert json.loads(found)["status"] == 200


def test_long_fields_are_cut_without_an_escape_in_two() -> None:
    for text in ("\\" * 5000, "\xff" * 5000, '"' * 5000, "a" * 5000):
        entry = PLAIN._replace(target=text, agent=text, user=text, referer=text)
        found = line("combined", entry)
        assert LINES["combined"].fullmatch(found)
        assert json.loads(line("json", entry))["agent"].endswith("...")
        assert len(found) < 4096


def test_names_are_text_in_json_and_bytes_in_the_others() -> None:
    name = "/é".encode().decode("latin-1")
    entry = PLAIN._replace(target=name + "\xff", user="ü".encode().decode("latin-1"))
    found = json.loads(line("json", entry))
    assert (found["target"], found["user"]) == ("/é\\xff", "ü")
    assert r"\xc3\xbc [" in line("common", entry)
    assert r'"GET /\xc3\xa9\xff HTTP/1.1"' in line("common", entry)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/x?token=secret", "/x?"),
        ("/x?", "/x?"),
        ("*", "*"),
        ("/me@here/x", "/me@here/x"),
        ("http://me:secret@host/x@y?secret", "http://host/x@y?"),
        ("HTTPS://me:secret@host", "HTTPS://host"),
        ("//me:secret@host/", "//host/"),
        ("http:/me:secret@host/", "http:/host/"),
        ("http:\\\\me:secret@host/", "http:\\\\host/"),
        ("me:secret@host/", "me:host/"),
        ("http://a@secret@host/", "http://host/"),
        ("https://host/x#secret?secret", "https://host/x"),
        ("https://host/x?secret#secret", "https://host/x?"),
        ("ftp://secret@", "ftp://"),
    ],
)
def test_what_may_be_secret_is_left_out(target: str, shown: str) -> None:
    assert public(target) == shown


def test_a_renamed_file_is_left_when_it_is_opened_again(tmp_path: Path) -> None:
    file, old = tmp_path / "a.log", tmp_path / "a.log.1"
    log = AccessLog(str(file), "common")
    assert file.stat().st_mode & 0o137 == 0
    log.write(PLAIN._replace(target="/1"), NOW)
    file.rename(old)
    log.write(PLAIN._replace(target="/2"), NOW)
    log.reopen()
    log.write(PLAIN._replace(target="/3"), NOW)
    assert re.findall(r" (/\d) ", old.read_text()) == ["/1", "/2"]
    assert re.findall(r" (/\d) ", file.read_text()) == ["/3"]
    descriptors = len(os.listdir("/proc/self/fd"))
    log.reopen()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    log.close()


def test_where_no_new_file_can_be_the_old_one_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "a.log"
    file.parent.mkdir()
    log = AccessLog(str(file), "common")
    moved = file.parent.rename(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        log.reopen()
    log.write(PLAIN, NOW)
    log.close()
    assert (moved / "a.log").read_text().count("\n") == 1


def test_a_full_disk_loses_lines_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    before = failures()
    log = AccessLog("/dev/full", "json")
    for _ in range(3):
        log.write(PLAIN, NOW)
    log.close()
    assert failures() == before + 3
    assert [one.getMessage() for one in caplog.records] == [
        "the access log cannot be written: No space left on device"
    ]


def test_a_torn_line_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AccessLog(str(tmp_path / "a.log"), "common")
    real = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:20]))
        log.write(PLAIN, NOW)
    log.write(PLAIN, NOW)
    log.write(PLAIN, NOW)
    log.close()
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert len(lines[0]) == 20
    assert all(LINES["common"].fullmatch(one) for one in lines[1:])
    assert len(lines) == 3


SCRIPT = """
import sys
from davserver import counts
from davserver.access_log import AccessLog, Entry
log = AccessLog("-", "common")
for number in range(int(sys.argv[1])):
    log.write(Entry("", "", "GET", f"/{number}", "HTTP/1.1", "200", 1, 0.0, "", ""), 0.0)
print(int(counts.Totals().of(counts.LOG_FAILURES)[""]))
"""


def test_nobody_waits_for_who_does_not_read_the_standard_error() -> None:
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-c", SCRIPT, "5000"]
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=writing, timeout=60, check=True
        )
        os.close(writing)
        with open(reading, "rb", closefd=False) as pipe:
            lines = pipe.read().decode().splitlines()
        # What others do with the pipe is as it was.
        assert os.get_blocking(reading)
    finally:
        os.close(reading)
    assert int(ended.stdout) > 1000
    assert len(lines) == 5000 - int(ended.stdout)
    assert all(LINES["common"].fullmatch(one) for one in lines)


def test_a_standard_error_that_is_closed_or_broken_is_no_error() -> None:
    for end in ("2>&-", "2> >(exec true)"):
        command = ["bash", "-c", f'"$0" -c "$1" 100 {end}', sys.executable, SCRIPT]
        ended = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True)
        assert int(ended.stdout) in range(101)


def test_the_standard_error_in_a_file_is_shared_with_others(tmp_path: Path) -> None:
    """Each writes behind what the other has written, although the file was not opened to append."""
    file = tmp_path / "errors"
    theirs = "sys.stderr.write('mine\\n'); sys.stderr.flush()"
    script = SCRIPT.replace("log.write", f"{theirs}; log.write")
    with file.open("wb") as opened:
        subprocess.run([sys.executable, "-c", script, "5"], stderr=opened, timeout=60, check=True)
    lines = file.read_text().splitlines()
    assert lines[::2] == ["mine"] * 5
    assert all(LINES["common"].fullmatch(one) for one in lines[1::2])


def test_processes_that_share_a_file_tear_no_line(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    log = AccessLog(str(file), "combined")
    children = []
    for letter in "abc":
        child = os.fork()
        if not child:
            try:
                for number in range(2000):
                    log.write(PLAIN._replace(target=f"/{letter * 300}{number}"), NOW)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    log.close()
    lines = file.read_text().splitlines()
    assert len(lines) == 6000
    assert all(LINES["combined"].fullmatch(one) for one in lines)

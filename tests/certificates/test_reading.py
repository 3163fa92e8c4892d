"""A certificate and its key are read, and what is wrong with them is said in one sentence."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from davserver.certificates import BadPair, reading
from tests.certificates import pairs
from tests.certificates.pairs import BAD, Files
from tests.running import program, run


def test_what_a_pair_holds(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    files = pairs.written(tmp_path, pairs.made("nas", "*.lan", "10.0.0.1", "fd00::1", now=now))
    pair = reading.read(str(files.cert), str(files.key))
    assert pair.names == ("nas", "*.lan", "10.0.0.1", "fd00::1")
    assert pair.begins < now < pair.ends
    shown = run(
        [program("openssl"), "x509", "-noout", "-fingerprint", "-sha256", "-in", files.cert]
    )
    assert shown.stdout.strip().partition("=")[2] == pair.fingerprint


@pytest.mark.parametrize("order", ["key first", "certificate first", "with the root"])
def test_one_file_may_hold_both(tmp_path: Path, order: str) -> None:
    made = pairs.made()
    held = {
        "key first": made.key + made.cert,
        "certificate first": made.cert + made.key,
        "with the root": made.cert + made.root + pairs.old_form(made.key),
    }
    (tmp_path / "both.pem").write_bytes(b"a word in front\n" + held[order])
    assert reading.read(str(tmp_path / "both.pem")).names == pairs.NAMES


@pytest.mark.parametrize(("spoil", "named", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, spoil: object, named: str, said: str
) -> None:
    files = pairs.written(tmp_path)
    assert callable(spoil)
    spoil(files)
    with pytest.raises(BadPair) as wrong:
        reading.read(str(files.cert), str(files.key))
    sentence = str(wrong.value)
    assert sentence.startswith(f"{getattr(files, named)}: ")
    assert said in sentence
    assert "\n" not in sentence


def test_a_certificate_alone_asks_for_its_key(tmp_path: Path) -> None:
    files: Files = pairs.written(tmp_path)
    with pytest.raises(BadPair, match="name that with --key"):
        reading.read(str(files.cert))


def test_a_certificate_that_does_not_hold_is_warned_of(tmp_path: Path) -> None:
    files = pairs.written(tmp_path)
    pair = reading.read(str(files.cert), str(files.key))
    assert pair.warning(datetime.now(UTC)) == ""
    assert "has expired on" in pair.warning(pair.ends + timedelta(seconds=1))
    assert "not yet" in pair.warning(pair.begins - timedelta(seconds=1))


def test_who_needs_no_certificate_does_not_load_the_library() -> None:
    look = "import sys, davserver.cli; sys.exit('cryptography' in sys.modules)"
    assert run([sys.executable, "-c", look]).returncode == 0
    control = f"import davserver.certificates.reading; {look}"
    assert run([sys.executable, "-c", control]).returncode == 1

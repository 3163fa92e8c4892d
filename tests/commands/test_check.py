"""`davserver check`, and what the door says to a wrong command line."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from davserver import __version__, cli, commands, config, options
from davserver.certificates import reading
from davserver.commands import serve
from tests.certificates import pairs
from tests.certificates.pairs import BAD, Files

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here may open one."""

    def listening(settings: config.Settings) -> None:
        pytest.fail(f"sockets were opened at {settings.addresses}")

    monkeypatch.setattr(serve, "listening", listening)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_check_prints_the_effective_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'it\'s "odd"\\').mkdir()
    (tmp_path / "b").mkdir()
    file = tmp_path / "c.toml"
    file.write_text(
        "port = 1\nthreads = 2\nfile_mode = '0640'\nallowed_hosts = ['nas']\n"
        "[shares.'a \"x\"']\npath = '''it's \"odd\"\\'''\n"
        "[shares.b]\npath = 'b'\nread_only = true\n"
    )
    monkeypatch.setenv("DAVSERVER_THREADS", "3")
    code, said, _ = run(capsys, "check", "--config", str(file), "--lock-timeout", "5")
    assert code == 0
    told = tomllib.loads(said)
    assert (told["port"], told["threads"], told["lock_timeout"]) == (1, 3, 5)
    assert (told["file_mode"], told["allowed_hosts"]) == ("0640", ["nas"])
    assert told["shares"]['a "x"']["path"] == str(tmp_path / 'it\'s "odd"\\')
    assert told["shares"]["b"]["read_only"] is True
    for option in options.OPTIONS:
        assert option.key in said
    for source in (str(file), "DAVSERVER_THREADS", "--lock-timeout", "default"):
        assert source in said
    (tmp_path / "again.toml").write_text(said)
    assert run(capsys, "check", "--config", str(tmp_path / "again.toml"))[0] == 0


def test_what_check_prints_of_addresses_can_be_given_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listen = ("--listen", "unix:/run/x.sock, 127.0.0.1:0", "--unix-mode", "0600")
    code, said, _ = run(capsys, "check", str(tmp_path), *listen, "--prefix", "/dav")
    assert code == 0
    told = tomllib.loads(said)
    assert told["listen"] == ["unix:/run/x.sock", "127.0.0.1:0"]
    assert (told["unix_mode"], told["prefix"]) == ("0600", "/dav")
    assert "# port is not used: all addresses are in listen" in said
    assert not {"host", "port"} & told.keys()
    (tmp_path / "again.toml").write_text(said)
    assert run(capsys, "check", "--config", str(tmp_path / "again.toml"))[0] == 0


def test_check_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("ports = 1\n")
    code, said, complaint = run(capsys, "check", "--config", str(file))
    assert (code, said) == (2, "")
    assert complaint == f"davserver: {file}: unknown key ports: did you mean port?\n"


def test_the_shipped_configuration_passes(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(REPOSITORY / "config" / "davserver.toml")
    code, said, complaint = run(capsys, "check", "--config", file)
    assert (code, complaint) == (0, "")
    assert tomllib.loads(said)["root"] == str(REPOSITORY / "sample_root")


def test_a_password_is_never_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAVSERVER_PASSWORD", "canary")
    code, said, complaint = run(capsys, "check", str(tmp_path), "--user", "me")
    assert code == 0
    assert "canary" not in said + complaint


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "a missing root": (("none",), "none: there is no such directory"),
    "an option that nobody knows": ((".", "--ports", "1"), "--port"),
    "a port that is none": ((".", "--port", "http"), "--port: must be a whole number"),
    "a public address without a login": ((".", "--host", "0.0.0.0"), "--user NAME"),
    "any IPv6 address without a login": ((".", "--host", "::"), "--user NAME"),
    "a public address without encryption": (
        (".", "--host", "192.0.2.1", "--user", "me"),
        "--behind-tls-proxy",
    ),
    "a state in the share": ((".", "--state", "x.db"), "must not lie in a served directory"),
    "overlapping shares": (("a=.", "b=below"), "overlap"),
    "a configuration without shares": (("--config", "empty.toml"), "Nothing to serve"),
    "a configuration that is not there": (("--config", "none.toml"), "cannot be read"),
    "a mode that is none": ((".", "--file-mode", "rw"), "--file-mode: must be permissions"),
    "an option without its hyphen": ((".", "--readonly"), "--read-only"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "empty.toml").write_text("")
    code, out, complaint = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert complaint.startswith("davserver: ")
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_check_tells_of_the_certificate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    files = pairs.written(tmp_path, pairs.made("nas.local", "10.9.8.7"))
    given = ("check", "root", "--cert", str(files.cert), "--key", str(files.key))
    code, said, _ = run(capsys, *given)
    assert code == 0
    assert tomllib.loads(said)["cert"] == str(files.cert)
    pair = reading.read(str(files.cert), str(files.key))
    for expected in ("nas.local, 10.9.8.7", f"{pair.ends:%Y-%m-%d}", pair.fingerprint):
        assert expected in said
    assert "warning: the certificate" not in said
    pairs.written(tmp_path, pairs.expired())
    code, said, _ = run(capsys, *given)
    assert code == 0
    assert "warning: the certificate has expired on" in said


@pytest.mark.parametrize("command", [("check",), ()], ids=["check", "serve"])
@pytest.mark.parametrize(("spoil", "named", "said"), BAD.values(), ids=BAD)
def test_a_bad_pair_stops_the_start(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: tuple[str, ...],
    spoil: Callable[[Files], None],
    named: str,
    said: str,
) -> None:
    (tmp_path / "root").mkdir()
    files = pairs.written(tmp_path)
    spoil(files)
    given = (*command, "root", "--cert", str(files.cert), "--key", str(files.key))
    code, out, complaint = run(capsys, *given)
    assert (code, out) == (2, "")
    assert complaint.startswith(f"davserver: {getattr(files, named)}: ")
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_a_flag_without_its_value_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, ".", "--port")
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_neither_root_nor_configuration_shows_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, complaint = run(capsys)
    assert (code, out) == (2, "")
    assert "tasks:" in complaint


def test_the_help_fits_on_one_screen_and_has_every_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, "--help")
    assert not ended.value.code
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 66
    assert max(map(len, said.splitlines())) <= 80
    for option in options.OPTIONS:
        assert f"{option.flag} " in said or f"{option.flag}\n" in said
    assert "davserver ~/files" in said


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, "--version")
    assert not ended.value.code
    assert capsys.readouterr().out == f"davserver {__version__}\n"


def test_a_sub_command_wins_over_a_directory_of_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "check").mkdir()
    code, said, _ = run(capsys, "check", "./check")
    assert code == 0
    assert tomllib.loads(said)["root"] == "./check"
    served: list[str] = []

    def serve(settings: config.Settings, again: Callable[[], config.Settings]) -> int:
        assert again() == settings
        served.extend(share.path for share in settings.shares)
        return 0

    monkeypatch.setitem(commands.TABLE, "serve", serve)
    assert cli.main(["./check"]) == 0
    assert served == ["./check"]

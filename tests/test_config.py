"""Settings: every option by flag, variable and file; which one wins; what is refused."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from davserver import config
from davserver.config import ConfigError, Settings, ShareSettings
from davserver.options import OPTIONS, Option

REPOSITORY = Path(__file__).parent.parent

# key: (a value as text, the same in TOML, what it comes to), and another of each.
VALUES: dict[str, tuple[tuple[str, str, object], tuple[str, str, object]]] = {
    "host": (("127.0.0.2", '"127.0.0.2"', "127.0.0.2"), ("::1", '"::1"', "::1")),
    "port": (("0", "0", 0), ("65535", "65535", 65535)),
    "read_only": (("on", "true", True), ("No", "false", False)),
    "state": (("/s/a.db", '"/s/a.db"', "/s/a.db"), ("/s/b.db", '"/s/b.db"', "/s/b.db")),
    "durability": (("rename", '"rename"', "rename"), ("sync", '"sync"', "sync")),
    "user": (("me", '"me"', "me"), ("you", '"you"', "you")),
    "allowed_hosts": (("a, b", '["a", "b"]', ("a", "b")), ("", "[]", ())),
    "behind_tls_proxy": (("1", "true", True), ("0", "false", False)),
    "insecure_http": (("true", "true", True), ("false", "false", False)),
    "follow_symlinks": (("yes", "true", True), ("off", "false", False)),
    "file_mode": (("0640", '"0640"', 0o640), ("600", '"600"', 0o600)),
    "dir_mode": (("2770", '"2770"', 0o2770), ("0755", '"0755"', 0o755)),
    "infinite_depth": (("false", "false", False), ("true", "true", True)),
    "lock_timeout": (("60", "60", 60), ("1", "1", 1)),
    "workers": (("1", "1", 1), ("8", "8", 8)),
    "threads": (("1", "1", 1), ("1000", "1000", 1000)),
    "drain_timeout": (("0", "0", 0), ("86400", "86400", 86_400)),
    "verbose": (("TRUE", "true", True), ("FALSE", "false", False)),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "davserver.toml"
    file.write_text(text)
    return str(file)


def load(
    root: Path,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: str | None = None,
) -> Settings:
    return config.load(flags or {}, [str(root)], environment or {}, file)


def test_every_option_is_tried() -> None:
    assert set(VALUES) == {option.key for option in OPTIONS}
    for option in OPTIONS:
        assert option.flag == "--" + option.key.replace("_", "-")
        assert option.variable == "DAVSERVER_" + option.key.upper()
        assert option.sentence.endswith(".")
        assert len(f"  {option.flag} {option.metavar}".ljust(27) + option.brief) <= 80


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_an_option_comes_from_everywhere_and_the_nearest_wins(
    option: Option, root: Path, tmp_path: Path
) -> None:
    (text, toml, value), (other_text, other_toml, other) = VALUES[option.key]
    assert getattr(load(root), option.key) == option.default
    assert load(root).sources[option.key] == "default"
    in_file = load(root, file=write(tmp_path, f"{option.key} = {toml}\n"))
    assert getattr(in_file, option.key) == value
    in_environment = load(root, environment={option.variable: text})
    assert getattr(in_environment, option.key) == value
    flag = value if option.kind == "bool" else text
    assert getattr(load(root, {option.key: flag}), option.key) == value

    file = write(tmp_path, f"{option.key} = {toml}\n")
    over_file = load(root, environment={option.variable: other_text}, file=file)
    assert getattr(over_file, option.key) == other
    assert over_file.sources[option.key] == option.variable
    file = write(tmp_path, f"{option.key} = {other_toml}\n")
    nearest = load(root, {option.key: flag}, {option.variable: other_text}, file)
    assert getattr(nearest, option.key) == value
    assert nearest.sources[option.key] == option.flag


WRONG_TYPES = {
    "str": ("1", "true", "[]", "{}", "1979-05-27"),
    "int": ('"1"', "true", "1.5", "[]"),
    "bool": ('"true"', "1", "0", "[]"),
    "list": ('"a"', "[1]", "1", "true"),
    "mode": ('"abc"', '"9"', "416", "true", '"100000"', '"-1"'),
}
WRONG_TEXTS = {"int": ("", "x", "1.5", "1e3"), "bool": ("", "maybe", "2"), "mode": ("", "8", "x")}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_a_value_of_the_wrong_type_is_named(option: Option, root: Path, tmp_path: Path) -> None:
    for toml in WRONG_TYPES[option.kind]:
        file = write(tmp_path, f"{option.key} = {toml}\n")
        with pytest.raises(ConfigError) as wrong:
            load(root, file=file)
        assert str(wrong.value).startswith(f"{file}: {option.key}: must be ")
    for text in WRONG_TEXTS.get(option.kind, ()):
        with pytest.raises(ConfigError) as wrong:
            load(root, environment={option.variable: text})
        assert str(wrong.value).startswith(f"{option.variable}: must be ")
        if option.kind != "bool":
            with pytest.raises(ConfigError) as wrong:
                load(root, {option.key: text})
            assert str(wrong.value).startswith(f"{option.flag}: must be ")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *[("port", "-1"), ("port", "65536"), ("threads", "0"), ("threads", "1001")],
        *[("lock_timeout", "0"), ("lock_timeout", "31536001"), ("user", ""), ("user", "a:b")],
        ("user", "a\nb"),
    ],
)
def test_a_value_beyond_its_bounds_is_named(key: str, text: str, root: Path) -> None:
    for flags, environment in (({key: text}, {}), ({}, {f"DAVSERVER_{key.upper()}": text})):
        with pytest.raises(ConfigError) as wrong:
            load(root, flags, environment)
        assert str(wrong.value).startswith(("--", "DAVSERVER_"))
        assert str(wrong.value).endswith(".")


FILES = {
    "an unknown key with the nearest": ("ports = 1\n", "unknown key ports: did you mean port?"),
    "an unknown key like none": ("qqqqqq = 1\n", "unknown key qqqqqq."),
    "a key with a hyphen": ("read-only = true\n", "unknown key read-only: did you mean read_only?"),
    "an unknown key of a share": (
        "[shares.a]\npath = '.'\nreadonly = true\n",
        "shares.a: unknown key readonly: did you mean read_only?",
    ),
    "a share without a path": ("[shares.a]\nread_only = true\n", "shares.a: needs a path"),
    "a share that is no table": ("[shares]\na = 1\n", "shares.a: needs a path"),
    "shares that are no tables": ("shares = 1\n", "shares must be tables"),
    "a root that is no text": ("root = 1\n", "root must be a text"),
    "a share whose read_only is no truth": (
        "[shares.a]\npath = '.'\nread_only = 1\n",
        "shares.a.read_only: must be true or false",
    ),
    "no TOML": ("port = = 1\n", "is not valid TOML"),
    "no text": ("\0", "is not valid TOML"),
    "a name that no URL can have": ("[shares.'a/b']\npath = '.'\n", "cannot be the name"),
    "a reserved name": ("[shares.'.~dav-a']\npath = '.'\n", "cannot be the name"),
    "a name of dots": ("[shares.'..']\npath = '.'\n", "cannot be the name"),
}


@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES)
def test_what_is_wrong_with_a_file_is_said(text: str, said: str, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as wrong:
        config.load({}, [], {}, file)
    assert str(wrong.value).startswith(f"{file}: ")
    assert said in str(wrong.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            config.load({}, [], {}, str(file))
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"user = '\xe9'")
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load({}, [], {}, str(latin))


def test_variables_give_the_file_and_the_shares(root: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "port = 1\nroot = 'root'\n")
    found = config.load({}, [], {"DAVSERVER_CONFIG": file}, None)
    assert (found.port, found.shares) == (1, (ShareSettings("", str(root)),))
    (tmp_path / "a b").mkdir()
    given = {"DAVSERVER_SHARES": f"x={root} 'y={tmp_path}/a b'", "DAVSERVER_CONFIG": file}
    names = [share.name for share in config.load({}, [], given, None).shares]
    assert names == ["x", "y"]
    assert [one.name for one in config.load({}, [f"z={root}"], given, None).shares] == ["z"]


def test_a_misspelt_variable_is_refused_and_a_foreign_one_is_not(root: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean DAVSERVER_READ_ONLY"):
        load(root, environment={"DAVSERVER_READONLY": "1"})
    load(root, environment={"DAVSERVER_DEPLOYMENT_COLOUR": "blue", "DAVSERVER_PASSWORD": "x"})


ARGUMENTS = {
    "a path": ("/srv/files", ("", "/srv/files")),
    "a name and a path": ("docs=/srv", ("docs", "/srv")),
    "an equals sign after a slash is the path's": ("./a=b", ("", "./a=b")),
    "an absolute path with an equals sign": ("/a=b/c", ("", "/a=b/c")),
    "two equals signs": ("a=b=c", ("a", "b=c")),
    "a name alone": ("files", ("", "files")),
    "a path that is a name of something else": ("./check", ("", "./check")),
    "a name in another script": ("文書=/x", ("文書", "/x")),
}


@pytest.mark.parametrize(("argument", "expected"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_name_ends_at_an_equals_sign_that_no_slash_precedes(
    argument: str, expected: tuple[str, str]
) -> None:
    assert config.split_share(argument) == expected


def test_roots_that_cannot_be_served_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (root / "below").mkdir()
    (tmp_path / "link").symlink_to(root / "below")
    (tmp_path / "other").mkdir()
    for shares, said in (
        ([str(tmp_path / "none")], "there is no such directory"),
        ([str(tmp_path / "file")], "is not a directory"),
        ([f"a={root}", f"a={tmp_path / 'other'}"], "Two shares have the name a"),
        ([str(root), f"a={tmp_path / 'other'}"], "served alone"),
        ([f"a={root}", f"b={root / 'below'}"], "overlap"),
        ([f"a={root}", f"b={root}"], "overlap"),
        ([f"a={root}", f"b={tmp_path / 'link'}"], "overlap"),
        ([f"={root}"], "needs a name"),
        ([f"..={root}"], "cannot be the name"),
        ([f".~dav-x={root}"], "cannot be the name"),
    ):
        with pytest.raises(ConfigError, match=said):
            config.load({}, shares, {}, None)
    config.load({}, [f"a={root}", f"ab={tmp_path / 'other'}"], {}, None)


def test_a_root_that_may_not_be_read_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For the super-user the answer of the system is always yes.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="not permitted"):
        load(root)


def test_a_state_within_a_share_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(root)
    for state in (root / "state.db", root / "new" / "state.db", tmp_path / "way" / "s.db", root):
        with pytest.raises(ConfigError, match="must not lie in a served directory"):
            load(root, {"state": str(state)})
    load(root, {"state": f"{root}-state.db"})


def test_the_file_that_explains_every_option_is_valid_as_it_stands() -> None:
    file = REPOSITORY / "config" / "davserver.toml"
    settings = config.load({}, [], {}, str(file))
    assert settings.shares == (ShareSettings("", str(REPOSITORY / "sample_root")),)
    text = file.read_text()
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in text.splitlines()
        if not line.startswith("#   ")
    )
    given = tomllib.loads(uncommented)
    assert set(given) - {"root", "shares"} == {option.key for option in OPTIONS}
    for option in OPTIONS:
        if option.default is not None:
            # The kind says that it is a tuple, which mypy cannot follow.
            expected = list(option.default) if option.kind == "list" else option.default  # type: ignore[arg-type]
            assert given[option.key] == expected
            assert option.key in tomllib.loads(text)

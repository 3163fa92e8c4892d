"""Settings: every option by flag, variable and file; which one wins; what is refused."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from davserver import config
from davserver.config import ConfigError, Settings, ShareSettings, StatusPlace
from davserver.options import OPTIONS, Option
from davserver.protocol import addresses
from davserver.protocol.addresses import Activated, Tcp, Unix

REPOSITORY = Path(__file__).parent.parent

# key: (a value as text, the same in TOML, what it comes to), and another of each.
VALUES: dict[str, tuple[tuple[str, str, object], tuple[str, str, object]]] = {
    "host": (("127.0.0.2", '"127.0.0.2"', "127.0.0.2"), ("::1", '"::1"', "::1")),
    "port": (("0", "0", 0), ("65535", "65535", 65535)),
    "listen": (
        ("127.0.0.1:1, unix:/s", '["127.0.0.1:1", "unix:/s"]', ("127.0.0.1:1", "unix:/s")),
        ("systemd", '["systemd"]', ("systemd",)),
    ),
    "unix_mode": (("0600", '"0600"', 0o600), ("777", '"777"', 0o777)),
    "trusted_proxies": (
        ("10.0.0.0/8, unix", '["10.0.0.0/8", "unix"]', ("10.0.0.0/8", "unix")),
        ("::1", '["::1"]', ("::1",)),
    ),
    "proxy_protocol": (("on", "true", True), ("off", "false", False)),
    "prefix": (("/dav", '"/dav"', "/dav"), ("/a/b", '"/a/b"', "/a/b")),
    "read_only": (("on", "true", True), ("No", "false", False)),
    "state": (("/s/a.db", '"/s/a.db"', "/s/a.db"), ("/s/b.db", '"/s/b.db"', "/s/b.db")),
    "durability": (("rename", '"rename"', "rename"), ("sync", '"sync"', "sync")),
    "user": (("me", '"me"', "me"), ("you", '"you"', "you")),
    "allowed_hosts": (("a, b", '["a", "b"]', ("a", "b")), ("", "[]", ())),
    "cert": (("/c/a.pem", '"/c/a.pem"', "/c/a.pem"), ("/c/b.pem", '"/c/b.pem"', "/c/b.pem")),
    "key": (("/c/a.key", '"/c/a.key"', "/c/a.key"), ("/c/b.key", '"/c/b.key"', "/c/b.key")),
    "behind_tls_proxy": (("1", "true", True), ("0", "false", False)),
    "insecure_http": (("true", "true", True), ("false", "false", False)),
    "follow_symlinks": (("yes", "true", True), ("off", "false", False)),
    "file_mode": (("0640", '"0640"', 0o640), ("600", '"600"', 0o600)),
    "dir_mode": (("2770", '"2770"', 0o2770), ("0755", '"0755"', 0o755)),
    "infinite_depth": (("false", "false", False), ("true", "true", True)),
    "gzip": (("no", "false", False), ("yes", "true", True)),
    "lock_timeout": (("60", "60", 60), ("1", "1", 1)),
    "workers": (("1", "1", 1), ("8", "8", 8)),
    "threads": (("1", "1", 1), ("1000", "1000", 1000)),
    "drain_timeout": (("0", "0", 0), ("86400", "86400", 86_400)),
    "slow_uploads": (("1", "1", 1), ("10000", "10000", 10_000)),
    "slowest_upload": (("0", "0", 0), ("4096", "4096", 4096)),
    "upload_grace": (("1", "1", 1), ("60", "60", 60)),
    "connections": (("1", "1", 1), ("1000000", "1000000", 1_000_000)),
    "access_log": (("/v/a.log", '"/v/a.log"', "/v/a.log"), ("-", '"-"', "-")),
    "access_log_format": (("json", '"json"', "json"), ("common", '"common"', "common")),
    "status": (("/s", '"/s"', "/s"), ("[::1]:0", '"[::1]:0"', "[::1]:0")),
    "healthz": (("no", "false", False), ("yes", "true", True)),
    "readyz": (("no", "false", False), ("yes", "true", True)),
    "metrics": (("no", "false", False), ("yes", "true", True)),
    "verbose": (("TRUE", "true", True), ("FALSE", "false", False)),
}

NEEDED = {
    "key": {"DAVSERVER_CERT": "/c/a.pem"},
    "proxy_protocol": {"DAVSERVER_TRUSTED_PROXIES": "::1"},
}
"""What an option cannot be without."""


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
    needed = NEEDED.get(option.key, {})
    assert getattr(load(root, environment=needed), option.key) == option.default
    assert load(root, environment=needed).sources[option.key] == "default"
    in_file = load(root, environment=needed, file=write(tmp_path, f"{option.key} = {toml}\n"))
    assert getattr(in_file, option.key) == value
    in_environment = load(root, environment={**needed, option.variable: text})
    assert getattr(in_environment, option.key) == value
    flag = value if option.kind == "bool" else text
    assert getattr(load(root, {option.key: flag}, needed), option.key) == value

    file = write(tmp_path, f"{option.key} = {toml}\n")
    over_file = load(root, environment={**needed, option.variable: other_text}, file=file)
    assert getattr(over_file, option.key) == other
    assert over_file.sources[option.key] == option.variable
    file = write(tmp_path, f"{option.key} = {other_toml}\n")
    nearest = load(root, {option.key: flag}, {**needed, option.variable: other_text}, file)
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
        *[("user", "a\nb"), ("unix_mode", "1000"), ("prefix", "dav"), ("prefix", "/a/../b")],
        *[("prefix", "/%2f"), ("prefix", "/a?b"), ("prefix", "/.~dav-x"), ("prefix", "//x/%0")],
    ],
)
def test_a_value_beyond_its_bounds_is_named(key: str, text: str, root: Path) -> None:
    for flags, environment in (({key: text}, {}), ({}, {f"DAVSERVER_{key.upper()}": text})):
        with pytest.raises(ConfigError) as wrong:
            load(root, flags, environment)
        assert str(wrong.value).startswith(("--", "DAVSERVER_"))
        assert str(wrong.value).endswith(".")


ADDRESSES = {
    "a port alone": ("8080", "needs a host and a port"),
    "no host": (":8080", "needs a host and a port"),
    "no port": ("localhost", "needs a host and a port"),
    "a port that is none": ("localhost:http", "needs a port from 0 to 65535"),
    "a port that is too large": ("localhost:65536", "needs a port from 0 to 65535"),
    "an IPv6 address without brackets": ("::1:8080", "in brackets, as in [::1]:8080"),
    "brackets without an IPv6 address": ("[127.0.0.1]:80", "no IPv6 address in its brackets"),
    "a URL": ("http://localhost:80", "needs its IPv6 address in brackets"),
    "a path": ("/run/x:80", "is no address"),
    "a Unix socket by a relative path": ("unix:x.sock", "needs an absolute path"),
    "an abstract Unix socket": ("unix:@x", "needs an absolute path"),
    "a directory": ("unix:/run/", "is no path of a socket"),
    "a path that is too long": (f"unix:/{'x' * 107}", "longer than the 107 bytes"),
    "twice the same": ("127.0.0.1:80, 127.0.0.1:80", "127.0.0.1:80 is there twice"),
    "twice systemd": ("systemd, systemd", "systemd is there twice"),
    "a public address without a login": ("127.0.0.1:1, *:80", "--user NAME"),
    "any IPv6 address without a login": ("127.0.0.1:1, [::]:80", "--user NAME"),
}


@pytest.mark.parametrize(("text", "said"), ADDRESSES.values(), ids=ADDRESSES)
def test_what_is_wrong_with_an_address_is_said(text: str, said: str, root: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        load(root, {"listen": text})
    assert said in str(wrong.value)
    assert str(wrong.value).endswith(".")


def test_addresses_are_read() -> None:
    for text, address in (
        ("127.0.0.1:0", Tcp("127.0.0.1", 0)),
        ("[::1]:8080", Tcp("::1", 8080)),
        ("*:80", Tcp("*", 80)),
        ("a.example:65535", Tcp("a.example", 65_535)),
        ("unix:/run/a b.sock", Unix("/run/a b.sock")),
        ("systemd", Activated()),
    ):
        assert addresses.parse(text) == address
        assert str(address) == text


def test_every_public_address_needs_a_login_and_a_secret_way(root: Path) -> None:
    flags = {"listen": "unix:/s, [::1]:1, localhost:1, systemd, 192.0.2.1:80", "user": "me"}
    with pytest.raises(ConfigError, match=r"At 192\.0\.2\.1 the password would cross"):
        load(root, flags)
    load(root, {**flags, "behind_tls_proxy": True})
    load(root, {"listen": "unix:/s, [::1]:1, localhost:1, systemd, 127.0.0.1:0, 127.0.0.1:0"})


def test_host_and_port_are_not_beside_listen(root: Path, tmp_path: Path) -> None:
    assert load(root).addresses == (Tcp("127.0.0.1", 8080),)
    assert load(root, {"host": "::1", "port": "0"}).addresses == (Tcp("::1", 0),)
    file = write(tmp_path, "port = 80\nlisten = ['systemd']\n")
    for flags, given in (({}, file), ({"port": "1", "listen": "systemd"}, None)):
        with pytest.raises(ConfigError, match="port: is not for a server that has addresses"):
            load(root, flags, file=given)
    with pytest.raises(ConfigError, match="--host: is not for"):
        load(root, {"host": "::1"}, {"DAVSERVER_LISTEN": "systemd"})
    # What is nearer wins, as ever.
    file = write(tmp_path, "port = 80\nhost = '::1'\n")
    assert load(root, {"listen": "systemd"}, file=file).addresses == (Activated(),)
    file = write(tmp_path, "port = 80\nhost = '::1'\nlisten = []\n")
    assert load(root, file=file).addresses == (Tcp("::1", 80),)


PROXIES = {
    "a name": ("localhost", "'localhost' is no address"),
    "an address within a network": ("10.0.0.1/8", "did you mean 10.0.0.0/8?"),
    "an IPv4 address as one of IPv6": ("::ffff:10.0.0.1", "write it without ::ffff:"),
    "a port": ("127.0.0.1:80", "is no address"),
}


@pytest.mark.parametrize(("text", "said"), PROXIES.values(), ids=PROXIES)
def test_what_is_wrong_with_a_proxy_is_said(text: str, said: str, root: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        load(root, {"trusted_proxies": text})
    assert str(wrong.value).startswith("--trusted-proxies: ")
    assert said in str(wrong.value)


def test_the_proxy_protocol_needs_proxies(root: Path) -> None:
    with pytest.raises(ConfigError, match="--proxy-protocol: needs trusted_proxies"):
        load(root, {"proxy_protocol": True})


def test_the_prefix_is_a_path(root: Path) -> None:
    assert load(root).url_path == ()
    for text, path in (("/", ()), ("", ()), ("/dav/", ("dav",)), ("/a%20b//ü", ("a b", "ü"))):
        assert load(root, {"prefix": text}).url_path == path


STATUS = {
    "/.~dav-status": StatusPlace(path="/.~dav-status"),
    "/": StatusPlace(path=""),
    "/a/b/": StatusPlace(path="/a/b"),
    "/..a/.b": StatusPlace(path="/..a/.b"),
    "none": None,
    "127.0.0.1:9100": StatusPlace(address=Tcp("127.0.0.1", 9100)),
    "localhost:0": StatusPlace(address=Tcp("localhost", 0)),
    "[::1]:9100": StatusPlace(address=Tcp("::1", 9100)),
    "unix:/run/status": StatusPlace(address=Unix("/run/status")),
}


@pytest.mark.parametrize(("text", "place"), STATUS.items(), ids=list(STATUS))
def test_the_place_of_the_status(text: str, place: StatusPlace | None, root: Path) -> None:
    assert config.status_place(load(root, {"status": text})) == place


@pytest.mark.parametrize(
    "text",
    [
        *("", "status", "//", "//a", "/a//b", "/../a", "/a/..", "/.", "/%61", "/a?b", "/a#b"),
        *(
            "/é",
            "/a b",
            "::1:80",
            "systemd",
            "[::1]",
            "127.0.0.1",
            "127.0.0.1:",
            ":80",
            "127.0.0.1:65536",
        ),
        *("127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:٣", "unix:", "None", "/a\nb", "[]:80"),
    ],
)
def test_another_place_of_the_status_is_refused(text: str, root: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--status: must be a path .*\.$"):
        load(root, {"status": text})


def test_a_status_for_other_machines_has_to_be_meant(root: Path) -> None:
    for text in ("0.0.0.0:9100", "[::]:9100", "example.org:9100"):
        with pytest.raises(ConfigError, match=r"^--status: .* --insecure-http\.$"):
            load(root, {"status": text})
        with pytest.raises(ConfigError, match=r"^--status: .* --insecure-http\.$"):
            load(root, {"status": text, "behind_tls_proxy": True})
        load(root, {"status": text, "insecure_http": True})


def test_where_requests_are_logged(root: Path, tmp_path: Path) -> None:
    for flags, expected in (
        ({}, None),
        ({"verbose": True}, "-"),
        ({"access_log": "none", "verbose": True}, None),
        ({"access_log": "-"}, "-"),
        ({"access_log": "a.log", "verbose": True}, "a.log"),
    ):
        assert config.access_log(load(root, flags)) == expected
    for text, expected in (
        ("-", "-"),
        ("none", None),
        ("a.log", f"{tmp_path}/a.log"),
        ("../a.log", f"{tmp_path.parent}/a.log"),
    ):
        file = write(tmp_path, f'access_log = "{text}"\n')
        assert config.access_log(load(root, file=file)) == expected
    file = write(tmp_path, 'status = "unix:run/status"\n')
    assert config.status_place(load(root, file=file)) == StatusPlace(
        address=Unix(f"{tmp_path}/run/status")
    )


@pytest.mark.parametrize("key", ["access_log", "status"])
def test_what_is_written_does_not_lie_in_a_share(key: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(root)
    for path in (root / "a", root / "new" / "a", tmp_path / "way" / "a"):
        text = f"unix:{path}" if key == "status" else str(path)
        with pytest.raises(ConfigError, match="must not lie in a served directory"):
            load(root, {key: text})
    for text in ("", "a\0b"):
        with pytest.raises(ConfigError, match=r"must be "):
            load(root, {key: text})


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


def test_a_certificate_lies_beside_the_file_and_in_no_share(root: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "root = 'root'\ncert = 'tls/cert.pem'\nkey = 'tls/key.pem'\n")
    found = config.load({}, [], {}, file)
    assert (found.cert, found.key) == (f"{tmp_path}/tls/cert.pem", f"{tmp_path}/tls/key.pem")
    for key, said in (("cert", "certificate"), ("key", "key")):
        with pytest.raises(ConfigError, match=f"the {said} must not lie in a served directory"):
            load(root, {"cert": "/c.pem", key: str(root / "x.pem")})
        with pytest.raises(ConfigError, match="must be the path of a file"):
            load(root, {"cert": "/c.pem", key: ""})


def test_a_key_needs_its_certificate(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--key: a key needs its certificate"):
        load(root, {"key": "/k.pem"})
    load(root, {"cert": "/both.pem"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_need_a_login_and_a_secret_way(root: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="a login is needed"):
        load(root, {"host": host, "cert": "/c.pem"})
    with pytest.raises(ConfigError, match="--cert and --key"):
        load(root, {"host": host, "user": "me"})
    for way in ({"cert": "/c.pem"}, {"behind_tls_proxy": True}, {"insecure_http": True}):
        load(root, {"host": host, "user": "me", **way})


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
            expected: object = option.default
            if isinstance(option.default, tuple):
                expected = list(option.default)
            elif option.kind == "mode" and isinstance(option.default, int):
                expected = f"{option.default:04o}"
            assert given[option.key] == expected
            assert option.key in tomllib.loads(text)

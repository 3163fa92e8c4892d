"""davserver at a Unix socket and under a path, behind real proxies that speak TLS: names, trees,
Destination, who the client is, and what a client says of itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from davserver import config
from tests.proxies.front import CONFIG, FRONTS, NAME, Placed, logged, placed, running
from tests.running import Running, program, run

PREFIX = "/dav"
CLIENT = "127.0.0.9"
"""The address that the client has: not the proxy's."""


class Site(NamedTuple):
    """A proxy, the server behind it, and the directory that this serves."""

    proxy: Placed
    server: Running
    root: Path

    def curl(self, method: str, path: str, *arguments: str | Path, name: str = NAME) -> str:
        """The body, and the status behind it."""
        port = self.proxy.port
        command: list[str | Path] = [program("curl"), "--silent", "--show-error", "--insecure"]
        command += ["--noproxy", "*", "--max-time", "60", "--path-as-is", "--interface", CLIENT]
        command += ["--resolve", f"{name}:{port}:127.0.0.1", "--write-out", " %{http_code}"]
        command += ["--request", method] if method != "HEAD" else ["--head"]
        done = run([*command, *arguments, f"https://{name}:{port}{path}"])
        assert not done.returncode, done.stderr
        return done.stdout

    def client(self, path: str) -> str:
        """Who has asked for a path, as the access log says it."""
        return logged(self.server, path)


@pytest.fixture(scope="module", params=["nginx", "apache"])
def site(request: pytest.FixtureRequest, place: Path) -> Iterator[Site]:
    folder = place / request.param
    root = folder / "root"
    root.mkdir(parents=True)
    (folder / "proxy").mkdir()
    path = folder / "s"
    server = Running(
        *(root, "--prefix", PREFIX, "--trusted-proxies", "unix", "--allowed-hosts", NAME),
        *("--unix-mode", "0666", "--verbose"),
        listen=f"unix:{path}",
        state=folder / "state.db",
    )
    proxy = placed(FRONTS[request.param], folder / "proxy", path)
    with server, running(proxy):
        yield Site(proxy, server, root)


def test_trees_are_moved_by_the_url_of_the_proxy(site: Site) -> None:
    base = f"https://{NAME}:{site.proxy.port}{PREFIX}"
    assert site.curl("MKCOL", f"{PREFIX}/a%20b").endswith(" 201")
    assert site.curl("PUT", f"{PREFIX}/a%20b/f", "--data", "content").endswith(" 201")
    for method, source, target in (
        ("COPY", "/a%20b/", f"{base}/copy/"),
        ("MOVE", "/a%20b", f"{base}/m%C3%B6ved"),
        ("MOVE", "/copy/f", f"{PREFIX}/f"),
    ):
        said = site.curl(method, f"{PREFIX}{source}", "--header", f"Destination: {target}")
        assert said.endswith(" 201"), (method, source, said)
    assert (site.root / "möved" / "f").read_bytes() == (site.root / "f").read_bytes() == b"content"
    assert not (site.root / "a b").exists()
    said = site.curl("PROPFIND", f"{PREFIX}/", "--header", "Depth: infinity")
    hrefs = set(re.findall(r"<D:href>([^<]*)</D:href>", said))
    assert {f"{PREFIX}/", f"{PREFIX}/m%C3%B6ved/", f"{PREFIX}/m%C3%B6ved/f"} <= hrefs
    assert all(href.startswith(f"{PREFIX}/") for href in hrefs)
    outside = ("--header", f"Destination: https://{NAME}:{site.proxy.port}/else/f")
    assert site.curl("MOVE", f"{PREFIX}/f", *outside).endswith(" 502")


def test_locks_hold_by_the_url_of_the_proxy(site: Site) -> None:
    url = f"{PREFIX}/locked"
    info = (
        '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
        "<D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
    said = site.curl("LOCK", url, "--data", info)
    assert said.endswith(" 201")
    assert f"<D:href>{url}</D:href>" in said
    (token,) = set(re.findall(r"urn:uuid:[0-9a-f-]+", said))
    assert site.curl("PUT", url, "--data", "1").endswith(" 423")
    whole = f"https://{NAME}:{site.proxy.port}{url}"
    tagged = ("--header", f"If: <{whole}> (<{token}>)")
    assert site.curl("PUT", url, *tagged, "--data", "1").endswith(" 204")
    assert site.curl("UNLOCK", url, "--header", f"Lock-Token: <{token}>").endswith(" 204")


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        ("x%3By", "x;y"),
        ("x%3Fy%23z", "x?y#z"),
        ("100%25", "100%"),
        ("%252F", "%2F"),
        ("a+b", "a+b"),
    ],
)
def test_every_name_passes(site: Site, escaped: str, name: str) -> None:
    assert site.curl("PUT", f"{PREFIX}/{escaped}", "--data", name).endswith(" 201")
    assert (site.root / name).read_text() == name
    assert site.curl("GET", f"{PREFIX}/{escaped}") == f"{name} 200"
    assert site.curl("DELETE", f"{PREFIX}/{escaped}").endswith(" 204")


def test_large_content_passes_in_chunks(site: Site, tmp_path: Path) -> None:
    content = bytes(range(256)) * (3 << 12)
    (tmp_path / "large").write_bytes(content)
    chunked = ("--header", "Transfer-Encoding: chunked", "--http1.1")
    for more in ((), chunked):
        said = site.curl("PUT", f"{PREFIX}/large", *more, "--upload-file", tmp_path / "large")
        assert said.endswith((" 201", " 204"))
        assert (site.root / "large").read_bytes() == content
    got = site.curl("GET", f"{PREFIX}/large", "--output", tmp_path / "got")
    assert got == " 200"
    assert (tmp_path / "got").read_bytes() == content


def test_the_client_is_who_asks_and_not_who_it_says(site: Site) -> None:
    site.curl("GET", f"{PREFIX}/honest")
    assert site.client(f"{PREFIX}/honest") == CLIENT
    lies: list[str | Path] = []
    for lie in (
        *("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: localhost", "X-Forwarded-Proto: gopher"),
        *("X-Forwarded-Port: x", "X-Forwarded-Prefix: /else", "Forwarded: for=192.0.2.1;host=a/b"),
    ):
        lies += ["--header", lie]
    assert site.curl("PUT", f"{PREFIX}/liar", *lies, "--data", "1").endswith(" 201")
    assert site.client(f"{PREFIX}/liar") == CLIENT


def test_other_names_are_refused(site: Site) -> None:
    assert site.curl("GET", f"{PREFIX}/", name="evil.example").endswith(" 403")
    lie = ("--header", "X-Forwarded-Host: localhost")
    assert site.curl("GET", f"{PREFIX}/", *lie, name="evil.example").endswith(" 403")


def test_above_is_what_windows_asks_for(site: Site) -> None:
    said = site.curl("OPTIONS", "/", "--include").lower()
    assert said.endswith(" 200")
    assert "dav: 1, 2, 3" in said
    assert "ms-author-via: dav" in said
    said = site.curl("PROPFIND", "/", "--header", "Depth: 1")
    assert re.findall(r"<D:href>([^<]*)</D:href>", said) == ["/", f"{PREFIX}/"]
    assert site.curl("GET", f"{PREFIX}").endswith(" 200")
    assert site.curl("GET", "/else").endswith(" 404")
    assert site.curl("GET", "/davx").endswith(" 404")


@pytest.mark.parametrize("name", FRONTS)
def test_the_examples_are_valid(name: str, place: Path) -> None:
    folder = place / f"checked-{name}"
    folder.mkdir()
    checked = placed(FRONTS[name], folder, place / "s").check()
    assert not checked.returncode, checked.stderr
    assert "warn" not in (checked.stdout + checked.stderr).lower().replace("0 warnings", "")


def test_the_units_are_valid(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    for name in ("davserver.service", "davserver.socket"):
        text = (CONFIG / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/davserver/bin/davserver", "/bin/true"))
    done = run([analyze, "verify", *sorted(tmp_path.iterdir())])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_settings_in_the_examples_are_valid(tmp_path: Path) -> None:
    """What stands in their comments for davserver.toml is what davserver understands."""
    for name in ("nginx.conf", "apache.conf", "haproxy.cfg", "davserver.service"):
        found = re.findall(
            r'^# +(\w+ = (?:\[".*?"\]|".*?"|true))', (CONFIG / name).read_text(), re.M
        )
        assert len(found) >= 2, name
        file = tmp_path / "davserver.toml"
        file.write_text("\n".join([f'root = "{CONFIG}"', *found]))
        settings = config.load({}, [], {}, str(file))
        assert settings.listen, name

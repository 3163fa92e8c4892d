"""The README and the sample configuration say what is true."""

import re
import tomllib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from davserver import config, metrics, options
from davserver.serving import connections, heads, server

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text()
SAMPLE = TOP / "config" / "davserver.toml"


def part(name: str) -> str:
    """What stands between the two marks of a name in the README."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", README, re.DOTALL)
    assert found is not None, f"the README has no part {name}"
    return found[1]


def test_the_options_of_the_readme_are_those_of_the_table() -> None:
    assert part("options") == options.as_markdown()


def test_the_sample_configuration_explains_every_option() -> None:
    text = SAMPLE.read_text()
    for option in options.OPTIONS:
        assert re.search(rf"^(# )?{option.key} = ", text, re.MULTILINE), option.key


def test_the_sample_configuration_is_valid_and_says_the_defaults() -> None:
    settings = config.load({}, [], {}, str(SAMPLE))
    for option in options.OPTIONS:
        assert getattr(settings, option.key) == option.default, option.key
    assert [share.name for share in settings.shares] == [""]


def test_the_commented_options_of_the_sample_are_valid_too(tmp_path: Path) -> None:
    text = SAMPLE.read_text().replace('"../sample_root"', f'"{TOP / "sample_root"}"')
    file = tmp_path / "all.toml"
    file.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    settings = config.load({}, [], {}, str(file))
    assert tomllib.loads(file.read_text()).keys() == {"root", *options.BY_KEY}
    assert settings.file_mode == 0o640


def test_the_metrics_of_the_readme_are_those_that_there_are() -> None:
    families = text_string_to_metric_families(metrics.text(0).decode())
    named = re.findall(r"`(davserver_\w+)`", part("metrics"))
    assert {name.removesuffix("_total") for name in named} == {one.name for one in families}


def test_the_readme_tells_the_limits_that_are_no_options() -> None:
    text = " ".join(README.split())
    for limit in (
        f"says nothing for {server.IDLE_SECONDS} seconds",
        f"between two looks, {server.IDLE_SECONDS} seconds apart",
        f"takes more than {connections.HEAD_SECONDS:g} seconds",
        f"a request line may have {heads.LONGEST_LINE >> 10} KiB (else 414)",
        f"a head {heads.LONGEST >> 10} KiB and {heads.MOST_FIELDS} fields (else 431)",
    ):
        assert limit in text


def test_the_readme_tells_how_heads_are_refused() -> None:
    told = re.search(r"a head that is answered ([\d, or]+)\)", " ".join(README.split()))
    assert told is not None
    sources = (module.read_text() for module in (TOP / "davserver" / "serving").glob("*.py"))
    found = re.findall(r'Refused\(\s*"(\d+) ', "".join(sources))
    # That of a server that fails is no head's fault.
    assert re.findall(r"\d+", told[1]) == sorted({*found} - {"500"})


def test_the_readme_begins_with_its_two_commands() -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    shell = [body for kind, body in blocks if kind == "sh"]
    assert len(shell) == 2
    assert "davserver sample_root" in shell[0]
    assert "pytest" in shell[1]
    assert all(body.count("\n") == 1 for body in shell)


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"`(tests/[\w/.]+|config/[\w.]+|davserver/[\w/]+\.py)`", README))),
)
def test_what_the_readme_names_is_there(path: str) -> None:
    assert (TOP / path).exists()


def test_every_section_that_is_shown_names_its_tests() -> None:
    rows = [row for row in part("rfc").splitlines() if row.startswith("| ")][2:]
    assert len(rows) > 30
    for row in rows:
        section, about, state, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert re.match(r"\d", section), row
        assert about, row
        assert tests or state == "not there", row
        for name in tests.replace("litmus", "`test_litmus.py`").split(","):
            name = name.strip().strip("`")
            assert list((TOP / "tests").rglob(name.removeprefix("tests/"))), f"{section}: {name}"


def test_every_cited_section_is_in_the_table() -> None:
    """What the code cites of RFC 4918, the table shows: by itself or by what it is a part of."""
    shown = {row.split("|")[1].strip() for row in part("rfc").splitlines() if row.startswith("| ")}
    cited: set[str] = set()
    for module in (TOP / "davserver").rglob("*.py"):
        text = re.sub(r"\s+", " ", module.read_text())
        for found in re.finditer(r"RFC 4918,? sections? ([\d., and]+)", text):
            cited |= set(re.findall(r"\d+(?:\.\d+)*", found[1]))
    missing = {
        section
        for section in cited
        if not any(section == one or section.startswith(f"{one}.") for one in shown)
        and not any(one.startswith(f"{section}.") for one in shown)
    }
    assert not missing

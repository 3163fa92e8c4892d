"""What hostile documents and headers may cost: a second of CPU, 50 MB, and no connection."""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from davserver.protocol import conditions, documents, headers, multistatus, ranges
from davserver.protocol.faults import Fault
from tests.protocol import values

MEASURE = """
import re, sys, time
from pathlib import Path
from davserver.protocol import documents, multistatus
from davserver.protocol.faults import Fault
body = sys.stdin.buffer.read()
parse = getattr(multistatus if sys.argv[1] == "parse" else documents, sys.argv[1])
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before, begun = peak(), time.process_time()
try:
    parse(body)
    said = "taken"
except Fault as fault:
    said = int(fault.status)
print(said, time.process_time() - begun, peak() - before)
"""

ENTITIES = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
PROPFIND, UPDATE = "<D:propfind xmlns:D='DAV:'", "<D:propertyupdate xmlns:D='DAV:'"


def update(inner: str, attributes: str = "") -> str:
    return f"{UPDATE}{attributes}><D:set><D:prop>{inner}</D:prop></D:set></D:propertyupdate>"


HOSTILE = {
    "billion laughs": ("propfind", f"<!DOCTYPE a [<!ENTITY e0 'ha'>{ENTITIES}]><a>&e12;</a>"),
    "quadratic blow-up": (
        "propertyupdate",
        f"<!DOCTYPE a [<!ENTITY e '{'x' * 100_000}'>]><a>{'&e;' * 100_000}</a>",
    ),
    "an entity in an attribute": (
        "propfind",
        f"<!DOCTYPE a [<!ENTITY e '{'x' * 100_000}'>]><a b='{'&e;' * 100_000}'/>",
    ),
    "100,000 attributes": (
        "propfind",
        f"{PROPFIND} " + " ".join(f"a{n:x}=''" for n in range(100_000)) + "><D:allprop/></x>",
    ),
    "100,000 attributes that differ in their namespace": (
        "propertyupdate",
        update("<a " + " ".join(f"a{n:x}=''" for n in range(90_000)) + "/>"),
    ),
    "40,000 namespaces, and 1,000 properties that could use them": (
        "propertyupdate",
        update("<p/>" * 1000, "".join(f" xmlns:a{n:x}='b'" for n in range(40_000))),
    ),
    "90,000 default namespaces, one in another": (
        "propfind",
        "".join(f"<a xmlns='u{n:x}'>" for n in range(50_000)),
    ),
    "elements 100,000 deep": ("propfind", f"{PROPFIND}>" + "<a>" * 100_000),
    "elements 200 deep": ("propertyupdate", update("<a>" * 200 + "</a>" * 200)),
    "200,000 elements": ("propertyupdate", update("<a/>" * 200_000)),
    "100,000 properties": (
        "propfind",
        f"{PROPFIND}><D:prop>{'<a/>' * 100_000}</D:prop></D:propfind>",
    ),
    "1,000 properties in a language": (
        "propertyupdate",
        update("<p/>" * 1000, f" xml:lang='{'x' * 900_000}'"),
    ),
    "long namespaces, and 1,000 properties that could use them": (
        "propertyupdate",
        update("<p/>" * 1000, "".join(f" xmlns:a{n}='u{n}{'x' * 9000}'" for n in range(99))),
    ),
    "16 MB": ("propfind", f"{PROPFIND}><D:allprop/>{' ' * (16 << 20)}</D:propfind>"),
    "a million comments": ("propfind", f"{PROPFIND}>{'<!---->' * 140_000}<D:allprop/>"),
    "an owner of 900 kB": (
        "lockinfo",
        "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/>"
        f"</D:locktype><D:owner>{'a' * 900_000}</D:owner></D:lockinfo>",
    ),
}


@pytest.mark.parametrize(("parser", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_document_costs_little(parser: str, body: str) -> None:
    """In a process of its own, whose memory nothing else has touched."""
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, parser],
        input=body.encode(),
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (10, 10)),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()[-1000:]
    said, seconds, megabytes = ended.stdout.decode().split()
    assert said in ("400", "413")
    assert float(seconds) < 1.0
    assert int(megabytes) < 50


def test_the_cost_is_measured() -> None:
    """The control: a parser that expands entities, and one that is slow, are seen."""
    spend = "import time\nend = time.process_time() + 0.2\nkept = b'x' * (60 << 20)\n"
    spend += "while time.process_time() < end: pass\n"
    code = MEASURE.replace("    parse(body)", f"    exec({spend!r})")
    ended = subprocess.run(
        [sys.executable, "-c", code, "propfind"], input=b"", capture_output=True, check=True
    )
    said, seconds, megabytes = ended.stdout.decode().split()
    assert said == "taken"
    assert float(seconds) >= 0.2
    assert int(megabytes) >= 50


DOCTYPES = {
    "a name alone": "<!DOCTYPE propfind>",
    "an internal subset": "<!DOCTYPE propfind [<!ELEMENT propfind ANY>]>",
    "an external system": "<!DOCTYPE propfind SYSTEM '{url}'>",
    "an external public": "<!DOCTYPE propfind PUBLIC '-//x' '{url}'>",
    "a file": "<!DOCTYPE propfind SYSTEM 'file:///etc/passwd'>",
    "a parameter entity": "<!DOCTYPE propfind [<!ENTITY % p SYSTEM '{url}'> %p;]>",
    "an external entity": "<!DOCTYPE propfind [<!ENTITY e SYSTEM '{url}'>]>",
    "an entity that is not used": "<!DOCTYPE propfind [<!ENTITY e 'x'>]>",
}
ROOTS = {
    "propfind": "<propfind xmlns='DAV:'><propname/>{use}</propfind>",
    "propertyupdate": "<propertyupdate xmlns='DAV:'><set><prop><a>{use}</a></prop></set>"
    "</propertyupdate>",
    "lockinfo": "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/>"
    "</locktype><owner>{use}</owner></lockinfo>",
    "parse": "<multistatus xmlns='DAV:'>{use}</multistatus>",
}


@pytest.mark.parametrize("parser", ROOTS)
@pytest.mark.parametrize("doctype", DOCTYPES.values(), ids=DOCTYPES)
def test_any_doctype_is_400_and_opens_no_connection(doctype: str, parser: str) -> None:
    parse = multistatus.parse if parser == "parse" else getattr(documents, parser)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x.dtd"
        use = "&e;" if "<!ENTITY e SYSTEM" in doctype else ""
        body = doctype.replace("{url}", url) + ROOTS[parser].replace("{use}", use)
        with pytest.raises(Fault) as refused:
            parse(body.encode())
        assert refused.value.status == 400
        with pytest.raises(BlockingIOError):
            listening.accept()


LONG = 1 << 16
HEADERS: dict[str, Callable[[], object]] = {
    "If of open brackets": lambda: conditions.read({"if": "(" * LONG}, (), (), ""),
    "If of spaces": lambda: conditions.read({"if": "(" + " " * LONG}, (), (), ""),
    "If of many lists": lambda: conditions.read({"if": "(<a:b>)" * 9000}, (), (), ""),
    "If of an open tag": lambda: conditions.read({"if": '(["' + "a" * LONG}, (), (), ""),
    "If-Match of commas": lambda: conditions.read({"if-match": "," * LONG + "x"}, (), (), ""),
    "If-Match of spaces": lambda: conditions.read({"if-match": '"a" ' + " \t" * LONG}, (), (), ""),
    "If-Match of quotes": lambda: conditions.read({"if-match": '"' * LONG + "x"}, (), (), ""),
    "If-Match of tags": lambda: conditions.read({"if-match": '"",' * 20_000 + "x"}, (), (), ""),
    "Range of commas": lambda: ranges.parse("bytes=" + "," * LONG, 10),
    "Range of ranges": lambda: ranges.parse("bytes=" + "0-," * 20_000, 10),
    "Timeout of wishes": lambda: headers.timeout({"timeout": "Second-," * 8000}, 10),
    "Lock-Token of brackets": lambda: headers.lock_token({"lock-token": "<" * LONG}),
    "Destination of a long scheme": lambda: headers.destination({"destination": "a" * LONG}, ()),
    "Destination of escapes": lambda: headers.destination({"destination": "/%" * LONG}, ()),
    "a date of digits": lambda: headers.date("Sun, " + "9" * LONG),
    "a date of spaces": lambda: headers.date("Sun," + " " * LONG + "x"),
    "a date of commas": lambda: headers.date("," * LONG),
}


@pytest.mark.parametrize("read", HEADERS.values(), ids=HEADERS)
def test_a_hostile_header_costs_little(read: Callable[[], object]) -> None:
    begun = time.process_time()
    values.refused(read)
    assert time.process_time() - begun < 1.0

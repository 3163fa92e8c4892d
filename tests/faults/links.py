"""A symbolic link is exchanged for a directory, or for a file, while clients ask for it.

The link leads to a folder beside the served one. Nothing there may be read, listed, made, changed
or removed, at whatever moment the names are exchanged, nor while a tree that holds them is copied,
moved or deleted.
"""

import os
import shlex
import tempfile
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench import peers
from tests.bench.peers import Server
from tests.faults import leftovers
from tests.faults.fleet import Alone, Client
from tests.faults.proof import Report
from tests.faults.swapper import Pair, Swapper
from tests.faults.told import Told

SERVERS = ("davserver", "wsgidav")
CANARY = b"a canary that lives outside of the share"
MINE = b"what the share has"
ONLY = "only-outside"
"""A name that is nowhere inside."""
FIGURES = (
    *("requests", "done", "swaps", "trees", "read_outside", "listed_outside", "changed_outside"),
    *(
        "kept_inside",
        "left_over",
        "server_errors",
        "tracebacks",
        "dropped",
        "control_reads",
        "control_leaks",
    ),
)
_XML = "Content-Type: application/xml"
_PATCH = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><t:note xmlns:t="urn:t">x</t:note>'
    b"<D:getlastmodified>Mon, 12 Jan 1998 09:25:56 GMT</D:getlastmodified>"
    b"</D:prop></D:set></D:propertyupdate>"
)
_LOCK = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
    b"</D:locktype></D:lockinfo>"
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=20, help="how long it lasts (20)")
    parser.add_argument("--clients", type=int, default=3, help="clients (3)")
    parser.add_argument("--options", default="", help="further options for davserver")


def run(options: Namespace) -> Report:
    """Carry it out: ``--server`` is davserver or wsgidav, which follow no links by default."""
    if options.server not in SERVERS:
        why = f"{options.server} follows links, as its settings say"
        return Report("links", options.server, options.seed, skipped=why)
    peer = peers.PEERS.get(options.server)
    serve = (peer or peers.ours(shlex.split(options.options))).serve
    told = raced(serve, options)
    if not told.counts["control_leaks"]:
        told.violations.append("the control did not leak: the exchange deceives nobody")
    figures = told.figures(FIGURES)
    return Report("links", options.server, options.seed, figures, tuple(told.violations))


Serve = Callable[[Path], AbstractContextManager[Server]]


class Stage:
    """The served tree and what lies outside of it."""

    def __init__(self, place: Path) -> None:
        self.root, self.outside = place / "root", place / "outside"
        for folder in (self.outside / "sub", self.outside / "empty", *self._folders()):
            folder.mkdir(parents=True)
        for name in ("secret.txt", ONLY, f"sub/{ONLY}", "sub/secret.txt"):
            (self.outside / name).write_bytes(CANARY)
        self.fill(self.root / "dir")
        self.fill(self.root / "nest" / "dir")
        (self.root / "swap").symlink_to("../outside")
        (self.root / "nest" / "swap").symlink_to("../../outside")
        (self.root / "one").write_bytes(MINE)
        (self.root / "other").symlink_to("../outside/secret.txt")
        self._before = list(self._seen())

    def _folders(self) -> list[Path]:
        return [self.root / name for name in ("dir", "nest/dir", "copies", "safe")]

    def fill(self, folder: Path) -> None:
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        for name in ("secret.txt", "sub/secret.txt"):
            (folder / name).write_bytes(MINE)

    def pairs(self) -> list[Pair]:
        """What changes places."""
        root, nest = self.root, self.root / "nest"
        return [Pair(root, "dir", "swap"), Pair(nest, "dir", "swap"), Pair(root, "one", "other")]

    def doomed(self, name: str) -> Path:
        """A tree that holds a directory and a link to the outside."""
        tree = self.root / name
        self.fill(tree / "deep" / "dir")
        (tree / "deep" / "swap").symlink_to("../../../outside")
        return tree

    def is_untouched(self) -> bool:
        """Whether everything outside is as it was, down to the time of its last change."""
        return list(self._seen()) == self._before

    def _seen(self) -> Iterator[tuple[object, ...]]:
        for path in sorted([self.outside, *self.outside.rglob("*")]):
            now = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            yield path, now.st_ino, now.st_mode, now.st_nlink, now.st_ctime_ns, content

    def kept(self) -> list[Path]:
        """Files of the tree that have the content of one outside."""
        found = []
        for folder, _, files in os.walk(self.root):
            paths = (Path(folder, name) for name in files)
            found += [p for p in paths if not p.is_symlink() and CANARY in p.read_bytes()]
        return found


def raced(serve: Serve, options: Namespace) -> Told:
    """Exchange and ask for as long as the options say."""
    told = Told()
    with tempfile.TemporaryDirectory(prefix="davserver-links-") as made:
        stage = Stage(Path(made))
        with serve(Path(made)) as server, Swapper(*stage.pairs()) as swapper:
            _play(server, stage, options, told)
        told.count("swaps", swapper.swaps)
        # A change of which nobody can say any more whether it lasts is a 500 that is meant.
        for log in Path(made).glob("*.log"):
            if tracebacks := log.read_text(errors="replace").count("Traceback"):
                told.count("tracebacks", tracebacks)
                told.violations.append(f"{tracebacks} errors that nobody has thought of")
        if not swapper.lasted:
            told.violations.append("the exchange has ended before the end")
        if options.server == "davserver":
            with serve(Path(made)):
                # A work file in a folder that was renamed behind the server's back is found by
                # nobody: only the trash has to be empty.
                for path in leftovers.cleared(stage.root / leftovers.WORKPLACE):
                    told.wrong("left_over", f"{path.relative_to(stage.root)} is left over")
        if not stage.is_untouched():
            told.wrong("changed_outside", "something outside of the share was changed")
        for path in stage.kept():
            told.wrong("kept_inside", f"{path.name} has the content of a file outside")
    return told


def _play(server: Server, stage: Stage, options: Namespace, told: Told) -> None:
    stop, failures = threading.Event(), list[BaseException]()

    def guard(play: Callable[[], None]) -> None:
        try:
            play()
        except BaseException as error:
            failures.append(error)
            stop.set()

    def client(number: int) -> None:
        one = Client(Alone(server.port), told, f"{options.seed} {number}", may_fail=True)
        while not stop.is_set():
            _ask(one, number, told)
        one.close()

    def trees() -> None:
        one, number = Client(Alone(server.port), told, f"{options.seed}", may_fail=True), 0
        while not stop.is_set():
            number += 1
            _doom(one, stage, number, told)
        one.close()

    def control() -> None:
        while not stop.is_set():
            told.count("control_reads")
            told.count("control_leaks", naive(stage.root, "dir/secret.txt") == CANARY)

    plays: list[Callable[[], None]] = [trees, control]
    plays += [partial(client, number) for number in range(options.clients)]
    threads = [threading.Thread(target=guard, args=(play,)) for play in plays]
    for thread in threads:
        thread.start()
    try:
        stop.wait(options.seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def naive(root: Path, name: str) -> bytes:
    """The control, and what many servers do: look where a path leads, then open it."""
    path = root / name
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            return b""
        return path.read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class Request:
    line: str
    fields: tuple[str, ...] = ()
    body: bytes = b""


def _requests(folder: str, number: int) -> tuple[Request, ...]:
    """What clients ask of a collection that may be a link at any moment. ``number`` keeps those of
    one client apart from those of another.
    """
    copies, safe, own = f"/copies/{number}", f"/safe/{number}", f"{folder}/{number}"
    return (
        Request(f"GET {folder}/secret.txt"),
        Request(f"GET {folder}/sub/secret.txt"),
        Request(f"GET {folder}/{ONLY}"),
        Request("GET /one"),
        Request(f"PROPFIND {folder}/", ("Depth: 1",)),
        Request("PROPFIND /", ("Depth: infinity",)),
        Request(f"PUT {folder}/secret.txt", body=MINE),
        Request(f"PUT {folder}/{ONLY}", ("If-Match: *",), MINE),
        Request(f"PUT {own}-put", body=MINE),
        Request("PUT /one", body=MINE),
        Request(f"DELETE {own}-put"),
        Request(f"DELETE {folder}/{ONLY}"),
        Request(f"DELETE {folder}/sub/{ONLY}"),
        Request(f"MKCOL {own}-made"),
        Request(f"DELETE {own}-made"),
        Request(f"DELETE {folder}/empty"),
        Request(f"PROPPATCH {folder}/secret.txt", (_XML,), _PATCH),
        Request(f"PROPPATCH {folder}/", (_XML,), _PATCH),
        Request(f"LOCK {own}-new", (_XML, "Timeout: Second-1"), _LOCK),
        Request(f"COPY {folder}/", (f"Destination: {copies}-tree",)),
        Request(f"COPY {folder}/secret.txt", (f"Destination: {copies}-file",)),
        Request("COPY /one", (f"Destination: {copies}-one",)),
        Request(f"COPY {copies}-tree", (f"Destination: {own}-copied",)),
        Request(f"DELETE {own}-copied"),
        Request(f"DELETE {copies}-tree"),
        Request(f"PUT {safe}", body=MINE),
        Request(f"MOVE {safe}", (f"Destination: {own}-moved",)),
        Request(f"MOVE {own}-moved", (f"Destination: {safe}",)),
        Request(f"MOVE {folder}/{ONLY}", (f"Destination: {copies}-stolen",)),
        Request(f"MOVE {folder}/sub", (f"Destination: {copies}-sub",)),
        Request(f"MOVE {copies}-sub", (f"Destination: {folder}/sub",)),
    )


def _ask(client: Client, number: int, told: Told) -> None:
    folder = client.random.choice(("/dir", "/nest/dir", "/swap"))
    request = client.random.choice(_requests(folder, number))
    _sent(client, request, told)


def _sent(client: Client, request: Request, told: Told) -> None:
    asked = client.ask(request.line, *request.fields, body=request.body)
    told.count("done", 200 <= asked.status < 300)
    if asked.reply and CANARY in asked.reply.body:
        told.wrong("read_outside", f"{request.line} gave what lies outside")
    # Others than PROPFIND may name what the request has named.
    listing = asked.reply.body if asked.reply and request.line.startswith("PROPFIND") else b""
    if ONLY.encode() in listing:
        told.wrong("listed_outside", f"{request.line} names what lies outside")


def _doom(client: Client, stage: Stage, number: int, told: Told) -> None:
    """Copy, move and delete a tree while two names in it are exchanged: they still are when it has
    gone into the trash.
    """
    name = f"doomed-{number}"
    tree = stage.doomed(name)
    with Swapper(Pair(tree / "deep", "dir", "swap")):
        for request in (
            Request(f"COPY /{name}/", (f"Destination: /copies/{name}",)),
            Request(f"MOVE /{name}/", (f"Destination: /moved-{number}",)),
            Request(f"DELETE /moved-{number}/"),
            Request(f"DELETE /{name}/"),
            Request(f"DELETE /copies/{name}/"),
        ):
            _sent(client, request, told)
        told.count("trees")

"""A running server with one worker thread, and the worlds that it serves.

Each world has a folder of its own below the one share, so that many attempts follow each other
without cleaning up, and can be looked at once more after the server was killed.
"""

import signal
from collections.abc import Mapping
from pathlib import Path as FilePath

from davserver.protocol import multistatus
from davserver.protocol.paths import Path, href, parse
from tests.bench.client import Answer, Client, Unanswered
from tests.faults import remains, syscalls_world
from tests.faults.ground import Reply, World
from tests.faults.scenarios import Scenario
from tests.faults.strace import Fault, Trace, thread_of, traced
from tests.faults.syscalls_world import SHARES, Placed
from tests.running import Running

STORAGE = (
    *("openat", "openat2", "mkdir", "mkdirat", "link", "linkat", "symlinkat", "readlinkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "ftruncate", "fallocate"),
    *("read", "pread64", "write", "pwrite64", "copy_file_range", "sendfile", "ioctl"),
    *("fsync", "fdatasync", "syncfs", "sync_file_range", "getdents64", "newfstatat", "fstat"),
    *("utimensat", "fchmod", "fchmodat", "fchown", "flock", "fcntl", "statfs", "fstatfs"),
    *("listxattr", "flistxattr", "getxattr", "fgetxattr", "setxattr", "fsetxattr"),
    *("removexattr", "fremovexattr"),
)
"""The system calls of storage. `close` is not among them: what counts was synced before, and the
injected call would be left out, so that descriptors leaked.
"""
LATER = 0.3
"""Seconds that are given to what the server does afterwards: a fault keeps it from its end."""
FULL = ("ENOSPC", "EDQUOT")
UNLOCKS = ("F_UNLCK", "LOCK_UN")
"""Letting go of a lock does not fail; with an injected error the lock would stay."""

_LOCKINFO = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype></D:lockinfo>"
)


class Unusable(Exception):
    """The server does not do what it does without a fault."""


class Site:
    """A server over ``folder``; a context manager that stops it."""

    def __init__(self, folder: FilePath) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.state = folder / "state.db"
        self._log = folder / "trace.log"
        self._client = Client()
        self._worlds = 0
        self.start()

    def start(self) -> None:
        """Start the server, let its worker do a request of each kind, and find its threads.

        Raises Unusable or NotAttached.
        """
        self.running = Running(self.root, "--threads", "1", "--workers", "1", state=self.state)
        try:
            self.running.start()
        except AssertionError as error:
            raise Unusable(f"it does not start: {error}") from error
        self._warm_up()

    def kill(self) -> None:
        """Kill the server, if it is there still."""
        if self.running.process.returncode is None:
            self.running.stop(signal.SIGKILL)

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_alive(self) -> bool:
        return self.running.is_whole

    def build(self, scenario: Scenario) -> Placed:
        """Make the world of a scenario in a new folder. Raises Unusable."""
        self._worlds += 1
        name = f"w{self._worlds}"
        top = self.root / name
        for share in SHARES:
            (top / share).mkdir(parents=True)
        for path, thing in sorted(scenario.world.things.items()):
            real = top.joinpath(*path)
            if thing.content is None:
                real.mkdir()
            else:
                real.write_bytes(thing.content)
        for path, thing in scenario.world.things.items():
            if thing.properties:
                values = "".join(thing.properties.values())
                body = (
                    f'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>{values}</D:prop></D:set>'
                    "</D:propertyupdate>"
                )
                self._expect(207, "PROPPATCH", (name, *path), body=body.encode())
        tokens = {}
        for token, path in scenario.world.locks.items():
            fields = {"Depth": "0", "Timeout": "Second-80000"}
            answer = self._expect(200, "LOCK", (name, *path), fields, _LOCKINFO)
            tokens[answer.headers["lock-token"].strip("<>")] = token
        return Placed(name, scenario, tokens)

    def ask(self, placed: Placed) -> Reply:
        """Send the request of the scenario. Raises Unanswered where no whole answer comes."""
        scenario = placed.scenario
        fields = dict(scenario.headers)
        if "Destination" in fields:
            fields["Destination"] = f"/{placed.name}{fields['Destination']}"
        for real, token in placed.tokens.items():
            fields = {
                key: value.replace(f"<{token}>", f"<{real}>") for key, value in fields.items()
            }
        method = scenario.method or scenario.kind
        answer = self._send(method, (placed.name, *scenario.source), fields, scenario.body)
        return _reply(placed, method, answer)

    def ask_traced(
        self, placed: Placed, fault: Fault | None = None, *, later: bool = False
    ) -> tuple[Reply | Unanswered, Trace]:
        """Send the request of the scenario while strace watches the worker, or with ``later`` the
        thread that does afterwards what nobody waits for.
        """
        reply: Reply | Unanswered
        if fault and fault.error in FULL:
            # Else a request that finds no room could make some, and go on.
            remains.wait_for_rest(self.root, self.state)
        thread = self._upkeep if later else self._worker
        with traced(thread, STORAGE, self._log, fault) as trace:
            try:
                reply = self.ask(placed)
            except Unanswered as error:
                reply = error
            if later:
                remains.wait_for_rest(self.root, self.state, seconds=LATER)
        return reply, trace

    def is_stored(self, call: str) -> bool:
        """Whether a call, as strace tells it, is about the tree or the state, and can fail; what
        is said in the log is not.
        """
        is_other = any(word in call for word in (*UNLOCKS, str(self.running.log)))
        return not is_other and (str(self.folder) in call or "/proc/self/fd/" in call)

    def is_of_state(self, call: str) -> bool:
        return str(self.state) in call

    def last_words(self) -> str:
        """What the server has said last in its log."""
        return " / ".join(self.running.log.read_text(errors="replace").splitlines()[-3:])

    def on_disk(self, placed: Placed) -> World:
        """The world as the file system and the state have it. Raises Unreadable."""
        return syscalls_world.stored(self.root, self.state, placed)

    def over_http(self, placed: Placed) -> World:
        """The world as a client sees it. Raises Unusable."""
        return syscalls_world.seen(self._expect, placed)

    def leftovers(self) -> list[str]:
        """What is left behind once the server has nothing more to do: it is waited for."""
        return remains.left(self.root, self.state)

    def _find_threads(self, name: str) -> None:
        """Which thread answers, and which empties the trash."""

        def ask() -> None:
            self._expect(207, "PROPFIND", (name,), {"Depth": "1"})

        def remove() -> None:
            self._expect(204, "DELETE", (name,))
            remains.wait_for_rest(self.root, self.state)

        (process,) = self.running.workers
        self._worker = thread_of(process, ask, "getdents64", self._log)
        self._upkeep = thread_of(process, remove, "unlinkat", self._log)

    def _warm_up(self) -> None:
        """Let it load what it loads late: it would be no storage of the served tree's."""
        self._worlds += 1
        name = f"w{self._worlds}"
        self._expect(201, "MKCOL", (name,))
        self._expect(201, "PUT", (name, "a"), body=b"a")
        self._expect(204, "PUT", (name, "a"), body=b"b")
        token = self._expect(200, "LOCK", (name, "a"), body=_LOCKINFO).headers["lock-token"]
        self._expect(204, "UNLOCK", (name, "a"), {"Lock-Token": token})
        for method, source, target in (
            ("COPY", (name, "a"), (name, "b")),
            ("MOVE", (name, "b"), (name, "c")),
            ("COPY", (name,), (f"{name}b",)),
            ("MOVE", (f"{name}b",), (f"{name}c",)),
        ):
            self._expect(201, method, source, {"Destination": href(target, False)})
        self._expect(204, "DELETE", (name, "c"))
        self._expect(204, "DELETE", (f"{name}c",))
        self._find_threads(name)

    def _send(
        self, method: str, path: Path, fields: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        return self._client.send(self.running.port, method, href(path, False), fields, body)

    def _expect(
        self,
        status: int,
        method: str,
        path: Path,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        try:
            answer = self._send(method, path, fields, body)
        except Unanswered as error:
            raise Unusable(str(error)) from error
        if answer.status != status:
            raise Unusable(f"{method} {href(path, False)}: {answer.status} instead of {status}")
        return answer


def _reply(placed: Placed, method: str, answer: Answer) -> Reply:
    """An answer with the statuses of a 207: by path, or by property where it is a PROPPATCH."""
    failed: dict[Path, int] = {}
    if answer.status == 207:
        for one in multistatus.parse(answer.body):
            path = parse(one.href).path[1:]
            if one.status is not None:
                failed[path] = one.status.value
            for stat in one.propstats:
                if method == "PROPPATCH" and stat.status.value not in (200, 424):
                    failed[path] = stat.status.value
    return Reply(answer.status, answer.headers, failed)

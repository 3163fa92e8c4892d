"""The state machine: draws requests, sends each to the server and to the model, and compares."""

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.asked import CURRENT, NOTHING, Asked, Path
from tests.model.client import Answer, Client, href, lockinfo, propertyupdate
from tests.model.compare import compare
from tests.model.drawn import (
    ANYWHERE,
    BEGIN,
    CONTENT,
    FROM_TO,
    HERE,
    NEW,
    NUMBER,
    OWNERS,
    PATCHES,
    REQUESTS,
    SLASH,
    SOURCE,
    TARGET,
    preconditions,
    request,
)
from tests.model.ground import Ground
from tests.model.model import Model
from tests.model.world import Expected, Refused

OVERWRITE = st.sampled_from([None, None, "T", "F"])
SIGNALS = st.sampled_from([signal.SIGTERM, signal.SIGKILL])
QUIET = 60
"""Steps between two restarts: they take a hundred times the time of a request."""


class Machine(RuleBasedStateMachine):
    """A sequence of requests on ``ground``, which it finds and leaves empty."""

    def __init__(self, ground: Ground, model: Callable[[], Model] = Model) -> None:
        super().__init__()
        self.ground = ground
        self.model = model()
        self.client: Client = ground.begin()
        self.tokens: dict[int, str] = {}
        self.etags: dict[int, str] = {}
        self.until_restart = QUIET // 2
        self.is_sound = True

    @initialize(locks=st.lists(st.tuples(st.sampled_from(BEGIN), *[st.booleans()] * 2), max_size=3))
    def tree(self, locks: list[tuple[Path, bool, bool]]) -> None:
        """Without it the first half of each sequence would meet little but 404 and 409."""
        for path in BEGIN:
            if path[-1] in ("a", "b", "c d"):
                self.mkcol(path, False, False, NOTHING)
            else:
                self.put(path, False, b"first", NOTHING)
            self.proppatch((path, False), {"note": "/".join(path)}, NOTHING)
        for path, deep, exclusive in locks:
            self.lock((path, False), deep, exclusive, "", NOTHING)

    @request(
        weight=2,
        path=st.one_of(HERE, NEW, ANYWHERE),
        slash=SLASH,
        content=CONTENT,
        asked=preconditions(),
    )
    def put(self, path: Path, slash: bool, content: bytes, asked: Asked) -> None:
        expected = partial(self.model.put, path, slash, content, asked)
        answer = self._send("PUT", path, asked, expected, slash=slash, body=content)
        if answer.status in (201, 204):
            version = self.model.version(path)
            assert version is not None
            assert answer.headers["ETag"] == self.etags[version]

    @request(method=st.sampled_from(["GET", "HEAD"]), source=SOURCE, asked=preconditions())
    def get(self, method: str, source: tuple[Path, bool], asked: Asked) -> None:
        path, slash = source
        expected = partial(self.model.get, path, slash, asked)
        answer = self._send(method, path, asked, expected, slash=slash)
        file = self.model.entries.get(path)
        if answer.status in (200, 304) and file is not None:
            assert answer.headers["ETag"] == self.etags[file.version]
            if answer.status == 200:
                assert answer.headers["Content-Length"] == str(len(file.content))
                assert answer.body == (b"" if method == "HEAD" else file.content)

    @request(
        weight=2,
        path=st.one_of(NEW, ANYWHERE),
        slash=st.booleans(),
        body=SLASH,
        asked=preconditions(),
    )
    def mkcol(self, path: Path, slash: bool, body: bool, asked: Asked) -> None:
        expected = partial(self.model.mkcol, path, body, asked)
        self._send("MKCOL", path, asked, expected, slash=slash, body=b"<x/>" if body else b"")

    @request(source=SOURCE, asked=preconditions())
    def delete(self, source: tuple[Path, bool], asked: Asked) -> None:
        path, slash = source
        expected = partial(self.model.delete, path, slash, asked)
        self._send("DELETE", path, asked, expected, slash=slash)

    @request(
        weight=3,
        pair=FROM_TO,
        depth=st.sampled_from([None, "infinity", "0"]),
        overwrite=OVERWRITE,
        asked=preconditions(),
    )
    def copy(
        self,
        pair: tuple[tuple[Path, bool], tuple[Path, bool]],
        depth: str | None,
        overwrite: str | None,
        asked: Asked,
    ) -> None:
        source, to = pair
        expected = partial(
            self.model.copy, source, to, asked, deep=depth != "0", overwrite=overwrite != "F"
        )
        fields = self._transfer(to, overwrite) | ({"Depth": depth} if depth else {})
        self._send("COPY", source[0], asked, expected, fields, slash=source[1])

    @request(weight=3, pair=FROM_TO, overwrite=OVERWRITE, asked=preconditions())
    def move(
        self,
        pair: tuple[tuple[Path, bool], tuple[Path, bool]],
        overwrite: str | None,
        asked: Asked,
    ) -> None:
        source, to = pair
        expected = partial(self.model.move, source, to, asked, overwrite=overwrite != "F")
        fields = self._transfer(to, overwrite)
        self._send("MOVE", source[0], asked, expected, fields, slash=source[1])

    @request(weight=2, source=SOURCE, changes=PATCHES, asked=preconditions())
    def proppatch(
        self, source: tuple[Path, bool], changes: dict[str, str | None], asked: Asked
    ) -> None:
        path, slash = source
        expected = partial(self.model.proppatch, path, slash, changes, asked)
        body = propertyupdate(changes)
        self._send("PROPPATCH", path, asked, expected, slash=slash, body=body)

    @request(source=SOURCE, asked=preconditions())
    def propfind(self, source: tuple[Path, bool], asked: Asked) -> None:
        path, slash = source
        expected = partial(self.model.propfind, path, slash, asked)
        self._send("PROPFIND", path, asked, expected, {"Depth": "0"}, slash=slash)

    @request(
        weight=3,
        source=st.one_of(SOURCE, SOURCE, TARGET),
        deep=st.booleans(),
        exclusive=st.booleans(),
        owner=OWNERS,
        asked=preconditions(),
    )
    def lock(
        self, source: tuple[Path, bool], deep: bool, exclusive: bool, owner: str, asked: Asked
    ) -> None:
        path, slash = source
        expected = partial(
            self.model.lock, path, slash, asked, deep=deep, exclusive=exclusive, owner=owner
        )
        fields = {"Timeout": "Second-86400", "Depth": "infinity" if deep else "0"}
        body = lockinfo(exclusive, owner)
        answer = self._send("LOCK", path, asked, expected, fields, slash=slash, body=body)
        if answer.status in (200, 201):
            assert self.tokens[self.model.granted] in answer.body.decode()

    @request(source=SOURCE, asked=preconditions(refreshes=True))
    def refresh(self, source: tuple[Path, bool], asked: Asked) -> None:
        path, slash = source
        expected = partial(self.model.refresh, path, slash, asked)
        fields = {"Timeout": "Second-43200"}
        answer = self._send("LOCK", path, asked, expected, fields, slash=slash)
        if answer.status == 200:
            assert "Lock-Token" not in answer.headers
            assert self.tokens[min(asked.tokens)] in answer.body.decode()

    @request(source=SOURCE, number=NUMBER, at_root=st.booleans(), asked=preconditions(holds=False))
    def unlock(self, source: tuple[Path, bool], number: int, at_root: bool, asked: Asked) -> None:
        path, slash = source
        held = self.model.locks.get(number)
        if held is not None and at_root:
            path = held.root
        expected = partial(self.model.unlock, path, slash, number, asked)
        fields = {"Lock-Token": f"<{self._token(number)}>"}
        self._send("UNLOCK", path, asked, expected, fields, slash=slash)

    @rule(drawn=st.deferred(lambda: st.one_of(REQUESTS)), how=SIGNALS)
    def step(self, drawn: tuple[str, dict[str, Any]], how: signal.Signals) -> None:
        """One request; now and then the server is started anew before it."""
        if self.until_restart <= 0:
            self._restart(how)
        name, values = drawn
        getattr(self, name)(**values)

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self._leave()
        finally:
            self.client.close()

    def _leave(self) -> None:
        """Leave nothing: locks, then members, then what stands on the root, which stays."""
        properties, roots = self.ground.rows()
        stored = {path for path, found in self.model.properties.items() if found}
        assert properties == stored, "dead properties without a resource"
        assert sorted(roots) == sorted(one.root for one in self.model.locks.values())
        for number, one in list(self.model.locks.items()):
            expected = partial(self.model.unlock, one.root, False, number, NOTHING)
            fields = {"Lock-Token": f"<{self.tokens[number]}>"}
            self._send("UNLOCK", one.root, NOTHING, expected, fields)
        for path in [path for path in self.model.entries if len(path) == 1]:
            self._send("DELETE", path, NOTHING, partial(self.model.delete, path, False, NOTHING))
        changes = dict.fromkeys(self.model.properties.get((), {}))
        if changes:
            expected = partial(self.model.proppatch, (), False, changes, NOTHING)
            self._send("PROPPATCH", (), NOTHING, expected, body=propertyupdate(changes))
        assert self.ground.rows() == (set(), [])
        self.ground.is_clean = True

    def _restart(self, how: signal.Signals) -> None:
        """Everything that was answered is still there."""
        self.until_restart = QUIET
        self.is_sound = False
        self.client.close()
        self.client = self.ground.restart(how)
        self._compare()
        self.is_sound = True

    def _send(
        self,
        method: str,
        path: Path,
        asked: Asked,
        predict: Callable[[], Expected],
        fields: dict[str, str] | None = None,
        *,
        slash: bool = False,
        body: bytes = b"",
    ) -> Answer:
        """Send a request, and hold its answer and what is there afterwards against the model."""
        self.is_sound = False
        headers = asked.headers(path, self._etag, self._token, href) | (fields or {})
        try:
            expected = predict()
        except Refused as refused:
            expected = refused.expected
        answer = self.client.send(method, href(path, slash), headers, body)
        told = f"{method} {href(path, slash)} {headers} -> {answer.status} {answer.body!r}"
        assert answer.status in expected.statuses, f"{told}, not {sorted(expected.statuses)}"
        if answer.status == 207 and method == "PROPPATCH":
            assert answer.properties() == expected.properties, told
        elif answer.status == 207 and method != "PROPFIND":
            assert answer.failed() == expected.failed, told
        if answer.status == 423:
            assert answer.roots(), told
            assert answer.roots() <= expected.roots, told
        if method == "LOCK" and answer.status in (200, 201) and "Lock-Token" in answer.headers:
            token = answer.headers["Lock-Token"].strip("<>")
            assert token not in self.tokens.values()
            self.tokens[self.model.granted] = token
        self.until_restart -= 1
        self.ground.steps += 1
        self._compare()
        self.is_sound = True
        return answer

    def _compare(self) -> None:
        compare(self.model, self.client, self.ground.root, self.etags, self.tokens)

    def _etag(self, path: Path, version: int) -> str:
        current = self.model.version(path) if version == CURRENT else version
        return self.etags.get(current or 0, '"never-there"')

    def _token(self, number: int) -> str:
        return self.tokens.get(number, "urn:uuid:00000000-0000-4000-8000-000000000000")

    def _transfer(self, target: tuple[Path, bool], overwrite: str | None) -> dict[str, str]:
        path, slash = target
        # Half of them as a URI whose host a proxy in front has changed: the path counts.
        host = "https://user@dav.example" if len(path) % 2 else ""
        found = {"Destination": host + href(path, slash)}
        return found | ({"Overwrite": overwrite} if overwrite else {})
